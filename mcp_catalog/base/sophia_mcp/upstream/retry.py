"""Pure: what is tried again, and when."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sophia_mcp.errors import UpstreamError

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""

SAFE = frozenset({"GET", "HEAD"})
_FIRST_S, _LONGEST_S = 0.5, 5.0


def is_worth_it(error: UpstreamError, repeatable: bool) -> bool:
    """Whether another try may help and can do no harm: what never arrived took no effect."""
    return error.transient and (repeatable or not error.sent)


def pause(tries: int, asked: float | None) -> float:
    """Seconds before the next try, after so many: as asked, else growing and at random, so that
    replicas which failed together don't return together."""
    if asked is not None:
        return asked
    return random.uniform(0.5, 1) * min(_LONGEST_S, _FIRST_S * 2.0 ** (tries - 1))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
