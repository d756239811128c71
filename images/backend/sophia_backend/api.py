"""The REST API, for the page and for programs that speak no MCP."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .activity import fleet_view, overview
from .callers import caller_of
from .fleet import Fleet
from .tools import Tool


def routes(fleet: Fleet) -> list[Route]:
    """All below /api; openapi.json describes them."""

    async def show_fleet(request: Request) -> Response:
        return JSONResponse(fleet_view(fleet, caller_of(request)))

    async def list_servers(request: Request) -> Response:
        servers = caller_of(request).servers(fleet)
        return JSONResponse({"servers": [overview(server) for server in servers]})

    async def show_server(request: Request) -> Response:
        server = caller_of(request).server(fleet, request.path_params["server"])
        tools = [described(tool) for tool in server.tools.values()]
        about = {**overview(server), "instructions": server.instructions, "tools": tools}
        return JSONResponse(about)

    return [
        Route("/api/fleet", show_fleet),
        Route("/api/servers", list_servers),
        Route("/api/servers/{server}", show_server),
    ]


def described(tool: Tool) -> dict[str, Any]:
    """A tool with all that its server tells of it."""
    told = tool.definition
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "kind": tool.kind,
        "inputSchema": told["inputSchema"],
        "outputSchema": told.get("outputSchema"),
        "annotations": told.get("annotations"),
    }
