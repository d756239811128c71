"""A platform whose database has a standby: its node is powered off under load, on real nodes.

Each acknowledged memory is there afterwards. `STANDBY_HOME=DIR` keeps the platform in a folder, to
run this again; `ops down` there removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mcp.shared.exceptions import MCPError

from simulator import cloud
from tests.support import docker
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.mcp_calls import connected
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

NODES = {"database": "manager-2", "database-2": "manager-3"}
"""Not manager-1, at whose gateway the calls arrive."""


def configure(platform: Checkout, *, standby: bool) -> None:
    file = platform.root / "Pulumi.dev.yaml"
    values = yaml.safe_load(file.read_text())
    volumes = NODES if standby else {"database": NODES["database"]}
    values["config"] |= {
        "sophia:servers": ["ai_memory"],
        "sophia:standby": {"enabled": standby},
        "sophia:volumes": volumes,
    }
    file.write_text(yaml.safe_dump(values))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """First without a standby, then with one."""
    kept = os.environ.get("STANDBY_HOME")
    home = Path(kept) if kept else None
    made = copy_of_the_tree(tmp_path_factory.mktemp("standby"), home)
    try:
        if not (home and (home / "with-standby").exists()):
            configure(made, standby=False)
            made.run("ops", "up")
            asyncio.run(store(made, "before there was a standby"))
        configure(made, standby=True)
        made.run("ops", "up")
        if home:
            (home / "with-standby").touch()
        yield made
    finally:
        if not kept:
            made.run("ops", "down", seconds=300)


async def store(platform: Checkout, content: str) -> None:
    async with connected(platform.outputs(), "ai_memory") as client:
        stored = await client.call_tool("store_memory", {"content": content})
        assert not stored.is_error, stored


class Memories:
    """Stored one after another until it is stopped; those whose call succeeded, with when."""

    def __init__(self, platform: Checkout) -> None:
        self._outputs = platform.outputs()
        self.acknowledged: list[tuple[str, float]] = []

    async def keep_storing(self) -> None:
        number = 0
        while True:
            number += 1
            content = f"memory {time.time():.0f} number {number}"
            with contextlib.suppress(MCPError, ExceptionGroup, OSError, asyncio.TimeoutError):
                async with asyncio.timeout(20), connected(self._outputs, "ai_memory") as client:
                    stored = await client.call_tool("store_memory", {"content": content})
                    if not stored.is_error:
                        self.acknowledged.append((content, time.monotonic()))
            await asyncio.sleep(0.1)


def members(platform: Checkout) -> dict[str, str]:
    """Each member's line of `make status`."""
    told = platform.run("ops", "status", seconds=120)
    lines = [line for line in told.splitlines() if " on manager-" in line]
    return {line.split()[0]: line for line in lines}


def in_step(platform: Checkout) -> str:
    """The primary's name, once the other one has each commit."""
    found = until(
        lambda: members(platform),
        lambda seen: (
            sorted(line.partition(": ")[2] for line in seen.values())
            == ["primary", "standby, has each commit"]
        ),
        "a primary and a standby in step",
        300,
    )
    return next(name for name, line in found.items() if line.endswith("primary"))


def node(platform: Checkout, name: str) -> str:
    (found,) = [one for one in docker.nodes(platform.home) if f"-{name}-" in one]
    return found


def contents(platform: Checkout, member: str) -> set[str]:
    ((at, task),) = docker.tasks(platform.home, f"sophia-dev-{member}")
    sql = "SELECT content FROM memories"
    query = ("psql", "-XqAtU", "postgres", "-d", "sophia", "-c", sql)
    return set(docker.docker("exec", at, "docker", "exec", task, *query).splitlines())


def power_on(platform: Checkout, name: str) -> None:
    """As a person does it in Lambda's console."""
    found = cloud.find(platform.home / "simulator")
    assert found is not None
    known = found.control("GET", "/instances")
    (machine,) = [
        one["id"]
        for one in known
        if f"-{name}-" in one["name"] and one["status"] not in ("terminated", "terminating")
    ]
    request = urllib.request.Request(
        f"{found.url}/instance-operations/restart",
        json.dumps({"instance_ids": [machine]}).encode(),
        {"Authorization": f"Bearer {found.api_key}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=60).close()


async def test_no_memory_is_lost_with_the_databases_node(
    platform: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    primary = in_step(platform)
    heir = next(name for name in NODES if name != primary)
    memories = Memories(platform)
    storing = asyncio.create_task(memories.keep_storing())
    try:
        await more(memories)
        docker.docker("kill", node(platform, NODES[primary]))
        off = time.monotonic()
        await more(memories)
    finally:
        storing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await storing
    again = next(when for _, when in memories.acknowledged if when > off)
    kept = contents(platform, heir)
    assert not {content for content, _ in memories.acknowledged} - kept
    assert "before there was a standby" in kept
    with capsys.disabled():
        print(f"\n{primary}'s node off: calls work again after {again - off:.1f} s")
    power_on(platform, NODES[primary])
    assert in_step(platform) == heir


async def more(memories: Memories) -> None:
    before, ends = len(memories.acknowledged), time.monotonic() + 180
    while len(memories.acknowledged) < before + 5:
        assert time.monotonic() < ends, "no memory is stored any more"
        await asyncio.sleep(0.2)
