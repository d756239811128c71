"""When the next request may go: the API's rate limits, kept by everyone who uses the account.

Limits: "one request per second … launch … one request per 12 seconds" (OpenAPI 1.8.3, info).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

Sleep = Callable[[float], Awaitable[None]]


class _Slot(NamedTuple):
    at: float
    launch: bool


class Pacer:
    """Gives out moments to send at, apart as the limits ask. Safe among threads and tasks.

    requests_per_second: of all requests. launch_interval: seconds between two launches.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        requests_per_second: float = 1.0,
        launch_interval: float = 12.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval = 1.0 / requests_per_second
        self.launch_interval = launch_interval
        self.clock = clock
        self._held_until = float("-inf")
        self._slots: list[_Slot] = []
        self._lock = threading.Lock()

    def reserve(self, *, launch: bool = False) -> float:
        """The earliest free moment, from now on the caller's. A launch far ahead blocks no one."""
        with self._lock:
            now = self.clock()
            longest = max(self.interval, self.launch_interval)
            self._slots = [slot for slot in self._slots if slot.at > now - longest]
            at = max(now, self._held_until)
            # In order of time, so that moving behind one slot never runs into an earlier one.
            for slot in self._slots:
                gap = self._gap(slot.launch and launch)
                if slot.at - gap < at < slot.at + gap:
                    at = slot.at + gap
            self._slots.append(_Slot(at, launch))
            self._slots.sort()
            return at

    def hold(self, seconds: float) -> None:
        """Nobody goes for so long: the API said so (Retry-After)."""
        with self._lock:
            self._held_until = max(self._held_until, self.clock() + seconds)

    async def turn(self, sleep: Sleep, *, launch: bool = False) -> None:
        """Returns when the caller may send. `sleep` may raise to end the wait."""
        while True:
            at = self.reserve(launch=launch)
            await sleep(max(0.0, at - self.clock()))
            if self.clock() >= self._held_until:
                return
            self._release(_Slot(at, launch))

    def _gap(self, launches: bool) -> float:
        return max(self.interval, self.launch_interval) if launches else self.interval

    def _release(self, slot: _Slot) -> None:
        with self._lock:
            if slot in self._slots:
                self._slots.remove(slot)
