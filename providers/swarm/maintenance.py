"""Takes a node out of service for a moment: drains it before, and restores it after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from providers.runtime.declare import Context
from providers.swarm import membership, relocation
from providers.swarm.entry import Entry
from providers.swarm.errors import NotSettled, QuorumAtRisk
from providers.swarm.membership import Node

_QUORUM = 60.0
"""Seconds for the other managers to be healthy: after an election all are `unknown` for a while."""
_EMPTY = 120.0
"""Seconds for the node's tasks to end: more than any stop grace."""
_MOVED = 60.0
"""Seconds for tasks to run elsewhere; not required, since the node is back soon."""
_BACK = 180.0
"""Seconds for what ran on the node to run again."""
_LOOK = 0.3


@asynccontextmanager
async def drained(context: Context, entry: Entry) -> AsyncIterator[None]:
    """Within the block the node has no tasks. Afterwards, even if the block fails, its availability
    is as before, and what ran there runs again, there or elsewhere.

    Tasks that can run only there (those with a volume) are ended, too, which makes this safe.
    Raises `QuorumAtRisk` before anything is done, and `NotSettled`.
    """
    await _spare(context, entry)
    own = await entry.read(context)
    before = membership.given_back(own["Spec"])["Availability"]
    tasks = await entry.running(context)
    slots = relocation.displaced(tasks)
    everywhere = {task["ServiceID"] for task in tasks if not task.get("Slot")}
    await entry.write(context, membership.taken_out)
    try:
        await _emptied(context, entry, slots)
        yield
        await entry.wait(context, _is_back(own), "back")
    finally:
        await entry.write(context, membership.given_back)
    if before == "active":
        await _running_again(context, entry, slots, everywhere)


async def _spare(context: Context, entry: Entry) -> None:
    """Waits until the other managers are a majority without this node. A single manager has
    none."""
    deadline = asyncio.get_running_loop().time() + _QUORUM
    while True:
        nodes = await entry.all(context)
        managers = [node["ID"] for node in nodes if membership.is_manager(node)]
        if entry.id not in managers or managers == [entry.id]:
            return
        if membership.keeps_quorum(nodes, entry.id):
            return
        if asyncio.get_running_loop().time() > deadline:
            raise QuorumAtRisk(
                f"node {entry.node_name} stays in service: {membership.count(nodes)}, and without"
                " it no majority would be left. Bring the others back, then run it again"
            )
        await context.sleep(_LOOK)


async def _emptied(context: Context, entry: Entry, slots: frozenset[relocation.Slot]) -> None:
    names = await entry.service_names(context)
    begun = asyncio.get_running_loop().time()
    while True:
        here = await entry.running(context)
        left = relocation.missing(slots, await entry.every_task(context), entry.id, names)
        coming = {slot for slot, reason in left.items() if not relocation.is_final(reason)}
        waited = asyncio.get_running_loop().time() - begun
        if not here and (not coming or waited > _MOVED):
            return
        context.progress(
            f"{entry.node_name} drains: {len(here)} tasks still run, {len(coming)} not elsewhere"
        )
        if waited > _EMPTY:
            raise NotSettled(
                f"node {entry.node_name} stays in service: {len(here)} of its tasks don't end"
                f" within {_EMPTY:.0f} s"
            )
        await context.sleep(_LOOK)


def _is_back(before: Node) -> Callable[[Node], bool]:
    if membership.is_manager(before):
        return membership.is_healthy
    return lambda node: node["Status"]["State"] == "ready"


async def _running_again(
    context: Context, entry: Entry, slots: frozenset[relocation.Slot], everywhere: set[str]
) -> None:
    names = await entry.service_names(context)
    deadline = asyncio.get_running_loop().time() + _BACK
    while True:
        left = list(relocation.missing(slots, await entry.every_task(context), "", names).values())
        here = {task["ServiceID"] for task in await entry.running(context)}
        left += [f"{names[id]} is not back there" for id in everywhere - here if id in names]
        if not left:
            return
        context.progress(f"{entry.node_name} is back, waiting for {len(left)} tasks")
        if asyncio.get_running_loop().time() > deadline:
            raise NotSettled(
                f"node {entry.node_name} is back in service, but not everything that ran there:"
                f" {'; '.join(sorted(left))}"
            )
        await context.sleep(_LOOK)
