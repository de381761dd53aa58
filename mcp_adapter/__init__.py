"""The MCP server on top of the SDK: a curated map of operations, one generic tool, nothing by hand."""
