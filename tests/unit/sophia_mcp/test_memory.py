"""No request within the body limit takes a replica near the memory that its container has."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.support import mcp_process
from tests.support.mcp_process import ROOT, Replica
from tests.support.worst_bodies import HEADERS, LIMIT, SHAPES

pytestmark = pytest.mark.slow

SERVER = "ai_memory"
"""Whose tools read the worst bodies as what they are. Both servers get them under their containers'
limits, in tests/integration/mcp/test_memory_limit.py."""


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    environment = {"MCP_ALLOW_WRITES": "true"}
    command = ["-m", "sophia_mcp", SERVER]
    with mcp_process.running(command, tmp_path / "log", environment, (ROOT,)) as running:
        yield running


def container_mb() -> int:
    described = yaml.safe_load((ROOT / "mcp_catalog" / SERVER / "server.yaml").read_text())
    return int(described["deploy"]["resources"]["memory_mb"])


def peak_mb(replica: Replica) -> int:
    status = Path(f"/proc/{replica.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


async def test_no_shape_of_a_request_takes_much_memory(replica: Replica):
    most = container_mb()
    assert all(len(body) <= LIMIT for body in SHAPES.values())
    answered = asyncio.Event()

    async def send(http: httpx2.AsyncClient, body: bytes) -> httpx2.Response:
        return await http.post(replica.url, headers=HEADERS, content=body)

    async def healthy(http: httpx2.AsyncClient) -> float:
        """The longest time that /health took during this, in seconds."""
        longest = 0.0
        while not answered.is_set():
            began = time.perf_counter()
            assert (await http.get(replica.url.replace("/mcp", "/health"))).status_code == 200
            longest = max(longest, time.perf_counter() - began)
        return longest

    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
        for name, body in SHAPES.items():
            answered.clear()
            watching = asyncio.create_task(healthy(http))
            answers = await asyncio.gather(*(send(http, body) for _ in range(64)))
            answered.set()
            assert {answer.status_code for answer in answers} <= {200, 400, 413, 503}, name
            assert replica.process.poll() is None, name
            assert peak_mb(replica) < most * 0.75, name
            # What Docker's check and the gateway wait for at least.
            assert await watching < 2, name


async def test_a_body_above_the_limit_is_refused(replica: Replica):
    async with httpx2.AsyncClient() as http:
        refused = await http.post(replica.url, headers=HEADERS, content=b" " * (LIMIT + 1))
        taken = await http.post(replica.url, headers=HEADERS, content=SHAPES["escaped text"])
    assert refused.status_code == 413
    assert taken.status_code == 200
