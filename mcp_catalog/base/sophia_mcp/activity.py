"""Recent calls for /activity: counts and errors, without callers' data."""

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time

from pydantic import BaseModel

WINDOW_S = 900
"""Counts cover these seconds, by minute."""
_MINUTE_S = 60
_MOST_ERRORS = 20
_MOST_CALLERS = 100
_STEP = 1.1
"""Durations are counted in classes: each is off by 5 % at most, and replicas' can be added."""


class Count(BaseModel):
    """For a caller, None for those without a name."""

    name: str | None
    calls: int
    errors: int


class Failure(BaseModel):
    """A call that failed. at: in UTC."""

    at: str
    tool: str
    caller: str | None
    outcome: str
    reason: str | None
    request_id: str
    ms: float


class Report(BaseModel):
    """ms: how many calls took how long, rounded. recent_errors: the newest first."""

    window_s: int = WINDOW_S
    callers: list[Count] = []
    ms: list[tuple[float, int]] = []
    recent_errors: list[Failure] = []


@dataclass
class _Minute:
    begun: float
    calls: Counter[str | None] = field(default_factory=Counter)
    errors: Counter[str | None] = field(default_factory=Counter)
    ms: Counter[int] = field(default_factory=Counter)


class Activity:
    """For one replica. now: seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time) -> None:
        self._now = now
        self._minutes: deque[_Minute] = deque(maxlen=WINDOW_S // _MINUTE_S)
        self._errors: deque[tuple[float, Failure]] = deque(maxlen=_MOST_ERRORS)

    def note(
        self,
        tool: str,
        caller: str | None,
        outcome: str,
        reason: str | None,
        request_id: str,
        ms: float,
    ) -> None:
        """A call is over."""
        now = self._now()
        if not self._minutes or now - self._minutes[-1].begun >= _MINUTE_S:
            self._minutes.append(_Minute(now))
        minute = self._minutes[-1]
        known = caller in minute.calls or len(minute.calls) < _MOST_CALLERS
        minute.calls[caller if known else None] += 1
        minute.ms[math.floor(math.log(max(ms, 0.1), _STEP))] += 1
        if outcome != "ok":
            minute.errors[caller if known else None] += 1
            at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
            failure = Failure(
                at=at.replace("+00:00", "Z"),
                tool=tool,
                caller=caller,
                outcome=outcome,
                reason=str(reason) if reason else None,
                request_id=request_id,
                ms=ms,
            )
            self._errors.append((now, failure))

    def report(self) -> Report:
        """For the last WINDOW_S."""
        since = self._now() - WINDOW_S
        minutes = [minute for minute in self._minutes if minute.begun > since]
        calls = sum((minute.calls for minute in minutes), Counter[str | None]())
        errors = sum((minute.errors for minute in minutes), Counter[str | None]())
        ms = sum((minute.ms for minute in minutes), Counter[int]())
        return Report(
            callers=[
                Count(name=name, calls=count, errors=errors[name]) for name, count in calls.items()
            ],
            ms=[(round(_STEP ** (size + 0.5), 2), count) for size, count in sorted(ms.items())],
            recent_errors=[failure for at, failure in reversed(self._errors) if at > since],
        )
