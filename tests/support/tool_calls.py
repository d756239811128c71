"""Calling the tools of a server in this process, as a client does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as ListedTool
from sophia_mcp.server import Server


class Tools:
    """The tools of one server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def listed(self) -> dict[str, ListedTool]:
        """By name, as clients see them."""
        return {tool.name: tool for tool in (await self._client.list_tools()).tools}

    async def ok(self, tool: str, **arguments: Any) -> Any:
        """A call's result."""
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def error(self, tool: str, **arguments: Any) -> str:
        """The error of a call that must fail."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """The text that the model reads."""
    return "\n".join(item.text for item in result.content if isinstance(item, TextContent))


@asynccontextmanager
async def tools_of(server: Server) -> AsyncIterator[Tools]:
    """The tools of a server that runs while the context is open."""
    async with Client(server) as client:
        yield Tools(client)
