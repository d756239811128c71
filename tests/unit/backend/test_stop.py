"""How the backend ends: a real process, a real signal."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from tests.support import mcp_process
from tests.support.polling import until

from .conftest import World

CALL = {"X-Sophia-Servers": "*", "X-Sophia-Caller": "alice", "X-Request-Id": "gateway-1"}


@pytest.fixture
async def replica(world: World, tmp_path: Path):
    port = await world.server()
    environment = {
        "SOPHIA_SERVERS": json.dumps({"toy": f"localhost:{port}"}),
        "DRAIN_SECONDS": "1",
        "GRACE_SECONDS": "10",
    }
    folders = (mcp_process.ROOT / "images" / "backend",)
    starting = mcp_process.running(["-m", "sophia_backend"], tmp_path / "log", environment, folders)
    started = await asyncio.to_thread(starting.__enter__)
    yield started
    starting.__exit__(None, None, None)


@pytest.mark.slow
async def test_a_stop_loses_no_call_and_each_has_one_line(replica):
    address = f"http://127.0.0.1:{replica.port}"

    def metrics() -> str:
        return replica.get("/metrics")[2]

    async with httpx2.AsyncClient(headers=CALL, timeout=20) as http:
        await asyncio.to_thread(
            until, replica.health, lambda seen: seen[1]["status"] == "ok", "health", 10
        )
        body = {"seconds": 1.5}
        long_call = asyncio.create_task(http.post(f"{address}/api/tools/toy/slow", json=body))
        in_flight = "mcp_http_requests_in_flight 2.0"
        await asyncio.to_thread(until, metrics, lambda seen: in_flight in seen, in_flight, 10)
        replica.terminate()
        await asyncio.to_thread(
            until, replica.health, lambda seen: seen[0] == 503, "/health to say 503", 5
        )
        late = await http.post(f"{address}/api/tools/toy/add", json={"a": 1, "b": 2})
        assert (late.json()["data"], late.headers["connection"]) == ({"result": 3}, "close")
        assert (await long_call).json()["text"] == "done"
    assert await asyncio.to_thread(replica.exit_status) == 0
    lines = replica.logged("tool call")
    assert [line["tool"] for line in lines] == ["add", "slow"]
    assert {line["caller"] for line in lines} == {"alice"}
    assert {line["request_id"] for line in lines} == {"gateway-1"}
    assert replica.logged("request") == []
