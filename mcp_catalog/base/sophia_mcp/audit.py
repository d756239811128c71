"""What the tool call that runs now costs: its share of calls to services."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Cost:
    """upstream_calls: tries of calls to services; upstream_seconds: all of them together."""

    upstream_calls: int = 0
    upstream_seconds: float = 0.0


_current: ContextVar[Cost | None] = ContextVar("cost", default=None)


def begin() -> Cost:
    """Counts for the call that begins now, in its task and those that it starts."""
    cost = Cost()
    _current.set(cost)
    return cost


def count_upstream(seconds: float) -> None:
    """One try of a call to a service is over; outside a tool call nobody counts."""
    if cost := _current.get():
        cost.upstream_calls += 1
        cost.upstream_seconds += seconds
