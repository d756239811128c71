"""Waiting in tests: no sleeps, but a deadline whose message shows the last state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_S, _LONGEST_S = 0.01, 0.25
"""Pauses between two looks: each is half as long again as the one before it."""


def until(look: Callable[[], T], wanted: Callable[[T], bool], what: str, seconds: float = 60) -> T:
    """Looks until `wanted` holds; fails with the last thing seen (an exception counts as one)."""
    deadline, pause = time.monotonic() + seconds, _FIRST_S
    while True:
        last: object
        try:
            seen = look()
            if wanted(seen):
                return seen
            last = seen
        except Exception as failure:
            last = failure
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; last seen: {last!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_S)


async def eventually(
    look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], what: str, seconds: float = 20
) -> T:
    """Like `until`, for coroutines; an exception ends the wait."""
    deadline, pause = time.monotonic() + seconds, _FIRST_S
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; last seen: {seen!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_S)
