"""Pure: what is retried, and when."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sophia_mcp.errors import UpstreamError

TRANSIENT = frozenset({429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed. 529 is an overload (Notion, Cloudflare)."""

SAFE = frozenset({"GET", "HEAD"})

_COUNTED = ("", "-requests", "-complexity", "-endpoint-requests")
"""Remaining calls: X-RateLimit-Remaining (GitHub and others), -Requests-Remaining (Linear)."""

_FIRST_S, _LONGEST_S = 0.5, 5.0


def is_worth_it(error: UpstreamError, repeatable: bool) -> bool:
    """Whether another try may help and does no harm: what never arrived had no effect."""
    return error.transient and (repeatable or not error.sent)


def pause(tries: int, asked: float | None) -> float:
    """Seconds before the next try, after so many: as the service asked, else growing and random, so
    that replicas that failed together don't retry together."""
    if asked is not None:
        return asked
    return random.uniform(0.5, 1) * min(_LONGEST_S, _FIRST_S * 2.0 ** (tries - 1))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the answer asks us to wait.

    `Retry-After` is a number or a date (RFC 9110, 10.2.3). Without it, `X-RateLimit-Reset` counts,
    seconds or milliseconds since 1970, once `X-RateLimit-Remaining` is 0.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        used_up = [one for one in _COUNTED if headers.get(f"x-ratelimit{one}-remaining") == "0"]
        resets = [_until(headers.get(f"x-ratelimit{one}-reset", ""), now) for one in used_up]
        return max((left for left in resets if left is not None), default=None)
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _until(reset: str, now: datetime) -> float | None:
    """None for more than a day, which isn't worth waiting for."""
    if not (reset.isascii() and reset.isdecimal()):
        return None
    count = float(reset[:18])
    seconds = count if count < 1e11 else count / 1000  # 1e11 s is in the year 5138
    left = max(0.0, seconds - now.timestamp())
    return left if left <= 86_400 else None
