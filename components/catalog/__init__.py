"""Pure: what `mcp_catalog/` says about each server, checked."""
