"""Who called what, and what it cost: one log line per call, without callers' data."""

import json
import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.types import Scope

from . import tracing

_log = logging.getLogger(__name__)
# No LOG_LEVEL silences it.
_log.setLevel(logging.INFO)

_KEY = "sophia.request"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CALLER = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@dataclass
class Cost:
    """upstream_calls: tries of calls to services; upstream_seconds: their total."""

    upstream_calls: int = 0
    upstream_seconds: float = 0.0


@dataclass
class Request:
    """An HTTP request. caller: the gateway's name for it. calls: its tool calls. trace: the headers
    that name the caller's span."""

    request_id: str = field(default_factory=lambda: uuid4().hex)
    caller: str | None = None
    calls: int = 0
    trace: dict[str, str] = field(default_factory=dict)


_current: ContextVar[Cost | None] = ContextVar("cost", default=None)
_of_request: ContextVar[str | None] = ContextVar("request_id", default=None)


def arrived(scope: Scope) -> Request:
    """The arriving request, with the X-Request-Id and X-Sophia-Caller that the gateway set (after
    removing any from the client), as far as they are safe to log."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = Request(trace=tracing.received(headers))
    if _ID.fullmatch(given := headers.get("x-request-id", "")):
        request.request_id = given
    if _CALLER.fullmatch(given := headers.get("x-sophia-caller", "")):
        request.caller = given
    scope[_KEY] = request
    return request


def request_of(scope: Scope) -> Request:
    """The request of this scope; a nameless one if none arrived over HTTP."""
    found = scope.get(_KEY)
    return found if isinstance(found, Request) else Request()


def begin(request: Request) -> Cost:
    """Counts for the call that starts now, in its task and those that it starts, whose log lines
    all name the request."""
    cost = Cost()
    _current.set(cost)
    _of_request.set(request.request_id)
    return cost


def request_id() -> str | None:
    """Of the call that runs in this task, None for none."""
    return _of_request.get()


def count_upstream(seconds: float) -> None:
    """One try of a call to a service is over; outside a tool call it isn't counted."""
    if cost := _current.get():
        cost.upstream_calls += 1
        cost.upstream_seconds += seconds


def note(request: Request, **what: object) -> None:
    """Logs one call. what: must not contain the caller's data."""
    traced = {"trace_id": trace} if (trace := tracing.trace_id()) else {}
    who = {"request_id": request.request_id, "caller": request.caller, **traced}
    _log.info("tool call", extra={**who, **what})


def sizes(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, int]:
    """The arguments' names with their sizes as JSON. Unknown names may be the caller's data, and
    are counted together as `?`."""
    found: dict[str, int] = {}
    for name, value in arguments.items():
        label = name if name in known else "?"
        size = len(json.dumps(value, ensure_ascii=False, default=str))
        found[label] = found.get(label, 0) + size
    return found
