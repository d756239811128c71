"""Which engine is used: the first way that works, and why, in one line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from toolchain.errors import NoEngine, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Way(Generic[T]):
    """A way to an engine.

    name: shown when it is taken, for example "built here from Go modules".
    remedy: what the user can do to enable it, for the error when no way works; None: nothing.
    take: returns the result, or raises `Unavailable` with the reason.
    """

    name: str
    remedy: str | None
    take: Callable[[], T]


@dataclass(frozen=True)
class Choice(Generic[T]):
    """The result, and a sentence that says how and why."""

    got: T
    reason: str


def choose(ways: Sequence[Way[T]]) -> Choice[T]:
    """Takes the first way that works; later ones are not tried.

    Raises NoEngine, with each way's reason and remedy.
    """
    refusals: list[str] = []
    for way in ways:
        try:
            got = way.take()
        except Unavailable as refusal:
            refusals.append(str(refusal))
        else:
            why = f" ({'; '.join(refusals)})" if refusals else ""
            return Choice(got, f"{way.name}{why}")
    lines = [
        f"  - {way.remedy} ({refusal})"
        for way, refusal in zip(ways, refusals, strict=True)
        if way.remedy
    ]
    raise NoEngine("no Pulumi engine is available here. Do one of these:\n" + "\n".join(lines))
