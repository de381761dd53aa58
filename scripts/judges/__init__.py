"""Outside judges of the MCP server: suites and clients that others wrote."""
