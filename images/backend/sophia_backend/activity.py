"""The part of all replicas' activity that one caller may see."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sophia_mcp.activity import WINDOW_S, Failure

from .callers import Caller
from .fleet import Fleet
from .watched import Watched

_MOST_ERRORS = 20


def overview(server: Watched) -> dict[str, Any]:
    """A server's entry in a list."""
    return {
        "name": server.name,
        "title": server.title,
        "status": server.status,
        "detail": server.detail,
        "replicas": len(server.callable()),
        "tools": len(server.tools),
    }


def fleet_view(fleet: Fleet, caller: Caller) -> dict[str, Any]:
    """A caller who may not use all servers sees only how much others call."""
    servers = caller.servers(fleet)
    calls, errors = _by_caller(servers)
    shown = [name for name in calls if caller.every or name == caller.request.caller]
    view: dict[str, Any] = {
        "caller": caller.request.caller,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "window_s": WINDOW_S,
        "servers": [{**overview(one), **_numbers(one, caller)} for one in servers],
        "callers": [
            {"name": name, "calls": calls[name], "errors": errors[name]}
            for name in sorted(shown, key=lambda name: (-calls[name], name or ""))
        ],
    }
    if not caller.every:
        others = [name for name in calls if name not in shown]
        view["others"] = {
            "calls": sum(calls[name] for name in others),
            "errors": sum(errors[name] for name in others),
        }
    return view


def _numbers(server: Watched, caller: Caller) -> dict[str, Any]:
    calls, errors = _by_caller([server])
    took: Counter[float] = Counter()
    recent: list[Failure] = []
    for replica in server.replicas.values():
        for ms, count in replica.activity.ms:
            took[ms] += count
        recent += replica.activity.recent_errors
    if not caller.every:
        recent = [_nameless(error, caller.request.caller) for error in recent]
    recent.sort(key=lambda error: error.at, reverse=True)
    return {
        "calls": calls.total(),
        "errors": errors.total(),
        "p50_ms": _percentile(took, 0.5),
        "p95_ms": _percentile(took, 0.95),
        "recent_errors": [error.model_dump() for error in recent[:_MOST_ERRORS]],
    }


def _nameless(error: Failure, own: str | None) -> Failure:
    return error if error.caller == own else error.model_copy(update={"caller": None})


def _by_caller(servers: Iterable[Watched]) -> tuple[Counter[str | None], Counter[str | None]]:
    calls: Counter[str | None] = Counter()
    errors: Counter[str | None] = Counter()
    for server in servers:
        for replica in server.replicas.values():
            for one in replica.activity.callers:
                calls[one.name] += one.calls
                errors[one.name] += one.errors
    return calls, errors


def _percentile(took: Counter[float], share: float) -> float | None:
    left = took.total() * share
    for ms in sorted(took):
        left -= took[ms]
        if left <= 0:
            return ms
    return None
