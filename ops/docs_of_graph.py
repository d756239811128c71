"""docs/reference/graph.md: what the program registers, as a drawing.

The real program runs, for one machine and one server, against Pulumi's mocks, which note what is
registered and what it waits for.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi.runtime import mocks

from components.catalog import loader
from components.platform_stack import PlatformStack
from components.settings_model import Offers, Settings
from components.settings_rules import read

ROOT = Path(__file__).parents[1]
VALUES = {
    "lambdaApiUrl": "https://api.example/api/v1",
    "lambdaApiKey": "key",
    "nodeGroups": [
        {
            "name": "manager",
            "count": 1,
            "role": "manager",
            "tier": "primary",
            "instanceTypes": ["cpu_4x_general"],
            "regions": ["us-east-1"],
        }
    ],
    "registry": {"server": "registry.example", "username": "u", "password": "p"},
    "servers": ["ai_memory"],
}
"""Enough to draw: more machines and servers only repeat it."""

ALIKE = ("Network", "FirewallRuleset", "FirewallRules", "RemoteImage", "RegistryImage")
"""Kinds whose resources share a box."""

HEAD = """\
# The graph

Drawn by `make docs` from what the program registers; don't edit it here.

One machine (`manager-1`) and one server (`ai_memory`). Every further machine adds a frame
`LambdaInstance`, a `NodeSetup` and a `Member`; every further server a frame `McpService` and an
image. An arrow leads from what is created first to what waits for it; arrows that follow from
others are left out, and so are providers; some similar resources share a box. Names are those in
the state and in `pulumi preview`; [providers.md](providers.md) describes our own kinds.

```mermaid
flowchart TB
"""


@dataclass(frozen=True)
class Registered:
    """One resource. parent, waits_for: URNs, of providers and components, too."""

    name: str
    type: str
    parent: str
    waits_for: frozenset[str]


class _Unknown(mocks.Mocks):
    """Outputs as in a first preview: only the inputs."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return "", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


class _Monitor(mocks.MockMonitor):
    """Records what is registered, by URN."""

    def __init__(self) -> None:
        super().__init__(_Unknown())
        self.seen: dict[str, Registered] = {}

    def RegisterResource(self, request: Any) -> Any:
        register: Any = super().RegisterResource  # untyped
        answer = register(request)
        provider = request.provider.rpartition("::")[0]
        waits_for = {*request.dependencies, provider} - {""}
        self.seen[answer.urn] = Registered(
            request.name, request.type, request.parent, frozenset(waits_for)
        )
        return answer


@functools.cache
def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"{line}\n" for line in drawing(registered(_settings()))) + "```\n"


def _settings() -> Settings:
    settings, faults = read(
        VALUES,
        project="sophia",
        stack="dev",
        catalog=loader.load(ROOT / "mcp_catalog"),
        offers=Offers({"cpu_4x_general": 20}, frozenset({"us-east-1"})),
    )
    if faults:
        raise ValueError("; ".join(map(str, faults)))
    return settings


def registered(settings: Settings) -> Mapping[str, Registered]:
    """What the program registers in a preview, by URN."""
    monitor = _Monitor()
    asyncio.set_event_loop(loop := asyncio.new_event_loop())  # the SDK takes the current one
    try:
        mocks.set_mocks(_Unknown(), "sophia", "dev", preview=True, monitor=monitor)
        run: Any = mocks.test
        run(lambda: (PlatformStack("platform", settings), None)[1])()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return monitor.seen


def drawing(seen: Mapping[str, Registered]) -> Iterator[str]:
    """The lines of a Mermaid flowchart. Pure."""
    shown = {
        urn: one for urn, one in seen.items() if not one.type.startswith(("sophia:", "pulumi"))
    }
    boxes = defaultdict[str, list[Registered]](list)
    for one in sorted(shown.values(), key=lambda one: one.name):
        boxes[_box(one)].append(one)

    groups = defaultdict[str, list[str]](list)
    for box, ones in sorted(boxes.items()):
        groups[_group(ones[0], seen)].append(box)
    for group, inside in sorted(groups.items()):
        enclosed = len(inside) > 1 and group
        if enclosed:
            yield f'  subgraph {_id(group)}["{group}"]'
        for box in inside:
            names = ", ".join(one.name for one in boxes[box])
            yield f'  {box}["<b>{_kind(boxes[box][0])}</b><br>{names}"]'
        if enclosed:
            yield "  end"

    waits = {
        box: {_box(shown[urn]) for one in ones for urn in _direct(one, seen, shown)} - {box}
        for box, ones in boxes.items()
    }
    followers = defaultdict[str, list[str]](list)
    for box, first in sorted(_reduced(waits)):
        followers[first].append(box)
    for first, boxes_after in sorted(followers.items()):
        yield f"  {first} --> {' & '.join(boxes_after)}"


def _box(one: Registered) -> str:
    return _kind(one) if _kind(one) in ALIKE else _id(one.name)


def _kind(one: Registered) -> str:
    return one.type.rpartition(":")[2]


def _group(one: Registered, seen: Mapping[str, Registered]) -> str:
    """The component in which it is drawn, "" for none."""
    parent = seen.get(one.parent)
    if parent is None or _kind(one) in ALIKE or _kind(parent) == "PlatformStack":
        return ""
    return f"{_kind(parent)} {parent.name}"


def _id(text: str) -> str:
    return re.sub(r"\W", "_", text)


def _direct(
    one: Registered, seen: Mapping[str, Registered], shown: Mapping[str, Registered]
) -> Iterator[str]:
    """The drawn resources that it waits for, also through ones that aren't drawn."""
    for urn in one.waits_for:
        if urn in shown:
            yield urn
        elif urn in seen:
            yield from _direct(seen[urn], seen, shown)


def _reduced(waits: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Pairs of a box and one that it waits for, except those that follow from others."""

    @functools.cache
    def all_of(box: str) -> frozenset[str]:
        return frozenset(waits[box]).union(*(all_of(first) for first in waits[box]))

    for box, firsts in waits.items():
        implied = frozenset[str]().union(*(all_of(first) for first in firsts))
        yield from ((box, first) for first in firsts - implied)


if __name__ == "__main__":
    print(page(), end="")
