"""The network of a tailnet, shown and changed."""
