"""The REST API, for the page and for programs that don't use MCP. openapi.json describes it."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

from mcp.shared.exceptions import MCPError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from . import logs
from .activity import fleet_view, overview
from .callers import caller_of
from .calls import Calls
from .fleet import Fleet
from .problems import Json, Problem
from .search import Search
from .tools import Tool

MOST_TOOLS = 100
"""In one answer."""
_DOCUMENT = (Path(__file__).parent / "openapi.json").read_bytes()


def routes(
    fleet: Fleet, calls: Calls, search: Search, kept: logs.Place | None = None
) -> list[Route]:
    """Everything below /api. kept: where logs are."""

    async def show_fleet(request: Request) -> Response:
        return Json(fleet_view(fleet, caller_of(request)))

    async def list_servers(request: Request) -> Response:
        servers = caller_of(request).servers(fleet)
        return Json({"servers": [overview(server) for server in servers]})

    async def show_server(request: Request) -> Response:
        server = caller_of(request).server(fleet, request.path_params["server"])
        tools = [_described(tool) for tool in server.tools.values()]
        return Json({**overview(server), "instructions": server.instructions, "tools": tools})

    async def find_tools(request: Request) -> Response:
        asked, servers = request.query_params, caller_of(request).servers(fleet)
        limit = _limit(asked.get("limit", "10"))
        if query := asked.get("query", "").strip():
            return Json({"tools": [_found(t) for t in search.find(query, servers, limit)]})
        after = [t for t in fleet.tools(servers) if t.full_name > asked.get("cursor", "")]
        page = after[:limit]
        cursor = page[-1].full_name if len(after) > limit else None
        return Json({"tools": [_found(tool) for tool in page], "cursor": cursor})

    async def call_tool(request: Request) -> Response:
        caller, name = caller_of(request), request.path_params["tool"]
        server = caller.server(fleet, request.path_params["server"])
        if (tool := server.tools.get(name)) is None:
            raise _unknown(name, server.name, server.detail, list(server.tools))
        arguments, began = await _arguments(request), perf_counter()
        try:
            result = await _unless_left(request, calls.call(caller, tool, arguments))
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it, but the log has it
        except MCPError as error:
            raise Problem(502, "The server refused the request", str(error)) from None
        return Json(
            {
                "is_error": bool(result.get("isError")),
                "text": _text(result),
                "data": result.get("structuredContent"),
                "request_id": caller.request.request_id,
                "ms": round((perf_counter() - began) * 1000, 1),
            }
        )

    async def find_logs(request: Request) -> Response:
        if not caller_of(request).every:
            # Lines name callers, and come from the platform's own services, too.
            raise Problem(403, "Not allowed", "Only a caller that may use all servers sees logs.")
        if kept is None:
            detail = "This platform keeps no logs: set sophia:logs.enabled to true."
            raise Problem(404, "No logs", detail)
        return Json({"lines": await logs.find(kept, request.query_params)})

    async def show_document(_: Request) -> Response:
        return Response(_DOCUMENT, media_type="application/json")

    return [
        Route("/api/fleet", show_fleet),
        Route("/api/servers", list_servers),
        Route("/api/servers/{server}", show_server),
        Route("/api/tools", find_tools),
        Route("/api/tools/{server}/{tool}", call_tool, methods=["POST"]),
        Route("/api/logs", find_logs),
        Route("/api/openapi.json", show_document),
    ]


def _shown(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "kind": tool.kind,
        "inputSchema": tool.definition["inputSchema"],
    }


def _described(tool: Tool) -> dict[str, Any]:
    """A tool with everything that its server says about it."""
    more = ("outputSchema", "annotations")
    return {**_shown(tool), **{name: tool.definition.get(name) for name in more}}


def _found(tool: Tool) -> dict[str, Any]:
    """A tool among those of all servers."""
    return {"server": tool.server, "full_name": tool.full_name, **_shown(tool)}


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_TOOLS:
        return int(text)
    expected = f"limit: expected a whole number from 1 to {MOST_TOOLS}, got {text[:20]!r}."
    raise Problem(400, "Bad request", expected)


async def _arguments(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        expected = "body: expected the tool's arguments as a JSON object, such as {}."
        raise Problem(400, "Bad request", expected)
    return body


async def _unless_left(request: Request, call: Coroutine[Any, Any, dict[str, Any]]) -> Any:
    """The result; if the client leaves earlier, the call ends, too."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    calling, leaving = asyncio.create_task(call), asyncio.create_task(left())
    try:
        await asyncio.wait((calling, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():
            raise ClientDisconnect
        return calling.result()
    finally:
        calling.cancel()
        leaving.cancel()


def _unknown(name: str, server: str, detail: str | None, names: list[str]) -> Problem:
    known = f"Its tools: {', '.join(names)}." if names else f"None is known: {detail}."
    return Problem(404, "Unknown tool", f"{server} has no tool {name[:64]!r}. {known}")


def _text(result: dict[str, Any]) -> str:
    """All text in a result's content."""
    blocks = result.get("content")
    parts = [block for block in blocks if isinstance(block, dict)] if blocks else []
    return "\n".join(str(part["text"]) for part in parts if "text" in part)
