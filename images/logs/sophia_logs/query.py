"""LogsQL for what people search for. The backend and `make logs` have this file by a link; standard
library only.
"""

from __future__ import annotations

import json
import re

SINCE = re.compile(
    r"[0-9]{1,4}[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z)?"
)
"""A span before now, or a moment."""
SINCE_SUCH_AS = "such as 30m, 2h, 7d or 2026-11-27T15:00Z"
_FIELDS = ("_time", "service", "node", "stream", "_msg")


def query(service: str, search: str, caller: str, since: str, limit: int) -> str:
    """For the newest lines. service: its physical name; caller: the gateway's; search: text in any
    case; "" for all. since: as SINCE."""
    parts = [f"{{service={_quoted(service)}}}"] if service else []
    parts.append(f"_time:{since}" if since[:-1].isdigit() else f"_time:>={since}")
    if caller:
        parts.append(f"caller:={_quoted(caller)}")
    if search:
        parts.append(f"_msg:~{_quoted('(?i)' + _escaped(search))}")
    return f"{' '.join(parts)} | sort by (_time desc) limit {limit} | fields {', '.join(_FIELDS)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    """The text as a regular expression of Go's that means itself."""
    return "".join(f"\\{sign}" if sign in r"\.+*?()|[]{}^$" else sign for sign in text)
