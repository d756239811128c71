"""Dashboards over the API: lines and gaps, who sees what, and a Prometheus that fails."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sophia_backend.charts import Charts
from sophia_backend.dashboards import RANGES, read_dashboards
from sophia_backend.prometheus import Prometheus

from tests.support.played_prometheus import bad_query, play
from tests.support.polling import eventually
from tests.support.upstream import Request, Service, serving, silent

from .conftest import Backend, World

ALERTS = [
    {
        "labels": {"alertname": "Watching", "severity": "none"},
        "annotations": {"summary": "for somebody outside"},
        "state": "firing",
        "activeAt": "2026-11-27T15:00:00Z",
        "value": "1e+01",
    },
    {
        "labels": {"alertname": "ToolsSlow", "service": "toy", "severity": "warning"},
        "annotations": {"summary": "toy is slow", "runbook": "docs/x.md#toolsslow"},
        "state": "firing",
        "activeAt": "2026-11-27T15:00:00Z",
        "value": "1e+01",
    },
    {
        "labels": {"alertname": "NodeLost", "severity": "critical"},
        "annotations": {"summary": "a node is away", "runbook": "docs/x.md#nodelost"},
        "state": "firing",
        "activeAt": "2026-11-27T15:05:00Z",
        "value": "1e+00",
    },
    {
        "labels": {"alertname": "DiskFull", "severity": "critical"},
        "annotations": {"summary": "not yet"},
        "state": "pending",
        "activeAt": "2026-11-27T15:06:00Z",
        "value": "1e+00",
    },
]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("sophia_backend.charts.time", made)
    return made


@pytest.fixture
def numbers(clock: Clock) -> Iterator[Service]:
    with serving() as service:
        step = RANGES["15m"].step_s
        line = {1_000_000 - 4 * step: "1.5", 1_000_000 - step: "NaN", 1_000_000: "123456.789"}
        play(service, [({"service": "toy"}, line)], [({}, "+Inf")], alerts=ALERTS)
        yield service


@pytest.fixture
async def backend(world: World, numbers: Service) -> Backend:
    at = Prometheus("127.0.0.1", numbers.port)
    pages = {"SOPHIA_RUNBOOKS": "https://example.com/sophia/"}
    return await world.backend(prometheus=at, environment=pages, toy=await world.server(), other=1)


async def test_a_line_has_a_gap_where_nothing_was_seen(backend: Backend):
    shown = (await backend.get("/api/dashboards/fleet?range=15m")).json()
    step = RANGES["15m"].step_s
    assert (shown["start"], shown["end"], shown["step_s"]) == (1_000_000 - 900, 1_000_000, step)
    panel = next(one for one in shown["panels"] if one["title"] == "Calls by server")
    [line] = panel["lines"]
    assert line["name"] == "toy"
    assert len(line["values"]) == 900 // step + 1
    assert line["values"][-5:] == [1.5, None, None, None, 123457.0]
    assert panel["state"] == "ok"


async def test_no_data_is_no_zero_and_what_nobody_collects_is_named(
    backend: Backend, numbers: Service
):
    play(numbers, [({"service": "toy"}, {1_000_000: "0"})], [], names=["mcp_tool_calls_total"])
    panels = (await backend.get("/api/dashboards/fleet?range=15m")).json()["panels"]
    by_title = {panel["title"]: panel for panel in panels}
    assert by_title["Calls"]["state"] == "empty"
    assert by_title["Calls"]["lines"] == []
    assert by_title["Calls by server"]["lines"][0]["values"][-1] == 0
    missing = by_title["Certificate ends in"]
    assert missing["state"] == "not_collected"
    assert missing["reason"] == "sophia_certificate_ends_seconds"


async def test_the_lowest_of_too_many_lines_are_left_out(backend: Backend, numbers: Service):
    many = [({"service": f"s{at}"}, {1_000_000: str(at)}) for at in range(30)]
    play(numbers, many, [])
    panels = (await backend.get("/api/dashboards/fleet?range=15m")).json()["panels"]
    panel = next(one for one in panels if one["title"] == "Calls by server")
    assert panel["left_out"] == 6
    assert [line["name"] for line in panel["lines"]] == [f"s{at}" for at in range(6, 30)]


async def test_what_fires_is_told_with_its_runbook_the_worst_first(backend: Backend):
    alerts = (await backend.get("/api/dashboards/fleet")).json()["alerts"]
    assert [alert["name"] for alert in alerts] == ["NodeLost", "ToolsSlow"]
    assert alerts[0] == {
        "name": "NodeLost",
        "severity": "critical",
        "summary": "a node is away",
        "since": "2026-11-27T15:05:00Z",
        "runbook": "docs/x.md#nodelost",
        "link": "https://example.com/sophia/docs/x.md#nodelost",
    }


async def test_a_query_that_fails_leaves_the_others(backend: Backend, numbers: Service):
    numbers.routes["GET /api/v1/query_range"] = bad_query("many-to-many matching not allowed")
    panels = (await backend.get("/api/dashboards/nodes")).json()["panels"]
    states = {panel["kind"]: (panel["state"], panel["reason"]) for panel in panels}
    assert states["lines"] == ("failed", "many-to-many matching not allowed")
    assert states["number"][0] == "not_collected"


@pytest.mark.parametrize("what", ["alerts", "label/nodename/values", "label/__name__/values"])
async def test_what_is_refused_beside_the_panels_is_a_problem(backend, numbers: Service, what):
    numbers.routes[f"GET /api/v1/{what}"] = bad_query("query timed out")
    answer = await backend.get("/api/dashboards/nodes")
    detail = "Prometheus refuses: query timed out."
    assert (answer.status_code, answer.json()["detail"]) == (502, detail)


async def test_only_names_and_known_values_get_into_a_query(backend: Backend, numbers: Service):
    for query in ("server=toy%22%7D", "server=nobody", "server="):
        assert (await backend.get(f"/api/dashboards/server?{query}")).status_code == 404
    for query in ("node=.%2B", "node=a%22%7D", "range=5m", "range=1h&node=a|b"):
        assert (await backend.get(f"/api/dashboards/nodes?{query}")).status_code == 400
    assert not [one for one in numbers.asked if one.path == "/api/v1/query_range"]
    shown = (await backend.get("/api/dashboards/nodes?node=gpu-1.example")).json()
    assert (shown["chosen"], shown["choices"]) == ("gpu-1.example", ["manager-1", "manager-2"])
    asked = _asked(numbers)
    assert any('nodename=~"gpu-1[.]example"' in query for query in asked)


async def test_a_caller_sees_the_servers_that_they_may_use(backend: Backend, numbers: Service):
    found = (await backend.get("/api/dashboards", "toy")).json()
    assert [one["name"] for one in found["dashboards"]] == ["server"]
    for name in ("fleet", "nodes", "database"):
        assert (await backend.get(f"/api/dashboards/{name}", "toy")).status_code == 403
    assert (await backend.get("/api/dashboards/server?server=other", "toy")).status_code == 403
    shown = (await backend.get("/api/dashboards/server", "toy")).json()
    assert (shown["chosen"], shown["choices"]) == ("toy", ["toy"])
    assert [alert["name"] for alert in shown["alerts"]] == ["ToolsSlow"]
    assert all('"other"' not in query for query in _asked(numbers))


async def test_many_open_pages_ask_once(backend: Backend, numbers: Service, clock: Clock):
    await asyncio.gather(*(backend.get("/api/dashboards/fleet") for _ in range(5)))
    once = len(_asked(numbers))
    await backend.get("/api/dashboards/fleet")
    assert len(_asked(numbers)) == once
    clock.now += 10
    await backend.get("/api/dashboards/fleet")
    assert len(_asked(numbers)) == 2 * once


async def test_monitoring_that_is_away_or_off_is_told(
    world: World, backend: Backend, numbers: Service
):
    for path in [*numbers.routes]:
        numbers.routes[path] = silent()
    answer = await backend.get("/api/dashboards/database")
    assert answer.status_code == 503
    assert answer.json()["title"] == "Monitoring is away"
    play(numbers, [], [])
    assert (await backend.get("/api/dashboards/database")).status_code == 200
    off = await world.backend()
    assert (await off.get("/api/dashboards")).json()["monitored"] is False
    answer = await off.get("/api/dashboards/fleet")
    assert answer.status_code == 404
    assert "monitoring.enabled true" in answer.json()["detail"]


async def test_a_reader_who_leaves_ends_nothing_for_others(numbers: Service):
    good = numbers.routes["GET /api/v1/query_range"]
    assert callable(good)
    numbers.routes["GET /api/v1/query_range"] = lambda it: replace(good(it), delay=0.5)
    prometheus = Prometheus("127.0.0.1", numbers.port)
    async with prometheus.opened():
        charts, fleet = Charts(prometheus), read_dashboards()["fleet"]
        first = asyncio.create_task(charts.values("fleet", fleet, RANGES["15m"], ""))
        second = asyncio.create_task(charts.values("fleet", fleet, RANGES["15m"], ""))

        async def asked() -> bool:
            return any(one.path == "/api/v1/query_range" for one in numbers.asked)

        await eventually(asked, bool, "lines are asked for")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        numbers.routes["GET /api/v1/query_range"] = good
        assert (await second)["panels"]


def _asked(numbers: Service) -> list[str]:
    """The queries of panels so far."""
    every = [request for request in numbers.asked if "query" in request.query]
    return [query for query in map(_query, every) if "count_over_time" not in query]


def _query(request: Request) -> str:
    return request.query["query"][0]
