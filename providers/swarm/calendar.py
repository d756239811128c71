"""A schedule's times: the supported part of systemd's calendar expressions. Pure.

systemd: https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html#Calendar%20Events
"""

from __future__ import annotations

import re

_WORDS = "minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually"
_DAY = "(?:(?:Mon|Fri|Sun)(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Sat(?:urday)?)"
_HINT = "in UTC, as in 'daily', '*-*-* 03:00' or 'Mon..Fri 06:30'"


def _listed(item: str) -> str:
    return f"{item}(?:,{item})*"


def _values(number: str) -> str:
    """A star, or numbers, ranges and steps of these."""
    values = _listed(rf"(?:{number})(?:\.\.(?:{number}))?(?:/[1-9]\d*)?")
    return rf"(?:\*|{values})"


_DAYS = _listed(rf"{_DAY}(?:\.\.{_DAY})?")
_YEAR, _MONTH = _values(r"20\d\d"), _values(r"0?[1-9]|1[0-2]")
_DATE = rf"(?:{_YEAR}-)?{_MONTH}[-~]{_values(r'0?[1-9]|[12][0-9]|3[01]')}"
_HOUR, _SIXTY = _values(r"[01]?\d|2[0-3]"), _values(r"[0-5]?\d")
_TIME = rf"{_HOUR}:{_SIXTY}(?::{_SIXTY})?"
_EXPRESSION = re.compile(
    rf"{_WORDS}|{_DAYS}(?: {_DATE})?(?: {_TIME})?|{_DATE}(?: {_TIME})?|{_TIME}", re.IGNORECASE
)


def fault(expression: str) -> str | None:
    """What is wrong with the shape, or None. On a node systemd checks the rest, and whether any
    such time is left."""
    if _EXPRESSION.fullmatch(expression):
        return None
    return f"got {expression!r}, expected systemd's calendar expression {_HINT}"
