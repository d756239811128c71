"""ai_memory while its database restarts, and while a replica is stopped under load."""

import asyncio
import itertools
import json
import time
import urllib.error
import urllib.request
from uuid import uuid4

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.docker import docker
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]


def status(port: int) -> str:
    """What /health says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return json.load(answer)["status"]
    except urllib.error.HTTPError as answer:
        return json.load(answer)["status"]
    except OSError as error:
        return f"no answer: {error}"


async def test_a_database_restart_is_told_and_survived(replicas, postgres):
    replica = replicas[0]
    user = f"user-{uuid4()}"
    async with Client(replica.url) as client:
        await client.call_tool("store_memory", {"content": "kept", "user_id": user})
        docker("stop", postgres.container)
        try:
            await asyncio.to_thread(
                until, lambda: status(replica.port), lambda s: s == "degraded", "told", 15
            )
            result = await client.call_tool("get_memories", {"user_id": user})
            assert result.is_error
            assert "unavailable" in result.content[0].text
            assert "try again" in result.content[0].text
        finally:
            docker("start", postgres.container)
        await asyncio.to_thread(
            until, lambda: status(replica.port), lambda s: s == "ok", "healthy again", 30
        )
        result = await client.call_tool("get_memories", {"user_id": user})
        assert not result.is_error, result
        assert [entry["content"] for entry in result.structured_content["memories"]] == ["kept"]
    # It was the same process all the time: an unreachable database is no reason to restart.
    assert docker("inspect", "-f", "{{.RestartCount}} {{.State.Health.Status}}", replica.name) in (
        "0 healthy", "0 starting",
    )  # fmt: skip


async def test_a_database_that_comes_late_is_waited_for(start_replica, postgres):
    docker("stop", postgres.container)
    try:
        replica = start_replica("memory-early")
        await asyncio.to_thread(
            until, lambda: status(replica.port), lambda s: s == "starting", "starting", 20
        )
        assert replica.health() != "healthy"
    finally:
        docker("start", postgres.container)
    await asyncio.to_thread(
        until, replica.health, lambda s: s == "healthy", "healthy once the database is there", 30
    )


class Balancer:
    """Sends calls to the replicas that /health speaks for, as the gateway does."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.up = dict.fromkeys(ports, True)
        self._turn = itertools.count()

    async def watch(self) -> None:
        async with httpx2.AsyncClient(timeout=3) as http:
            while True:
                for port in self.ports:
                    try:
                        answer = await http.get(f"http://127.0.0.1:{port}/health")
                        self.up[port] = answer.status_code == 200
                    except httpx2.TransportError:
                        self.up[port] = False
                await asyncio.sleep(0.5)

    def pick(self) -> int:
        up = [port for port in self.ports if self.up[port]] or self.ports
        return up[next(self._turn) % len(up)]


async def test_a_replica_stopped_under_load_loses_no_call(start_replica):
    """Half of the callers speak the older protocol."""
    user = f"user-{uuid4()}"
    names = [f"memory-loaded-{number}" for number in range(2)]
    both = [start_replica(name) for name in names]
    for replica in both:
        await asyncio.to_thread(
            until, replica.health, lambda s: s == "healthy", f"{replica.name} healthy", 60
        )
    balancer = Balancer([replica.port for replica in both])
    watching = asyncio.create_task(balancer.watch())
    seen: list[tuple[float, str]] = []
    failed: list[str] = []
    done = asyncio.Event()

    async def note(response: httpx2.Response) -> None:
        seen.append((time.monotonic(), response.headers["x-sophia-replica"]))

    async def caller(worker: int, mode: str) -> None:
        # Connections are kept from call to call, as a gateway keeps them.
        async with httpx2.AsyncClient(event_hooks={"response": [note]}, timeout=20) as http:
            for number in itertools.count():
                if done.is_set():
                    return
                try:
                    await call(http, f"{worker}/{number}", mode)
                except Exception as error:  # failed calls of any kind are counted
                    failed.append(f"{time.monotonic():.1f} {mode}: {error!r}")

    async def call(http: httpx2.AsyncClient, content: str, mode: str) -> None:
        url = f"http://127.0.0.1:{balancer.pick()}/mcp"
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            stored = await client.call_tool("store_memory", {"content": content, "user_id": user})
            assert not stored.is_error, stored.content[0].text

    modes = ["2026-07-28", "legacy"] * 3
    callers = [asyncio.create_task(caller(*one)) for one in enumerate(modes)]
    try:
        await asyncio.to_thread(
            until, lambda: {name for _, name in seen}, lambda s: s == set(names), "both answer", 20
        )
        stopped_at = time.monotonic()
        await asyncio.to_thread(docker, "stop", "--time", "20", both[0].name)
        gone_at = time.monotonic()
        await asyncio.to_thread(
            until, lambda: seen[-1][0], lambda at: at > gone_at + 1, "calls after the stop", 20
        )
    finally:
        done.set()
        await asyncio.gather(*callers)
        watching.cancel()
    assert failed == []
    assert docker("inspect", "-f", "{{.State.ExitCode}}", both[0].name) == "0"
    assert gone_at - stopped_at >= 5
    async with Client(both[1].url) as client:
        stats = await client.call_tool("get_memory_stats", {"user_id": user})
    answered = stats.structured_content["memories"]
    assert answered > 20
    print(f"{answered} calls, stop took {gone_at - stopped_at:.1f} s")
