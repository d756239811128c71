"""The HTTP side of a replica: /mcp, /health, /metrics, and /activity for the backend."""

import logging
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
from .server import Server

logger = logging.getLogger(__name__)

_QUIET = frozenset({"/health", "/metrics", "/activity"})
"""Asked all the time: without a line in the log."""
_ROUTES = _QUIET | {"/mcp"}
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS"})
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def make_app(server: Server, health: Health, allowed_hosts: tuple[str, ...]) -> ASGIApp:
    """The ASGI application of `server`; any replica answers any client of either protocol era."""
    names = (server.name, f"tasks.{server.name}", *_LOCAL_HOSTS, *allowed_hosts)
    app: Starlette = server.streamable_http_app(
        stateless_http=True,
        json_response=False,
        max_request_body_size=bodies.MOST_BYTES,
        transport_security=TransportSecuritySettings(
            allowed_hosts=[host for name in names for host in (name, f"{name}:*")],
            # Browsers come through the gateway, which checks Origin and takes it off.
            allowed_origins=[
                f"http://{name}{port}" for name in _LOCAL_HOSTS for port in ("", ":*")
            ],
        ),
    )

    async def answer_health(_: Request) -> Response:
        status, body = await health.report()
        return JSONResponse(body, status)

    async def answer_metrics(_: Request) -> Response:
        return Response(server.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def answer_activity(_: Request) -> Response:
        return JSONResponse(server.activity.report())

    app.router.routes += [
        Route("/health", answer_health),
        Route("/metrics", answer_metrics),
        Route("/activity", answer_activity),
    ]
    return _edge(app, server, health)


def _edge(app: ASGIApp, server: Server, health: Health) -> ASGIApp:
    """Measures every request, logs those that call no tool, names the replica, and ends
    connections while draining."""

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in _ROUTES else "other"
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

        # A stateless server has nothing to say on a stream of its own, and an open one would
        # hold up the process's end.
        stream = route == "/mcp" and method == "GET"
        inner = _no_stream if stream else posted if method == "POST" else app
        try:
            with server.metrics.in_flight.track_inprogress():
                await inner(scope, receive, send_marked)
        finally:
            seconds = perf_counter() - started
            server.metrics.requests.labels(route, method, status).inc()
            server.metrics.request_seconds.labels(route).observe(seconds)
            # A call of a tool has a line of its own.
            if route not in _QUIET and not request.calls:
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
    return edge


_no_stream = Response("This server sends nothing of its own accord.", 405, {"Allow": "POST"})
