"""ai_memory behind the gateway: a rolling update, a killed replica, a database that is away."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.mcp.conftest import Container, alias
from tests.support.docker import docker
from tests.support.gateway import TOKEN, Gateway
from tests.support.load import Target, load
from tests.support.mcp_calls import LEGACY, MODERN, connected
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

SERVICE = alias("ai_memory")
CLIENTS = 50


@dataclass
class Behind:
    """ai_memory behind a gateway. outputs: as a stack has them; replicas: those that run."""

    gateway: Gateway
    outputs: dict[str, Any]
    replicas: list[Container]
    start: Callable[[str], Container]

    @property
    def target(self) -> Target:
        url = self.outputs["mcp_endpoints"]["ai_memory"]
        authority = self.outputs["ca_certificate"]
        return Target(url, "get_memory_stats", authority=authority, token=TOKEN)

    def number(self, wanted: int) -> None:
        """Waits until the gateway uses so many replicas.

        They are healthy before: a Swarm's DNS names only healthy ones, and the gateway trusts it
        until its first check.
        """
        until(lambda: states(self), lambda seen: seen == {"ok"}, "every replica is well")
        until(
            lambda: self.gateway.healthy()["ai_memory"],
            lambda seen: seen == wanted,
            f"{wanted} replicas behind the gateway",
        )


@pytest.fixture(scope="module")
def behind(open_gateway, start_replica) -> Iterator[Behind]:
    def start(name: str) -> Container:
        called = ("--network-alias", SERVICE, "--env", f"MCP_ALLOWED_HOSTS={SERVICE},127.0.0.1")
        return start_replica(name, *called)

    with open_gateway(["ai_memory"]) as (gateway, outputs):
        made = Behind(gateway, outputs, [], start)
        try:
            made.replicas += [start(f"behind-{number}") for number in (1, 2)]
            made.number(2)
            yield made
        finally:
            docker("rm", "--force", *(one.name for one in made.replicas), ok=False)


async def test_a_rolling_update_under_fifty_clients_fails_no_call(behind):
    async with load(behind.target, CLIENTS) as calls:
        for number, old in enumerate([*behind.replicas], 3):
            behind.replicas.append(behind.start(f"behind-{number}"))
            await asyncio.to_thread(behind.number, 3)
            await asyncio.to_thread(docker, "stop", "--time", "30", old.name)
            behind.replicas.remove(old)
            await asyncio.to_thread(behind.number, 2)
    assert [call for call in calls if call.fault] == []
    assert {call.replica for call in calls} == {f"behind-{number}" for number in (1, 2, 3, 4)}


async def test_a_killed_replica_fails_no_call_but_those_that_it_had(behind):
    killed, _ = behind.replicas
    async with load(behind.target, CLIENTS) as calls:
        await asyncio.to_thread(
            until, lambda: len({call.replica for call in calls}), lambda seen: seen == 2, "both"
        )
        await asyncio.to_thread(docker, "kill", killed.name)
        gone = time.monotonic()
        await asyncio.to_thread(until, lambda: calls[-1].began, lambda at: at > gone + 3, "more")
    behind.replicas[0] = behind.start("behind-5")
    assert [call for call in calls if call.fault and call.began > gone] == []
    assert len([call for call in calls if call.fault]) <= CLIENTS
    await asyncio.to_thread(behind.number, 2)


async def test_a_model_reads_that_the_database_is_away(behind, postgres):
    # One that never was well would be starting, not degraded.
    await asyncio.to_thread(until, lambda: states(behind), lambda seen: seen == {"ok"}, "well")
    docker("stop", postgres.container)
    try:
        await asyncio.to_thread(
            until, lambda: states(behind), lambda seen: seen == {"degraded"}, "told"
        )
        assert behind.gateway.healthy()["ai_memory"] == 2, "they stay in use"
        for mode in (MODERN, LEGACY):
            async with connected(behind.outputs, "ai_memory", mode) as client:
                answer = await client.call_tool("get_memory_stats", {})
            assert answer.is_error
            assert "the memory database is unavailable" in answer.content[0].text
    finally:
        docker("start", postgres.container)
    await asyncio.to_thread(
        until, lambda: states(behind), lambda seen: seen == {"ok"}, "well again"
    )


def states(behind: Behind) -> set[str]:
    """The names that the replicas report."""
    seen = set()
    for one in behind.replicas:
        with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/health", timeout=5) as answer:
            seen.add(json.load(answer)["status"])
    return seen
