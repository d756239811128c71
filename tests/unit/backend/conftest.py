"""Servers of the runtime and the backend over them: real HTTP, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from sophia_backend import logs
from sophia_backend.app import make_app
from sophia_backend.fleet import Fleet, Pauses
from sophia_backend.places import Place
from sophia_backend.probes import Probe
from sophia_backend.prometheus import Prometheus
from sophia_mcp.app import make_app as server_app
from sophia_mcp.health import Health
from sophia_mcp.policy import Tool, destroys, reads, writes
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from tests.support import asgi
from tests.support.polling import eventually
from tests.support.upstream import Service, serving

QUICK = Pauses(well=0.2, unwell=0.1)


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def refuse() -> str:
    """Fail as a tool may."""
    raise ToolError("expected a better day, got this one")


async def slow(seconds: float) -> str:
    """Take time."""
    await asyncio.sleep(seconds)
    return "done"


async def flood(size: int) -> str:
    """Answer at length."""
    return "x" * size


async def change() -> str:
    """Change something."""
    return "changed"


async def wipe() -> str:
    """Destroy something."""
    return "wiped"


TOOLS = (*map(reads, (add, refuse, slow, flood)), writes(change), destroys(wipe))


class Backend:
    """A running backend, for a caller who may use all servers."""

    def __init__(self, url: str, fleet: Fleet, http: httpx2.AsyncClient) -> None:
        self.url, self.fleet, self.http = url, fleet, http

    async def get(self, path: str, servers: str | None = "*", **headers: str) -> httpx2.Response:
        allowed = {} if servers is None else {"X-Sophia-Servers": servers}
        return await self.http.get(f"{self.url}{path}", headers={**allowed, **headers})

    async def post(self, path: str, body: Any, servers: str = "*", **headers: str):
        sent = {"X-Sophia-Servers": servers, **headers}
        return await self.http.post(f"{self.url}{path}", json=body, headers=sent)

    async def servers(self) -> dict[str, dict[str, Any]]:
        found = (await self.get("/api/servers")).json()["servers"]
        return {server["name"]: server for server in found}

    async def until(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The server, once it has this status."""

        async def look() -> dict[str, Any]:
            return (await self.servers())[name]

        def is_so(seen: dict[str, Any]) -> bool:
            return wanted.items() <= seen.items()

        return await eventually(look, is_so, f"{name} with {wanted}", 15)


class World:
    """Starts servers and a backend, which end with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def server(
        self,
        name: str = "toy",
        tools: tuple[Tool, ...] = TOOLS,
        check: Callable[[], Awaitable[None]] | None = None,
        stack: AsyncExitStack | None = None,
        port: int = 0,
        **environment: str,
    ) -> int:
        """The port of a new server."""
        every = {
            "MCP_ALLOW_WRITES": "true",
            "MCP_ALLOW_DESTRUCTIVE": ",".join(t.name for t in tools if t.kind == "destroy"),
        }
        made = Server(
            read_settings(name, {**every, **environment}),
            title=name.title(),
            instructions=f"How to use {name}.",
            tools=tools,
            check=check,
        )
        app = server_app(made, Health(name, f"{name}-1", made.check), ())
        return await (stack or self._stack).enter_async_context(asgi.serving(app, port))

    async def backend(
        self,
        pauses: Pauses = QUICK,
        probes: Mapping[str, Probe] = {},
        kept: logs.Place | None = None,
        prometheus: Prometheus | None = None,
        environment: Mapping[str, str] = {},
        **ports: int,
    ) -> Backend:
        """Over the servers at these ports of 127.0.0.1."""
        places = [Place(name, "127.0.0.1", port) for name, port in ports.items()]
        return await self.backend_at(places, pauses, probes, kept, prometheus, environment)

    async def backend_at(
        self,
        places: list[Place],
        pauses: Pauses = QUICK,
        probes: Mapping[str, Probe] = {},
        kept: logs.Place | None = None,
        prometheus: Prometheus | None = None,
        environment: Mapping[str, str] = {},
    ) -> Backend:
        fleet = Fleet(places, pauses)
        settings = read_settings("backend", environment)
        app, _ = make_app(fleet, settings, probes, kept, prometheus, pause_s=0.1)
        port = await self._stack.enter_async_context(asgi.serving(app))
        http = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=30))
        backend = Backend(f"http://127.0.0.1:{port}", fleet, http)

        async def looked() -> bool:
            return all(server.looked for server in fleet.servers.values())

        async def healthy() -> int:
            return (await http.get(f"{backend.url}/health")).status_code

        # First, as what /health says is kept for a second.
        await eventually(looked, bool, "the first look at each server")
        await eventually(healthy, lambda status: status == 200, "the backend's health")
        return backend


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


@pytest.fixture
async def pair(world: World) -> Backend:
    """Over servers `a` and `b`."""
    return await world.backend(a=await world.server("a"), b=await world.server("b"))


@pytest.fixture
def service() -> Iterator[Service]:
    """Anything that is not one of our servers."""
    with serving() as made:
        yield made
