"""The HTTP side of the backend."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext

from sophia_mcp import app as runtime
from sophia_mcp import bodies
from sophia_mcp.health import Health
from sophia_mcp.metrics import Metrics
from sophia_mcp.settings import Settings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from . import api, dashboards_api, logs, page
from .aggregate import Aggregate
from .calls import Calls
from .charts import Charts
from .fleet import Fleet
from .places import read_places
from .probes import Probe, Probes, read_probes
from .problems import Problem, answer_http, answer_problem
from .prometheus import Prometheus, read_place
from .search import Search
from .statuses import Statuses

QUIET = runtime.QUIET | {"/api/fleet", "/api/dashboards"}
"""Every open page asks for the fleet every five seconds, or for a dashboard every ten."""


def make(settings: Settings) -> tuple[ASGIApp, Health]:
    """The ASGI application, and its health."""
    place = read_place(settings)
    return make_app(
        Fleet(read_places(settings)),
        settings,
        read_probes(settings),
        logs.read_place(settings),
        Prometheus(*place) if place else None,
    )


def make_app(
    fleet: Fleet,
    settings: Settings,
    wanted: Mapping[str, Probe] = {},
    kept: logs.Place | None = None,
    prometheus: Prometheus | None = None,
    **pace: float,
) -> tuple[ASGIApp, Health]:
    """The same, for a fleet. wanted, pace: of its probes. kept: where logs are. prometheus: None
    where nothing is monitored."""
    metrics = Metrics(settings.server)
    health = Health(settings.server, settings.replica, fleet.check)
    calls, search = Calls(fleet, metrics), Search(fleet)
    metrics.registry.register(Statuses(fleet))
    probes = Probes(fleet, wanted, metrics.registry, **pace)
    charts = Charts(prometheus) if prometheus else None
    runbooks = settings.text(dashboards_api.RUNBOOKS, "")

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        watched = prometheus.opened() if prometheus else nullcontext()
        async with fleet.opened(), probes.opened(), watched:
            yield

    app: Starlette = Aggregate(fleet, calls, search, lifespan).server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=bodies.MOST_BYTES,
        transport_security=runtime.security(settings.server, settings.allowed_hosts),
    )
    app.router.routes += [
        *runtime.operation(metrics, health),
        *api.routes(fleet, calls, search, kept),
        *dashboards_api.routes(fleet, charts, runbooks),
        *page.routes(),
    ]
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_http)
    return runtime.edge(app, metrics, health, _route, QUIET), health


def _route(path: str) -> str:
    """The name under which a path is counted."""
    known = (
        "/api/fleet",
        "/api/servers",
        "/api/tools",
        "/api/dashboards",
        "/api/logs",
        "/api/openapi.json",
        "/assets",
    )
    for route in known:
        if path == route or path.startswith(f"{route}/"):
            return route
    return path if path in ("/", "/mcp", "/health", "/metrics") else "other"
