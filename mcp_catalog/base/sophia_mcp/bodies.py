"""Limits the memory of requests' bodies as Python objects, however many arrive at once.

A body of 512 KiB that is only `[[[]]]` takes 50 MB and blocks the event loop for seconds; 32 of
them at once took 700 MB. So the number of values in a body is limited, and requests wait for room.
"""

import asyncio
import contextlib
import json
import re
from collections import deque

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 512 * 1024
"""As at the gateway. The longest real call, a memory with every character escaped, has half."""
MOST_VALUES = 10_000
"""Keys count, too. Parsing these and checking them against a tool's schema takes 0.1 s."""

# Measured, with a margin: bytes that a request, each byte of its body and each value take.
_REQUEST, _BYTE, _VALUE = 128 * 1024, 8, 256
_ROOM = 40 * 1024 * 1024
"""For all requests of a replica. The smallest has 192 MB, of which it takes 90 when idle."""
_WAIT_SECONDS = 10.0
_MOST_WAITING = 64

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class Room:
    """A shared number of bytes. A request that finds too few waits in line; one that needs no more
    than there are doesn't, so small requests pass those that wait for many."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> bool:
        """Whether there was room in time."""
        if size <= self._free:
            self._free -= size
            return True
        if len(self._line) >= _MOST_WAITING:
            return False
        turn = asyncio.get_running_loop().create_future()
        place = (size, turn)
        self._line.append(place)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await turn
        except (asyncio.CancelledError, TimeoutError) as error:
            if turn.cancelled():
                with contextlib.suppress(ValueError):
                    self._line.remove(place)
                self.give(0)  # the next in line may fit
            else:
                self.give(size)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give(self, size: int) -> None:
        """Returns what was taken, to the first in line."""
        self._free += size
        while self._line and self._line[0][0] <= self._free:
            needed, turn = self._line.popleft()
            if not turn.cancelled():  # a request that gave up may still be in line
                self._free -= needed
                turn.set_result(None)


def bounded(app: ASGIApp) -> ASGIApp:
    """`app` for requests with a JSON body. 413: it is too large. 503: there is no room in time."""
    room = Room(_ROOM)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        length = _length(scope)
        held = _cost(length, min(length // 2, MOST_VALUES))
        refusal: Response | None = None
        if length > MOST_BYTES:
            refusal = _TOO_LONG
        elif not await room.take(held):
            refusal = _BUSY
        if refusal is not None:
            # Many clients lose an answer that comes before the body's end.
            await _read(receive, 0)
            await refusal(scope, receive, send)
            return
        try:
            body = await _read(receive, MOST_BYTES)
            if body is None:
                await _TOO_LONG(scope, receive, send)
            elif (values := count_values(body)) > MOST_VALUES:
                await _TOO_MANY(scope, receive, send)
            else:
                # Nearly all take less than the worst case of their length.
                needed = _cost(len(body), values)
                room.give(held - needed)
                held = needed
                await app(scope, _replayed(body, receive), send)
        finally:
            room.give(held)

    return answer


def count_values(body: bytes) -> int:
    """An upper bound of the values and keys in a JSON text, without parsing it."""
    bare = _STRING.sub(b"", body)
    return sum(map(bare.count, (b"[", b"{", b",", b":")))


def _length(scope: Scope) -> int:
    """The body's announced length, or else the maximum."""
    given = dict(scope["headers"]).get(b"content-length", b"")
    return int(given) if given.isdigit() else MOST_BYTES


def _cost(length: int, values: int) -> int:
    return _REQUEST + _BYTE * length + _VALUE * values


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body as far as it arrives; None if it has more than `most` bytes."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        if size <= most:
            parts.append(message.get("body", b""))
        else:
            parts.clear()
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts) if size <= most else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then what comes after it."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


def _refusal(status: int, message: str, **headers: str) -> Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}
    return Response(json.dumps(error), status, headers, media_type="application/json")


_TOO_LONG = _refusal(413, f"the body is longer than {MOST_BYTES} bytes; send less")
_TOO_MANY = _refusal(413, f"the body has more than {MOST_VALUES} values and keys; send fewer")
_BUSY = _refusal(503, "too many requests at once; try again in a moment", **{"Retry-After": "1"})
