"""Runs a server as a process, from `build(settings) -> Server` in its folder's `server.py`."""

import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from time import monotonic
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from . import logs, tracing
from .app import make_app
from .errors import RuntimeFault
from .health import Health
from .server import Server
from .settings import Settings, read_settings

logger = logging.getLogger(__name__)

Build = Callable[[Settings], Server]
Make = Callable[[Settings], tuple[ASGIApp, Health]]


class DrainingServer(uvicorn.Server):
    """On SIGTERM it continues to answer for `drain_seconds` while /health says 503, then ends.

    Balancers have stopped using it by the time the port closes, so no request is lost. A second
    signal, or SIGINT, skips the wait. Ends with exit status 0.
    """

    def __init__(self, config: uvicorn.Config, health: Health, drain_seconds: float) -> None:
        super().__init__(config)
        self._health = health
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not passed on to uvicorn's handler: it would end the process by the signal, not with 0.
        if sig == signal.SIGTERM and self.started and not self._health.draining:
            self._health.draining = True
            self._drained_at = monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._drained_at is not None and monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(app: ASGIApp, health: Health, settings: Settings) -> None:
    """Listen on the configured address until a signal stops it."""
    config = uvicorn.Config(
        app,
        host=settings.address,
        port=settings.port,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Above the gateway's own keep-alive, so that this side never closes first.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
    listener = config.bind_socket()
    # Connections inherit it: it limits the memory of a body that isn't read yet.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    # This, too: else the kernel keeps an answer's body until its head is acknowledged, and clients
    # delay that by 40 ms. asyncio sets it only if a socket names its protocol: uvicorn's doesn't.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    DrainingServer(config, health, settings.drain_seconds).run([listener])


def build_of(name: str) -> Build:
    """`build` of `mcp_catalog/<name>/server.py`.

    Raises:
        RuntimeFault: there is no such server.
    """
    module = f"mcp_catalog.{name}.server"
    try:
        found: Build = importlib.import_module(module).build
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise RuntimeFault(f"expected a server in mcp_catalog/{name}/server.py, got none") from None
    return found


def run(name: str, make: Make) -> None:
    """Read the settings, make the application, serve it. Exit status 2 if it can't start."""
    logs.configure("INFO", server=name)
    try:
        settings = read_settings(name, os.environ)
        logs.configure(settings.log_level, server=name, replica=settings.replica)
        tracing.start(settings)
        app, health = make(settings)
    except RuntimeFault as fault:
        logger.critical(str(fault))
        sys.exit(2)
    serve(app, health, settings)
    tracing.stop()


def main(name: str, build: Build | None = None) -> None:
    """Run a server. build: for one that is not in the catalog."""

    def make(settings: Settings) -> tuple[ASGIApp, Health]:
        server = (build or build_of(name))(settings)
        health = Health(server.name, settings.replica, server.check)
        return make_app(server, health, settings.allowed_hosts), health

    run(name, make)
