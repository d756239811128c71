"""The account's machines as last listed: concurrent callers share one `GET /instances`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from providers.lambdalabs.models import Listed, Machine


@dataclass
class _Listing:
    """A request and its answer. edition: of the account, at the time of the request."""

    edition: int
    answer: asyncio.Task[Listed[Machine]]
    answered: float = float("inf")


class Snapshot:
    """The answer of the last list call. Calls during a request share its answer or error.

    It holds no terminated machines, and may lack one that was just launched: ask for a missing one
    by its id. clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._edition = 0
        self._last: _Listing | None = None

    def forget(self) -> None:
        """The account has changed, or is another one: earlier answers are out of date."""
        self._edition += 1

    async def machines(
        self, ask: Callable[[], Coroutine[Any, Any, Listed[Machine]]], max_age: float
    ) -> Listed[Machine]:
        """All machines, from an answer at most `max_age` seconds old, or from `ask`."""
        last = self._last
        if last is None or not self._serves(last, max_age):
            last = self._last = _Listing(self._edition, asyncio.ensure_future(ask()))
            last.answer.add_done_callback(functools.partial(self._note, last))
        # An interrupted caller leaves the answer to the others.
        return await asyncio.shield(last.answer)

    def _serves(self, listing: _Listing, max_age: float) -> bool:
        if listing.edition != self._edition:
            return False
        if not listing.answer.done():
            return True
        failed = listing.answer.cancelled() or listing.answer.exception() is not None
        return not failed and self._clock() - listing.answered < max_age

    def _note(self, listing: _Listing, answer: asyncio.Task[Listed[Machine]]) -> None:
        listing.answered = self._clock()
        if not answer.cancelled():
            answer.exception()  # so that asyncio doesn't report it as never retrieved
