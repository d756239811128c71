"""Rate limits: a least time between two calls that are let through."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from simulator.exceptions import RateLimited


class Limit:
    """Lets one call through per interval.

    Every other refusal has `Retry-After`: the real API sends it only sometimes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = float("-inf")
        self._refused = 0
        self._lock = threading.Lock()

    def take(self, interval: float) -> None:
        """Count a call. Raises RateLimited less than `interval` seconds after the one before."""
        with self._lock:
            now = self._clock()
            left = self._last + interval - now
            if left > 0:
                self._refused += 1
                wait = math.ceil(left)
                raise RateLimited(wait if self._refused % 2 else None)
            self._last = now
