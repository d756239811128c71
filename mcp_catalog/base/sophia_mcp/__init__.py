"""What every MCP server of the platform shares: settings, logs, metrics, health, a clean stop.

A server is a `build(settings) -> Server` function in `mcp_catalog/<name>/server.py`.
This file stays empty of imports: the health check runs every few seconds and starts from here.
"""
