"""The embedded tailnet: a real HTTP server on loopback that behaves like the service."""
