"""When the next request may be sent: the API's rate limits, for all who use the account.

Limits: "one request per second … launch … one request per 12 seconds" (OpenAPI 1.8.3, info).
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable

from providers.lambdalabs.slots import Book, Memory, SharedFile, Slot

Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """Hands out times to send at, spaced as the limits require. Safe among threads, tasks, and the
    processes that share `slots`.

    requests_per_second: of all requests. launch_interval: seconds between two launches.
    clock: seconds, monotonic; the host's, where `slots` are shared.
    """

    def __init__(
        self,
        requests_per_second: float = 1.0,
        launch_interval: float = 12.0,
        clock: Callable[[], float] = time.monotonic,
        slots: Memory | SharedFile | None = None,
    ) -> None:
        self.interval = 1.0 / requests_per_second
        self.launch_interval = launch_interval
        self.clock = clock
        self._slots = slots or Memory()
        self._told = False

    def reserve(self, *, launch: bool = False) -> float:
        """The earliest free time, now reserved for the caller. A launch far ahead blocks nobody."""
        return self._slots.change(lambda book: self._reserved(book, launch))

    def hold(self, seconds: float) -> None:
        """Nobody sends for this long: the API said so (Retry-After)."""
        until = self.clock() + seconds

        def held(book: Book) -> None:
            book.held_until = max(book.held_until, until)

        self._slots.change(held)

    async def turn(self, sleep: Sleep, *, launch: bool = False) -> None:
        """Returns when the caller may send. `sleep` may raise to end the wait."""
        while True:
            at = self.reserve(launch=launch)
            try:
                await sleep(max(0.0, at - self.clock()))
            except BaseException:
                self._release(at, launch)
                raise
            if self.clock() >= self._slots.change(lambda book: book.held_until):
                return
            self._release(at, launch)

    def trouble(self) -> str | None:
        """Why the pace isn't shared although it should be; reported once."""
        if self._told or self._slots.trouble is None:
            return None
        self._told = True
        return self._slots.trouble

    def _reserved(self, book: Book, launch: bool) -> float:
        now = self.clock()
        book.slots = [slot for slot in book.slots if slot.at > now - self._gap(slot.launch)]
        at = max(now, book.held_until)
        # In order of time, so that moving behind one slot never runs into an earlier one.
        for slot in sorted(book.slots):
            gap = self._gap(slot.launch and launch)
            if slot.at - gap < at < slot.at + gap:
                at = slot.at + gap
        book.slots.append(Slot(at, launch, os.getpid()))
        return at

    def _gap(self, launches: bool) -> float:
        return max(self.interval, self.launch_interval) if launches else self.interval

    def _release(self, at: float, launch: bool) -> None:
        slot = Slot(at, launch, os.getpid())

        def released(book: Book) -> None:
            if slot in book.slots:
                book.slots.remove(slot)

        self._slots.change(released)
