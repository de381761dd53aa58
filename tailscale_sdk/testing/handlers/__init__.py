"""The operations of the embedded tailnet, one module per resource."""
