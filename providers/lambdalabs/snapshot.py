"""The account's machines as last listed: one `GET /instances` serves all who ask at a time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from providers.lambdalabs.models import Listed, Machine


@dataclass
class _Listing:
    """A request and its answer. edition: of the account, when it was asked for."""

    edition: int
    answer: asyncio.Task[Listed[Machine]]
    answered: float = float("inf")


class Snapshot:
    """What the last list call said. Who asks while one is under way shares its answer or error.

    It holds no terminated machines, and may lack one that was just launched: what is missing here
    is to be asked for by its id. clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._edition = 0
        self._last: _Listing | None = None

    def forget(self) -> None:
        """The account was changed, or it is another one: earlier answers tell nothing."""
        self._edition += 1

    async def machines(
        self, ask: Callable[[], Coroutine[Any, Any, Listed[Machine]]], max_age: float
    ) -> Listed[Machine]:
        """All machines, by an answer that came at most `max_age` seconds ago, or by `ask`."""
        last = self._last
        if last is None or not self._serves(last, max_age):
            last = self._last = _Listing(self._edition, asyncio.ensure_future(ask()))
            last.answer.add_done_callback(functools.partial(self._note, last))
        # Who is interrupted leaves the answer to the others.
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
            answer.exception()  # so that asyncio doesn't call it forgotten
