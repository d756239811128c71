"""The HTTP side of the backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sophia_mcp import app as runtime
from sophia_mcp.health import Health
from sophia_mcp.metrics import Metrics
from sophia_mcp.settings import Settings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from . import api, page
from .fleet import Fleet
from .places import read_places
from .problems import Problem, answer_http, answer_problem


def make(settings: Settings) -> tuple[ASGIApp, Health]:
    """The ASGI application, and its health."""
    return make_app(Fleet(read_places(settings)), settings)


def make_app(fleet: Fleet, settings: Settings) -> tuple[ASGIApp, Health]:
    """The same, for a fleet."""
    metrics = Metrics(settings.server)
    health = Health(settings.server, settings.replica, fleet.check)

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        async with fleet.opened():
            yield

    app = Starlette(
        routes=[*runtime.operation(metrics, health), *api.routes(fleet), *page.routes()],
        exception_handlers={Problem: answer_problem, HTTPException: answer_http},
        lifespan=opened,
    )
    return runtime.edge(app, metrics, health, _route), health


def _route(path: str) -> str:
    """What a path is counted as."""
    known = ("/api/fleet", "/api/servers", "/api/tools", "/api/openapi.json", "/assets")
    for route in known:
        if path == route or path.startswith(f"{route}/"):
            return route
    return path if path in ("/", "/mcp", "/health", "/metrics") else "other"
