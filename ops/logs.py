"""`make logs SEARCH=… SINCE=…` and `make audit-log`: ask the stores of logs of a platform that is
up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from components.plan import logs, names
from ops import logs_query, nodes
from ops.nodes import NotUp
from ops.stack import PROJECT


def search(
    outputs: Mapping[str, Any],
    prefix: str,
    store: str,
    *,
    service: str = "",
    search: str = "",
    caller: str = "",
    since: str = "",
) -> str:
    """Lines that a manager's store has, the oldest first.

    outputs, prefix: of the stack. store: one of the two. service: plain name; caller: the
    gateway's; search: text in a line; "" for all. since: "" for the last hour. Raises NotUp.
    """
    if store not in outputs.get("networks", ()):
        raise NotUp(f"this stack keeps no logs: set {PROJECT}:logs.enabled to true")
    if since and not logs_query.SINCE.fullmatch(since):
        raise NotUp(f"SINCE: got {since}, expected {logs_query.SINCE_SUCH_AS} (UTC)")
    asked = {
        "service": names.physical(prefix, service) if service else "",
        "search": search,
        "caller": caller,
        "since": since,
    }
    words = (f"--{key}={shlex.quote(value)}" for key, value in asked.items() if value)
    task = nodes.containers(names.physical(prefix, store))
    command = f"docker exec $({task}) python3 -S -m sophia_logs.find {' '.join(words)}".rstrip()
    return nodes.asked(outputs, command)


def audited(outputs: Mapping[str, Any], prefix: str, caller: str, since: str) -> str:
    """Who called what, see `search`."""
    return search(outputs, prefix, logs.AUDIT, caller=caller, since=since)
