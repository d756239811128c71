"""One node's entry in the swarm's list, changed through any living manager."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.runtime.declare import Context
from providers.swarm import membership
from providers.swarm.errors import (
    EngineError,
    NotFound,
    NotSettled,
    OutOfSequence,
    QuorumAtRisk,
    Unanswered,
)
from providers.swarm.membership import Node
from providers.swarm.pool import Pool

SETTLE = 90.0
"""Seconds for a change to take effect: long enough for an election (23 s) and a node's return
(52 s)."""
_REPORT = 20.0
"""Seconds: after an election all nodes are `unknown` until they have reported."""
_LOOK = 0.3


@dataclass(frozen=True)
class Wanted:
    """What an entry's spec should be. Labels that are neither given nor dropped stay.

    availability: "" leaves it unchanged.
    """

    role: str
    availability: str
    labels: Mapping[str, str]
    dropped_labels: frozenset[str] = frozenset()

    def applied(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The node's spec with the wanted changes."""
        spec = membership.given_back(spec)
        kept = {key: text for key, text in spec["Labels"].items() if key not in self.dropped_labels}
        return {
            **spec,
            "Role": self.role,
            "Availability": self.availability or spec["Availability"],
            "Labels": kept | dict(self.labels),
        }


@dataclass(frozen=True)
class Entry:
    """node_name is for messages; the id identifies the entry."""

    pool: Pool
    cluster_id: str
    id: str
    node_name: str

    async def all(self, context: Context) -> list[Node]:
        """Every node of the swarm."""
        nodes: list[Node] = await self._ask(context, "GET", "/nodes")
        return nodes

    async def read(self, context: Context) -> Node:
        """Raises `NotFound` if it isn't in the swarm, `NoManager` if no manager can tell."""
        node: Node = await self._ask(context, "GET", f"/nodes/{self.id}")
        return node

    async def tasks(self, context: Context) -> list[dict[str, Any]]:
        """The tasks on the node, whatever their state."""
        filters = {"filters": json.dumps({"node": [self.id]})}
        tasks: list[dict[str, Any]] = await self._ask(context, "GET", "/tasks", params=filters)
        return tasks

    async def running(self, context: Context) -> list[dict[str, Any]]:
        """The tasks that run on the node."""
        tasks = await self.tasks(context)
        return [task for task in tasks if task["Status"]["State"] == "running"]

    async def every_task(self, context: Context) -> list[dict[str, Any]]:
        """The tasks of the whole swarm."""
        tasks: list[dict[str, Any]] = await self._ask(context, "GET", "/tasks")
        return tasks

    async def service_names(self, context: Context) -> dict[str, str]:
        """Of all services, by their ids."""
        services = await self._ask(context, "GET", "/services")
        return {service["ID"]: service["Spec"]["Name"] for service in services}

    async def settle(self, context: Context, wanted: Wanted, within: float = SETTLE) -> str:
        """Writes what is wanted and waits until the node is ready in its role; its state then."""
        node = await self.read(context)
        if node["Spec"]["Role"] == "worker" and wanted.role == "manager":
            await self.wait(context, lambda n: n["Status"]["State"] == "ready", "ready", within)
        await self.write(context, wanted.applied)
        node = await self.wait(context, lambda node: _is_settled(node, wanted), "ready", within)
        return str(node["Status"]["State"])

    async def write(
        self, context: Context, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Sets the spec to `change(spec)`. Raises `QuorumAtRisk` if a demotion would lose the
        majority."""
        while True:
            node = await self.read(context)
            spec = change(node["Spec"])
            if spec == node["Spec"]:
                return
            if spec["Role"] == "worker" and membership.is_manager(node):
                await self._guard(context)
            version = {"version": str(node["Version"]["Index"])}
            try:
                await self._ask(
                    context, "POST", f"/nodes/{self.id}/update", params=version, body=spec
                )
            except (OutOfSequence, Unanswered):
                await context.sleep(_LOOK)

    async def wait(
        self,
        context: Context,
        good: Callable[[Node], bool],
        wanted: str,
        within: float = SETTLE,
    ) -> Node:
        """Raises `NotSettled` with the last state."""
        loop = asyncio.get_running_loop()
        within = min(within, context.timeout)
        deadline = loop.time() + within
        while True:
            node = await self.read(context)
            if good(node):
                return node
            state = node["Status"]["State"]
            context.progress(f"node {self.node_name}: {state}, waiting for {wanted}")
            if loop.time() > deadline:
                raise NotSettled(
                    f"node {self.node_name} ({self.id}) is not {wanted} after {within:.0f} s: "
                    f"state {state}, role {node['Spec']['Role']}, seat {node.get('ManagerStatus')}"
                    ". Check Docker there (`journalctl -u docker`), or replace its machine"
                )
            await context.sleep(_LOOK)

    async def evict(self, context: Context) -> None:
        """Removes the entry of a node that is gone or has left. A missing entry is fine."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE
        # "Can't find manager in raft memberlist": it has no seat to give up (swarmkit, UpdateNode).
        with contextlib.suppress(NotFound):
            await self.write(context, lambda spec: {**spec, "Role": "worker"})
        while True:
            try:
                await self._ask(context, "DELETE", f"/nodes/{self.id}", params={"force": "true"})
                return
            except NotFound:
                return
            except EngineError:  # its seat among the managers isn't given up yet
                if loop.time() > deadline:
                    raise
            await context.sleep(_LOOK)

    async def _guard(self, context: Context) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REPORT
        while not membership.keeps_quorum(nodes := await self.all(context), self.id):
            if loop.time() > deadline:
                raise QuorumAtRisk(
                    f"node {self.node_name} stays a manager: {membership.count(nodes)}, and "
                    "without it no majority would be left. Bring the others back, or let "
                    "`pulumi up` replace their machines first"
                )
            await context.sleep(_LOOK)

    async def _ask(self, context: Context, method: str, path: str, **options: Any) -> Any:
        return await self.pool.request(
            method, path, cluster_id=self.cluster_id, context=context, **options
        )


def _is_settled(node: Node, wanted: Wanted) -> bool:
    if node["Status"]["State"] != "ready":
        return False
    if wanted.role == "worker":
        return not membership.is_manager(node)
    return membership.is_healthy(node)
