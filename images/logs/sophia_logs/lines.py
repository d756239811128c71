"""One line of a container, as Docker keeps it and as the store gets it."""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TOLD = ("level", "request_id", "caller", "tool")
"""Fields of a JSON line that can be searched by name."""
_MOST_TOLD = 512
"""Characters of one."""
LONGEST = 128 * 1024
"""Characters of a line. As the store gets it, it may have six times as many bytes: it takes 1 MiB
(components/plan/logs.py), and drops what is longer without a word."""
_NAMED = re.compile(r'"caller":"(?!-")[^"]')
"""In a gateway's line, also in one that was cut: HAProxy writes - for nobody. What clients send has
a \\ before each quote."""
_SERVERS_AUDIT = "sophia_mcp.audit"
"""The logger of tool calls, as in mcp_catalog/base/sophia_mcp/audit.py."""


@dataclass(frozen=True)
class Line:
    """container: 12 digits of its id. service: of the Swarm. at: nanoseconds since 1970, when
    Docker read it. stream: stdout or stderr."""

    container: str
    service: str
    at: int
    stream: str
    text: str

    @property
    def told(self) -> dict[str, Any]:
        """The fields of a line in JSON; {} of any other."""
        if not self.text.startswith("{"):
            return {}
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def stored(self, node: str) -> bytes:
        """A line of the store's, as JSON. What a container says can't overwrite where it is."""
        told = self.told
        fields = {
            name: str(told[name])[:_MOST_TOLD] for name in _TOLD if told.get(name) is not None
        }
        if "id" in told:  # the gateway's name for it
            fields.setdefault("request_id", str(told["id"])[:_MOST_TOLD])
        where = {"container": self.container, "service": self.service, "node": node}
        what = {"_time": moment(self.at), "_msg": self.text or " ", "stream": self.stream}
        return json.dumps({**fields, **where, **what}, ensure_ascii=False).encode(errors="replace")

    def audits(self, gateway: str) -> bool:
        """Whether it tells who called what: a tool call of a server or the backend, or a caller's
        request at the gateway. gateway: its service. Requests without a token are nobody's
        call, and a stranger may send so many that they push out all that is kept."""
        if '"caller"' not in self.text:
            return False
        if self.service == gateway:
            return bool(_NAMED.search(self.text))
        return self.told.get("logger") == _SERVERS_AUDIT


class Moments:
    """Nanoseconds since 1970, some of them several times. Eight bytes for each: a container may
    write thousands of lines a second."""

    def __init__(self, each: Iterable[int] = ()) -> None:
        # The earliest is last: it is taken first, and cheaply from there.
        self._left = array("q", sorted(array("q", (-at for at in each))))

    def __len__(self) -> int:
        return len(self._left)

    def take(self, at: int) -> bool:
        """Whether that one was there; it no longer is."""
        place = bisect_left(self._left, -at)
        if there := self._left[place : place + 1] == array("q", [-at]):
            del self._left[place]
        return there


def nanoseconds(text: str) -> int:
    """Since 1970. text: as Docker and the store write it, 2026-11-27T15:00:00.123456789Z.

    Raises ValueError.
    """
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(f"{seconds}+00:00").timestamp()
    return int(whole) * 10**9 + int(fraction.ljust(9, "0")[:9])


def moment(at: int) -> str:
    """The same as text."""
    seconds, fraction = divmod(at, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
