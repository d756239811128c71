"""Pure: converts values of Snowflake's SQL API, which are all texts."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

Value = str | int | float | bool | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(written: str | None, kind: str) -> Value:
    """A value. kind: the column's type. Dates are days, times seconds since 1970. What
    JSON would round, and a time outside this calendar, stays a text."""
    if written is None:
        return None
    try:
        match kind.lower():
            case "fixed" | "real" | "decfloat" | "number" | "float":
                return _number(written)
            case "boolean":
                return written in ("true", "1")
            case "date":
                return (_EPOCH + timedelta(days=int(written))).date().isoformat()
            case "time":
                return _moment(written).partition("T")[2]
            case "timestamp_ntz":
                return _moment(written)
            case "timestamp_ltz":
                return f"{_moment(written)}Z"
            case "timestamp_tz":
                seconds, _, offset = written.partition(" ")
                zone = timezone(timedelta(minutes=int(offset) - 1440))
                there = Decimal(seconds) + (int(offset) - 1440) * 60
                return _moment(str(there)) + (str(zone).removeprefix("UTC") or "Z")
    except (ValueError, OverflowError, InvalidOperation):
        pass
    return written


def _number(written: str) -> Value:
    value: Value = json.loads(written)
    if isinstance(value, float):
        exact = math.isfinite(value) and Decimal(repr(value)) == Decimal(written)
        return value if exact else written
    if isinstance(value, int) and abs(value) > 2**53:
        return written
    return value


def _moment(seconds: str) -> str:
    """With all digits of a second: Snowflake has nine, Python six."""
    exact = Decimal(seconds)
    whole = exact.to_integral_value("ROUND_FLOOR")
    rest = f"{exact - whole:.9f}"[1:].rstrip("0").rstrip(".")
    moment = _EPOCH + timedelta(seconds=int(whole))
    return moment.replace(tzinfo=None).isoformat() + rest
