"""Rate limits: a least time between two calls that are let through."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from simulator.exceptions import RateLimited


class Limit:
    """Lets one call through per `interval` seconds; 0 lets all through.

    Every other refusal says `Retry-After`: in the field it comes at times.
    """

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._next = 0.0
        self._refused = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Count a call. Raises RateLimited when it comes too early."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                self._refused += 1
                wait = math.ceil(self._next - now)
                raise RateLimited(wait if self._refused % 2 else None)
            self._next = now + self._interval
