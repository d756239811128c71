"""Limits calls in flight, and calls per second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic


class Pace:
    """at_once: calls in flight. per_second: calls started, None for no limit."""

    def __init__(self, at_once: int, per_second: float | None) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn, in the order of arrival."""
        async with self._free:
            now = monotonic()
            begin = max(now, self._next)
            self._next = begin + self._interval
            await asyncio.sleep(begin - now)
            yield
