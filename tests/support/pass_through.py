"""To the gateway, for clients that have no way to send a token."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def adding_token(
    port: int, target: tuple[str, int], trust: ssl.SSLContext, token: str
) -> AsyncIterator[None]:
    """Takes plain HTTP/1.1 on this machine's `port` and hands it on to `target` over TLS, with the
    token added to each request.

    Everything else passes unread and unchanged, in both directions, as it arrives: bodies, streams,
    Host, odd headers. Only a connection ends with its answer (`Connection: close`), so that each
    request begins a connection, and its head is found without reading bodies.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            host, far_port = target
            far_reader, far_writer = await asyncio.open_connection(host, far_port, ssl=trust)
            with contextlib.closing(far_writer):
                far_writer.write(_with_token(head, token))
                # Either side's end closes both directions.
                ways = [
                    asyncio.create_task(_pump(reader, far_writer)),
                    asyncio.create_task(_pump(far_reader, writer)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async with await asyncio.start_server(handle, "127.0.0.1", port):
        yield


def _with_token(head: bytes, token: str) -> bytes:
    """A request's head with the token, and without the wish to keep the connection."""
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    added = [f"Authorization: Bearer {token}".encode(), b"Connection: close"]
    return b"\r\n".join([*kept, *added, b"", b""])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
