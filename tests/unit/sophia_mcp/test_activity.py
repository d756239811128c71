"""A replica's report on its recent calls."""

import json
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from sophia_mcp.activity import WINDOW_S, Activity

from tests.support import mcp_process
from tests.support.mcp_calls import LEGACY, MODERN
from tests.support.mcp_process import Replica
from tests.support.polling import until


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def noted(activity: Activity, caller: str | None = "alice", outcome: str = "ok", ms: float = 10.0):
    activity.note("add", caller, outcome, None, "request-1", ms)


def shown(activity: Activity) -> dict[str, Any]:
    return activity.report().model_dump()


def test_calls_and_errors_are_counted_by_caller():
    activity = Activity()
    noted(activity)
    noted(activity, outcome="error")
    noted(activity, caller=None, outcome="timeout")
    assert shown(activity)["callers"] == [
        {"name": "alice", "calls": 2, "errors": 1},
        {"name": None, "calls": 1, "errors": 1},
    ]


@pytest.mark.parametrize("ms", [0.0, 0.3, 1, 12.34, 999.9, 110_000])
def test_durations_are_counted_nearly_as_they_were(ms: float):
    activity = Activity()
    noted(activity, ms=ms)
    ((told, count),) = shown(activity)["ms"]
    assert count == 1
    assert abs(told - max(ms, 0.1)) <= 0.06 * max(ms, 0.1) + 0.01


def test_what_is_older_than_the_window_is_forgotten():
    clock = Clock()
    activity = Activity(clock)
    noted(activity, outcome="error")
    clock.now += WINDOW_S - 1
    noted(activity, caller="bob")
    assert [caller["name"] for caller in shown(activity)["callers"]] == ["alice", "bob"]
    clock.now += 2
    report = shown(activity)
    assert [caller["name"] for caller in report["callers"]] == ["bob"]
    assert report["recent_errors"] == []


def test_it_stays_small_whoever_calls_and_whatever_fails():
    clock = Clock()
    activity = Activity(clock)
    for number in range(20_000):
        clock.now += 0.5
        noted(activity, caller=f"caller-{number}", outcome="crash", ms=number)
    assert len(json.dumps(shown(activity))) < 150_000
    assert len(shown(activity)["recent_errors"]) == 20


@pytest.mark.slow
@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_the_route_tells_who_called_and_what_failed_and_no_data(
    toy_command: list[str], tmp_path, mode: str
):
    headers = {"X-Sophia-Caller": "alice", "X-Request-Id": "gateway-1"}
    with mcp_process.running(toy_command, tmp_path / "log", {}) as replica:
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(replica.url, http_client=http), mode=mode) as client,
        ):
            await client.call_tool("add", {"a": 1, "b": 2})
            await client.call_tool("add", {"a": "my-password", "b": 2})
            with pytest.raises(MCPError):
                await client.call_tool("hidden-tool", {})
        report = _activity(replica)
    assert report["callers"] == [{"name": "alice", "calls": 3, "errors": 2}]
    unknown, invalid = report["recent_errors"]
    assert (unknown["tool"], invalid["tool"]) == ("unknown", "add")
    assert (unknown["outcome"], invalid["outcome"]) == ("protocol_error", "invalid_arguments")
    assert (invalid["caller"], invalid["request_id"]) == ("alice", "gateway-1")
    assert invalid["at"].endswith("Z")
    assert "password" not in json.dumps(report)


def _activity(replica: Replica) -> dict[str, object]:
    def look() -> dict[str, object]:
        status, _, body = replica.get("/activity")
        assert status == 200
        return dict(json.loads(body))

    return until(look, bool, "/activity", 5)
