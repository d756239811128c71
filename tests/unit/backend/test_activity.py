"""Calls, errors and durations of all replicas, and who may see whose."""

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.polling import eventually

from .conftest import Backend, World


async def call(port: int, caller: str | None, tool: str, **arguments: object) -> None:
    """As the gateway does it, past the backend."""
    headers = {"X-Sophia-Caller": caller} if caller else {}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(
            streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http),
            mode="2026-07-28",
        ) as client,
    ):
        await client.call_tool(tool, arguments)


async def seen(backend: Backend, servers: str, caller: str, calls: int) -> dict:
    async def look() -> dict:
        answer = await backend.get("/api/fleet", servers, **{"X-Sophia-Caller": caller})
        return dict(answer.json())

    def is_so(fleet: dict) -> bool:
        return sum(server["calls"] for server in fleet["servers"]) == calls

    return await eventually(look, is_so, f"{calls} calls", 10)


async def test_the_fleet_counts_what_came_past_the_backend_too(world: World):
    a, b = await world.server("a"), await world.server("b")
    backend = await world.backend(a=a, b=b)
    await call(a, "alice", "add", a=1, b=2)
    await call(a, "bob", "refuse")
    await call(b, "alice", "slow", seconds=0.2)
    await call(b, None, "refuse")
    fleet = await seen(backend, "*", "alice", 4)
    assert (fleet["caller"], fleet["window_s"]) == ("alice", 900)
    assert fleet["at"].endswith("Z")
    assert "others" not in fleet
    assert fleet["callers"] == [
        {"name": "alice", "calls": 2, "errors": 0},
        {"name": None, "calls": 1, "errors": 1},
        {"name": "bob", "calls": 1, "errors": 1},
    ]
    one, other = fleet["servers"]
    assert (one["calls"], one["errors"]) == (2, 1)
    assert 0 < one["p50_ms"] <= one["p95_ms"] < 190 < other["p95_ms"] < 1000
    (error,) = one["recent_errors"]
    assert (error["tool"], error["caller"], error["outcome"]) == ("refuse", "bob", "error")


async def test_one_who_may_use_some_servers_sees_no_other_names(world: World):
    a, b = await world.server("a"), await world.server("b")
    backend = await world.backend(a=a, b=b)
    await call(a, "alice", "refuse")
    await call(a, "bob", "refuse")
    await call(b, "carol", "refuse")
    fleet = await seen(backend, "a", "alice", 2)
    assert fleet["callers"] == [{"name": "alice", "calls": 1, "errors": 1}]
    assert fleet["others"] == {"calls": 1, "errors": 1}
    callers = [error["caller"] for error in fleet["servers"][0]["recent_errors"]]
    assert sorted(callers, key=str) == [None, "alice"]
    assert "bob" not in str(fleet)
    assert "carol" not in str(fleet)
