"""`make logs SEARCH=… SINCE=…` and `make audit-log`: ask the stores of logs of a platform that is
up."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from components.plan import logs, names
from ops import logs_query, nodes
from ops.nodes import NotUp
from ops.stack import PROJECT

NEWEST = 200
_LIMIT = r"(all|[1-9][0-9]{0,3})?"


def search(
    outputs: Mapping[str, Any],
    prefix: str,
    store: str,
    *,
    service: str = "",
    search: str = "",
    caller: str = "",
    since: str = "",
    limit: str = "",
) -> str:
    """Lines that the managers' stores have, the oldest first.

    outputs, prefix: of the stack. store: one of the two. service: plain name; caller: the
    gateway's; search: text in a line; "" for all. since: "" for the last hour. limit: how many of
    the newest, `all` for all, "" for NEWEST. Raises NotUp.
    """
    if store not in outputs.get("networks", ()):
        raise NotUp(f"this stack keeps no logs: set {PROJECT}:logs.enabled to true")
    if since and not logs_query.is_since(since):
        raise NotUp(f"SINCE: got {since}, expected {logs_query.SINCE_SUCH_AS}")
    if not re.fullmatch(_LIMIT, limit):
        raise NotUp(f"LIMIT: got {limit}, expected a number up to 9999, or all")
    asked = {
        "service": names.physical(prefix, service) if service else "",
        "search": search,
        "caller": caller,
        "since": since,
    }
    most = 0 if limit == "all" else int(limit or NEWEST)
    words = [f"--{key}={shlex.quote(value)}" for key, value in asked.items() if value]
    task = nodes.containers(names.physical(prefix, store))
    find = " ".join(["python3 -S -m sophia_logs.find", *words, f"--limit={most}"])
    found = merged(nodes.every_manager(outputs, f"docker exec $({task}) {find}"))
    if 0 < most <= len(found):
        print(f"(the newest {most} lines: there may be more, see LIMIT)", file=sys.stderr)
    return "".join(f"{line}\n" for line in found[-most:])


def merged(answers: Iterable[str]) -> list[str]:
    """The lines that any store has, by their time. Pure."""
    lines = logs_query.union(answer.split("\n")[:-1] for answer in answers)
    return sorted(lines, key=lambda line: line.partition(" ")[0])


def audited(outputs: Mapping[str, Any], prefix: str, caller: str, since: str, limit: str) -> str:
    """Who called what, see `search`."""
    return search(outputs, prefix, logs.AUDIT, caller=caller, since=since, limit=limit)
