"""Stops calling a service that keeps failing, for a while."""

from collections import deque
from collections.abc import Callable
from time import monotonic

FAILURES = 5
WINDOW_S = 30.0
OPEN_S = 10.0


class Breaker:
    """Opens after FAILURES within WINDOW_S without a success, for OPEN_S; then one call may try."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the service counts as down, even while one call tries it."""
        return self._opened_at is not None

    def refusal(self) -> float | None:
        """None: go ahead, and report the result. Otherwise the seconds until another try makes
        sense."""
        if self._opened_at is None:
            return None
        left = self._opened_at + OPEN_S - self._clock()
        if left > 0 or self._probing:
            return max(left, 1.0)
        self._probing = True
        return None

    def succeeded(self) -> None:
        """The service answered, with any result."""
        self._failures.clear()
        self._opened_at, self._probing = None, False

    def failed(self) -> None:
        """It did not answer, or reported a server error."""
        now = self._clock()
        self._failures.append(now)
        many = len(self._failures) == FAILURES and now - self._failures[0] <= WINDOW_S
        if self._probing or many:
            self._opened_at, self._probing = now, False

    def left(self) -> None:
        """The call was abandoned before its result was known."""
        self._probing = False
