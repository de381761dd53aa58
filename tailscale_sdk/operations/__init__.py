"""What people do with a tailnet, made of several calls of the client."""
