"""What people ask the stores of logs, as LogsQL, and what all their answers are together. The
backend and `make logs` have this file by a link; standard library only. Pure.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
_SPAN = re.compile(r"[0-9]{1,4}[smhdw]")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z)?")
SINCE_SUCH_AS = "such as 30m, 2h, 7d or 2026-11-27T15:00Z (UTC)"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_FIELDS = ("_time", "service", "node", "stream", "_msg")
_KEPT = timedelta(days=366)
"""Longer than any store keeps lines."""


def is_since(text: str) -> bool:
    """Whether it is a span before now, or a moment that exists."""
    if _SPAN.fullmatch(text):
        return True
    try:
        return bool(_MOMENT.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False


def query(service: str, search: str, caller: str, since: str, limit: int) -> str:
    """For the newest lines. service: its physical name; caller: the gateway's; search: text in any
    case; "" for all. since: see `is_since`, or a span from `days`. limit: 0 for all lines, in no
    order: to sort so many takes more memory than a store has."""
    parts = [f"{{service={_quoted(service)}}}"] if service else []
    exact = _SPAN.fullmatch(since) or since.startswith("[")
    parts.append(f"_time:{since}" if exact else f"_time:>={since}")
    if caller:
        parts.append(f"caller:={_quoted(caller)}")
    if search:
        parts.append(f"_msg:~{_quoted('(?i)' + _escaped(search))}")
    newest = f" | sort by (_time desc) limit {limit}" if limit else ""
    return f"{' '.join(parts)}{newest} | fields {', '.join(_FIELDS)}"


def days(since: str, now: datetime) -> Iterator[str]:
    """The time from `since` (see `is_since`) on, as spans of a day each: a store ends a search
    after 30 s."""
    if _SPAN.fullmatch(since):
        start = now - min(_KEPT, timedelta(seconds=int(since[:-1]) * _UNITS[since[-1]]))
    else:
        start = max(now - _KEPT, datetime.fromisoformat(since).replace(tzinfo=UTC))
    while start <= now:
        end = start + timedelta(days=1)
        yield f"[{start:{_FORM}}, {end:{_FORM}})"
        start = end


def union(answers: Iterable[Iterable[T]]) -> list[T]:
    """The lines that any store has. One that began later, on a new manager, lacks what the others
    had before. A store may have the same line several times."""
    lines: Counter[T] = Counter()
    for answer in answers:
        lines |= Counter(answer)
    return [*lines.elements()]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    """The text as a regular expression of Go's that means itself."""
    return "".join(f"\\{sign}" if sign in r"\.+*?()|[]{}^$" else sign for sign in text)
