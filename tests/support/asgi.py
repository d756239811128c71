"""An ASGI application over real HTTP, in the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import uvicorn
from starlette.types import ASGIApp

from tests.support.polling import eventually


class _Server(uvicorn.Server):
    """Notices its end at once, rather than at its next look a tenth of a second later."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ended.wait()


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[int]:
    """Its port on 127.0.0.1; open connections end with it."""
    config = uvicorn.Config(
        app, lifespan="on", ws="none", http="h11", log_config=None, timeout_graceful_shutdown=1
    )
    server = _Server(config)

    async def begun() -> bool:
        return server.started or running.done()

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await eventually(begun, bool, "the application's start", 10)
            if running.done():
                await running
                raise AssertionError("the application did not start")
            yield int(listener.getsockname()[1])
        finally:
            server.ended.set()
            await running
