"""A Prometheus's HTTP API for tests of what asks it: real HTTP, with the answers of a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.upstream import Reply, Request, Service, ok, refused

SEEN = "count_over_time(sophia_expected_nodes"
Labels = Mapping[str, str]


def success(data: Any) -> Reply:
    return ok({"status": "success", "data": data})


def play(
    service: Service,
    lines: list[tuple[Labels, Mapping[int, str]]],
    now: list[tuple[Labels, str]],
    *,
    names: list[str] | None = None,
    alerts: list[dict[str, Any]] | None = None,
    seen: int = 1,
) -> None:
    """Every query over a time has these lines, with values by time; every other one `now`. names:
    of all metrics. seen: how much it has seen itself."""

    def over(request: Request) -> Reply:
        found = [{"metric": of, "values": [*map(list, line.items())]} for of, line in lines]
        return success({"resultType": "matrix", "result": found})

    def at_once(request: Request) -> Reply:
        own = request.query["query"][0].startswith(SEEN)
        values = [({}, str(seen))] if own else now
        found = [{"metric": of, "value": [1000, value]} for of, value in values]
        return success({"resultType": "vector", "result": found})

    service.routes["GET /api/v1/query_range"] = over
    service.routes["GET /api/v1/query"] = at_once
    service.routes["GET /api/v1/label/__name__/values"] = success(names or [])
    service.routes["GET /api/v1/label/nodename/values"] = success(["manager-2", "manager-1"])
    service.routes["GET /api/v1/alerts"] = success({"alerts": alerts or []})


def bad_query(reason: str) -> Reply:
    return refused(422, {"status": "error", "errorType": "execution", "error": reason})
