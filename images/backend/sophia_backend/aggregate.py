"""One MCP server with the tools of all: listed unchanged, or found by a search."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from sophia_mcp.server import VERSION
from starlette.requests import Request

from .callers import Caller, caller_of
from .calls import Calls
from .fleet import Fleet
from .problems import Problem
from .search import Search
from .tools import MOST_NAME, Tool
from .wire import Progress

PAGE_BYTES = 250_000
"""For a list of tools."""

_COMPLETE = {"resultType": "complete"}

Context = ServerRequestContext[Any, Request]
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]

_SEARCH = {
    "name": "search_tools",
    "title": "Search tools",
    "description": "Find tools by what they do. Gives the best matches with their schemas; call "
    "one with call_tool.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "description": "Words such as `create issue`; without any, the first tools by name",
            },
            "limit": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "openWorldHint": False},
}
_CALL = {
    "name": "call_tool",
    "title": "Call a tool",
    "description": "Call a tool that search_tools found. Its result comes back as it is.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "As search_tools gives it"},
            "arguments": {"type": "object", "description": "As the tool's inputSchema wants them"},
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
}


class Aggregate:
    """`server` is the MCP server. With `?tools=search` it has only two tools.

    lifespan: what is kept open as long as it serves.
    """

    def __init__(self, fleet: Fleet, calls: Calls, search: Search, lifespan: Lifespan) -> None:
        self._fleet, self._calls, self._search = fleet, calls, search
        self.server: Server[Any] = Server(
            "sophia",
            title="Sophia",
            version=VERSION,
            lifespan=lambda _: lifespan(),
            # No server asks for arguments in headers, so there are none to compare.
            get_tool_input_schema=lambda name: None,
        )
        # As it came over the wire: our own models might not know every field.
        self.server.add_request_handler(
            "tools/list", types.PaginatedRequestParams, self._list_tools
        )
        self.server.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        self.server.middleware.append(self._instruct)

    async def _instruct(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """The instructions depend on the caller."""
        result = await call_next(ctx)
        if ctx.method in ("initialize", "server/discover") and isinstance(result, dict):
            return {**result, "instructions": self._instructions(_request(ctx))}
        return result

    def _instructions(self, request: Request) -> str:
        lines = [
            f"- {one.name} ({one.title}): {one.status}, {len(one.tools)} tools"
            for one in caller_of(request).servers(self._fleet)
        ]
        how = "Each tool's name begins with that of its server."
        if _searches(request):
            how = "Find tools with search_tools, then call one with call_tool."
        return "\n".join([f"The tools of these servers. {how}", *(lines or ["- none"])])

    async def _list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> dict[str, Any]:
        request = _request(context)
        if _searches(request):
            return _listed([_SEARCH, _CALL], None)
        after = (params.cursor if params else None) or ""
        servers = caller_of(request).servers(self._fleet)
        left = [tool for tool in self._fleet.tools(servers) if tool.full_name > after]
        count, size = 0, 0
        while count < len(left) and (count == 0 or size + left[count].size <= PAGE_BYTES):
            size += left[count].size
            count += 1
        cursor = left[count - 1].full_name if count < len(left) else None
        return _listed([_definition(tool) for tool in left[:count]], cursor)

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> dict[str, Any]:
        request, name, arguments = _request(context), params.name, params.arguments or {}
        caller = caller_of(request)
        if _searches(request):
            if name == "search_tools":
                return self._found(caller, arguments)
            if name != "call_tool":
                raise _unknown(name)
            name, arguments = str(arguments.get("name")), arguments.get("arguments") or {}
            if not isinstance(arguments, dict):
                return _failed("arguments: expected an object as the tool's inputSchema has it.")
        if (tool := caller.tool(self._fleet, name)) is None:
            raise _unknown(name)
        wants_progress = (context.meta or {}).get("progress_token") is not None
        progress: Progress | None = context.session.report_progress if wants_progress else None
        try:
            result = await self._calls.call(caller, tool, arguments, progress)
        except Problem as problem:
            return _failed(str(problem))
        meta = dict(result.get("_meta") or {})
        meta.pop(types.SERVER_INFO_META_KEY, None)  # this server answers
        return {**result, "_meta": meta or None}

    def _found(self, caller: Caller, arguments: dict[str, Any]) -> dict[str, Any]:
        query, limit = arguments.get("query", ""), arguments.get("limit", 5)
        if not isinstance(query, str) or type(limit) is not int or not 1 <= limit <= 20:
            return _failed("expected a text as query and a number from 1 to 20 as limit.")
        found = self._search.find(query, caller.servers(self._fleet), limit)
        return _structured({"tools": [_definition(tool) for tool in found]})


def _request(context: Context) -> Request:
    assert context.request is not None, "every request comes over HTTP"
    return context.request


def _searches(request: Request) -> bool:
    return request.query_params.get("tools") == "search"


def _definition(tool: Tool) -> dict[str, Any]:
    return {**tool.definition, "name": tool.full_name}


def _listed(tools: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    more = {"nextCursor": cursor} if cursor else {}
    # The list depends on the caller, and may change at any time.
    return {**_COMPLETE, "ttlMs": 0, "cacheScope": "private", "tools": tools, **more}


def _structured(data: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": json.dumps(data)}]
    return {**_COMPLETE, "content": content, "structuredContent": data}


def _failed(why: str) -> dict[str, Any]:
    return {**_COMPLETE, "content": [{"type": "text", "text": why}], "isError": True}


def _unknown(name: str) -> MCPError:
    """The same error for a tool that the caller may not use."""
    return MCPError(types.INVALID_PARAMS, f"Unknown tool: {name[:MOST_NAME]}")
