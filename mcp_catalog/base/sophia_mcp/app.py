"""The HTTP side of a replica: /mcp, /health, /metrics, and /activity for the backend."""

import logging
from collections.abc import Callable
from time import perf_counter

from mcp.server.transport_security import TransportSecuritySettings
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import audit, bodies
from .health import Health
from .metrics import Metrics
from .server import Server

logger = logging.getLogger(__name__)

QUIET = frozenset({"/health", "/metrics", "/activity"})
"""Routes that are requested all the time: not logged."""
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS"})
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def make_app(server: Server, health: Health, allowed_hosts: tuple[str, ...]) -> ASGIApp:
    """The ASGI application of `server`; any replica answers any client of either protocol era."""
    app: Starlette = server.streamable_http_app(
        stateless_http=True,
        json_response=False,
        max_request_body_size=bodies.MOST_BYTES,
        transport_security=security(server.name, allowed_hosts),
    )

    async def answer_activity(_: Request) -> Response:
        return JSONResponse(server.activity.report().model_dump())

    activity = Route("/activity", answer_activity)
    app.router.routes += [*operation(server.metrics, health), activity]
    return edge(app, server.metrics, health, _route)


def security(name: str, allowed_hosts: tuple[str, ...]) -> TransportSecuritySettings:
    """The Host values of valid requests: the server's names."""
    names = (name, f"tasks.{name}", *_LOCAL_HOSTS, *allowed_hosts)
    return TransportSecuritySettings(
        allowed_hosts=[host for name in names for host in (name, f"{name}:*")],
        # Browsers come through the gateway, which checks Origin and removes it.
        allowed_origins=[f"http://{name}{port}" for name in _LOCAL_HOSTS for port in ("", ":*")],
    )


def operation(metrics: Metrics, health: Health) -> list[Route]:
    """/health and /metrics."""

    async def answer_health(_: Request) -> Response:
        status, body = await health.report()
        return JSONResponse(body, status)

    async def answer_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/health", answer_health), Route("/metrics", answer_metrics)]


def edge(
    app: ASGIApp,
    metrics: Metrics,
    health: Health,
    route_of: Callable[[str], str],
    quiet: frozenset[str] = QUIET,
) -> ASGIApp:
    """Measures every request, logs those that call no tool, names the replica, and ends
    connections while draining. route_of: the name under which a path is counted, one of a few.
    quiet: those names that are not logged."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        route = route_of(scope["path"])
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status = 500
        started, request = perf_counter(), audit.arrived(scope)

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-sophia-replica", replica)]
                if health.draining:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        # A stateless server sends nothing on such a stream, and an open one would delay the
        # # process's end.
        stream = route == "/mcp" and method == "GET"
        inner = _no_stream if stream else posted if method == "POST" else app
        try:
            with metrics.in_flight.track_inprogress():
                await inner(scope, receive, send_marked)
        finally:
            seconds = perf_counter() - started
            metrics.requests.labels(route, method, status).inc()
            metrics.request_seconds.labels(route).observe(seconds)
            # A tool call has its own line.
            if route not in quiet and not request.calls:
                logger.info(
                    "request",
                    extra={
                        "request_id": request.request_id,
                        "caller": request.caller,
                        "method": method,
                        "path": scope["path"][:100],
                        "status": status,
                        "ms": round(seconds * 1000, 1),
                    },
                )

    replica, posted = health.replica.encode(), bodies.bounded(app)
    return answer


def _route(path: str) -> str:
    return path if path == "/mcp" or path in QUIET else "other"


_no_stream = Response("This server sends nothing of its own accord.", 405, {"Allow": "POST"})
