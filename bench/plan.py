"""How the program grows with its nodes: `python -m bench.plan [NODES …]`.

Registers the whole platform, three managers and the rest workers in one region, with mocks in place
of the engine and of all providers. Seconds (of a processor) and memory are the program's own: the
engine's share, and that of nodes that are made, is in bench.graph.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime import mocks

from components.catalog import loader
from components.image_cache import ImageCache
from components.platform_stack import PlatformStack
from components.settings_model import Offers
from components.settings_nodes import MOST_MACHINES
from components.settings_rules import read

CATALOG = Path(__file__).parents[1] / "mcp_catalog"
COUNTS = (5, 50, 100, 200)
TYPE, REGION = "cpu_4x_general", "us-east-1"
HEAD = ("nodes", "settings s", "register s", "MB", "resources", "a node")


@dataclass(frozen=True)
class Cost:
    """settings_s, register_s: seconds of a processor. memory_mb: the most that the process had."""

    settings_s: float
    register_s: float
    memory_mb: float
    resources: Counter[str]


class Engine(mocks.Mocks):
    """Takes every resource as in a preview. registered: how many of each type."""

    def __init__(self) -> None:
        self.registered: Counter[str] = Counter()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered[args.typ] += 1
        return "", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


def main() -> None:
    """Prints one line for each number of nodes, and which resources each node adds."""
    print("".join(f"{name:>12}" for name in HEAD), flush=True)
    costs: list[tuple[int, Cost]] = []
    for count in map(int, sys.argv[1:] or COUNTS):
        # A process of its own: what was the most before would stay the most.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            cost = alone.submit(cost_of, count).result()
        costs.append((count, cost))
        total = cost.resources.total()
        line = f"{count:12}{cost.settings_s:12.1f}{cost.register_s:12.1f}{cost.memory_mb:12.0f}"
        print(f"{line}{total:12}{total / count:12.1f}", flush=True)
    (few, first), (many, last) = costs[0], costs[-1]
    added = {kind: (last.resources[kind] - first.resources[kind]) for kind in last.resources}
    for kind, more in sorted(added.items()):
        if more:
            print(f"{more / (many - few):6.2f} a node  {kind}")


def cost_of(nodes: int) -> Cost:
    """What so many nodes cost."""
    values = {
        "lambdaApiUrl": "https://api.example/api/v1",
        "lambdaApiKey": "a key",
        "nodeGroups": list(groups(nodes)),
        "registry": {"server": "registry.example", "username": "u", "password": "a password"},
        "servers": ["ai_memory", "lambda_labs_cli"],
        "overlay": {"subnetSize": 18},
    }
    began = time.process_time()
    settings, faults = read(
        values,
        project="sophia",
        stack="dev",
        catalog=loader.load(CATALOG),
        offers=Offers({TYPE: 20}, frozenset({REGION})),
    )
    if settings is None or faults:
        raise ValueError("\n".join(map(str, faults)))
    read_s = time.process_time() - began
    asyncio.set_event_loop(asyncio.new_event_loop())
    engine, began = Engine(), time.process_time()
    pulumi.runtime.set_mocks(engine, project="sophia", stack="dev", preview=True)

    def program() -> None:
        PlatformStack("platform", settings)

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(ImageCache, "stage", return_value=Path(folder)),
        mock.patch.object(ImageCache, "have", return_value=None),
    ):
        pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    spent = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux tells KiB
    return Cost(read_s, spent, most, engine.registered)


def groups(nodes: int) -> Iterator[dict[str, Any]]:
    """Three managers, and workers in groups as large as they may be."""
    common = {"instanceTypes": [TYPE], "regions": [REGION]}
    yield {"name": "manager", "count": 3, "role": "manager", "tier": "primary", **common}
    for number, begun in enumerate(range(3, nodes, MOST_MACHINES)):
        count = min(MOST_MACHINES, nodes - begun)
        name = f"worker-{chr(ord('a') + number)}"
        yield {"name": name, "count": count, "role": "worker", "tier": "secondary", **common}


if __name__ == "__main__":
    main()
