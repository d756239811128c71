"""All servers of the platform behind one address: a REST API, one MCP endpoint, a page."""
