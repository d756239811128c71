"""Platforms of earlier versions continue with this one. Needs the repository's history."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import docker
from tests.support.checkout import ROOT, Checkout, copy_of_the_tree
from tests.support.mcp_calls import connected

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

FIRST = "79275ac"
KEPT = ("Instance", "InstanceName", "KeyPair", "Network", "Cluster", "Member", "Service")


@pytest.fixture(params=[FIRST])
def former(request, tmp_path: Path) -> Iterator[Checkout]:
    """A platform that this version of the program brought up."""
    root = tmp_path / "former"
    root.mkdir()
    archived = subprocess.run(["git", "archive", request.param], cwd=ROOT, capture_output=True)
    told = archived.stderr.decode()
    assert archived.returncode == 0, f"{told}a shallow clone lacks it: git fetch --unshallow"
    subprocess.run(["tar", "-x"], cwd=root, input=archived.stdout, check=True)
    (root / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    platform = Checkout(root, tmp_path / "home")
    try:
        platform.run("ops", "up")
        yield platform
    finally:
        copy_of_the_tree(tmp_path / "end", platform.home).run("ops", "down", seconds=300)


def remember(platform: Checkout, content: str) -> None:
    async def call() -> None:
        async with connected(platform.outputs(), "ai_memory") as client:
            stored = await client.call_tool("store_memory", {"content": content})
            assert not stored.is_error, stored

    asyncio.run(call())


def recall(platform: Checkout, query: str) -> str:
    async def call() -> str:
        async with connected(platform.outputs(), "ai_memory") as client:
            found = await client.call_tool("search_memories", {"query": query})
            return json.dumps(found.structured_content)

    return asyncio.run(call())


def test_no_machine_is_replaced_and_no_row_is_lost(former: Checkout, tmp_path: Path) -> None:
    remember(former, "zebra seen by the former version")
    machines, nodes = former.outputs()["nodes"], docker.nodes(former.home)

    platform = copy_of_the_tree(tmp_path, former.home)
    plan = json.loads(platform.pulumi("preview", "--json"))["steps"]
    ended = [s["urn"] for s in plan if "replace" in s["op"] or "delete" in s["op"]]
    kinds = {re.sub(r".*[:$]([^:]+)::.*", r"\1", urn) for urn in ended}
    assert not kinds & set(KEPT), ended

    platform.run("ops", "up")
    assert docker.nodes(platform.home) == nodes
    assert platform.outputs()["nodes"] == machines
    assert "zebra seen by the former version" in recall(platform, "zebra")
    platform.run("ops", "up")
    steps = json.loads(platform.pulumi("preview", "--json"))["steps"]
    assert {step["op"] for step in steps} <= {"same", "refresh"}
