"""How a node leaves the swarm, dead or alive, without harming the managers' majority.

Works for a single member and for all of them in turn: the last manager ends the swarm.
"""

from __future__ import annotations

import asyncio

from providers.runtime.declare import Context
from providers.swarm import membership, relocation
from providers.swarm.engine import CALL, Engine
from providers.swarm.entry import SETTLE, Entry
from providers.swarm.errors import NoManager, NotSettled, QuorumAtRisk, SwarmError
from providers.swarm.membership import Node

_REBOOT = 60.0
"""Seconds for lost managers to come back before they are removed so that another one can leave."""
_HOMELESS = 20.0
"""Seconds without a suitable node after which a task that has to move counts as having none."""
_LEAVE = 30.0
_LOOK = 0.3


async def depart(context: Context, entry: Entry, node: Engine, instance_id: str) -> None:
    """Ends the membership. Raises `QuorumAtRisk` if the managers would lose their majority."""
    try:
        nodes = await entry.all(context)
    except NoManager as error:
        if not error.dissolved:  # the swarm may depend on this node, and only lack a leader now
            raise NoManager(
                f"node {entry.node_name} stays in the swarm: {error}. Run it again when a manager "
                "answers. If the cluster is gone for good: "
                f"`pulumi state delete '{context.urn}'`"
            ) from None
        await _leave(context, entry, node, force=True)
        return
    own = next((each for each in nodes if each["ID"] == entry.id), None)
    if own is None:
        await _leave(context, entry, node, force=True)
        return
    if membership.labels_of(own).get(membership.INSTANCE, instance_id) != instance_id:
        return  # another member has taken the node over
    managers = [each for each in nodes if membership.is_manager(each)]
    if [each["ID"] for each in managers] == [entry.id]:
        _refuse_orphans(entry, nodes)
        context.progress(f"{entry.node_name} is the last manager: the swarm ends")
        await _leave(context, entry, node, force=True)
        entry.pool.give_up(entry.cluster_id)
        return
    if membership.is_manager(own):
        await _make_room(context, entry)
    if not membership.is_lost(own) and await _answers(node):
        await _drain(context, entry)
        if membership.is_manager(own):
            await _make_room(context, entry)  # again: one may have been lost meanwhile
            await _demote(context, entry)
        await _leave(context, entry, node, force=False)
    await entry.evict(context)


async def _answers(node: Engine) -> bool:
    """A dead machine's entry looks ready for up to 52 s: draining it would never finish."""
    try:
        await node.request("GET", "/_ping", within=CALL)
    except SwarmError:
        return False
    return True


async def _make_room(context: Context, entry: Entry) -> None:
    """If the majority depends on this node, lost managers are removed first.

    Waits before that: one that boots comes back, and after an election all nodes are `unknown`
    until they have reported.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    deadline = begun + _REBOOT + SETTLE
    while not membership.keeps_quorum(nodes := await entry.all(context), entry.id):
        for lost in nodes if loop.time() - begun > _REBOOT else ():
            if lost["ID"] != entry.id and membership.is_manager(lost) and membership.is_lost(lost):
                name = membership.name_of(lost)
                context.warn(f"the lost manager {name} is removed first, to keep a majority")
                await Entry(entry.pool, entry.cluster_id, lost["ID"], name).evict(context)
        if loop.time() > deadline:
            raise QuorumAtRisk(
                f"node {entry.node_name} can't leave: {membership.count(nodes)}, and without it no "
                "majority would be left. Wait until the others are healthy, then run it again"
            )
        await context.sleep(_LOOK)


async def _drain(context: Context, entry: Entry) -> None:
    """Ends its tasks, and waits until those that must keep running run elsewhere.

    Raises `NotSettled` if they can't: the node's availability is then restored.
    """
    own = await entry.read(context)
    before = membership.given_back(own["Spec"])["Availability"]
    moving = relocation.displaced(await entry.tasks(context))
    names = await entry.service_names(context)
    await entry.write(context, membership.taken_out)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.timeout
    patience: dict[relocation.Slot, float] = {}
    while True:
        here = await entry.running(context)
        left = relocation.missing(moving, await entry.every_task(context), entry.id, names)
        if not here and not left:
            return
        context.progress(
            f"{entry.node_name} drains: {len(here)} tasks still run, {len(left)} not yet elsewhere"
        )
        homeless = {slot for slot, reason in left.items() if relocation.is_final(reason)}
        patience = {slot: patience.get(slot, loop.time() + _HOMELESS) for slot in homeless}
        if min([deadline, *patience.values()]) < loop.time():
            await entry.write(context, membership.given_back)
            reasons = "; ".join(sorted(set(left.values()))) or f"{len(here)} tasks don't end"
            raise NotSettled(
                f"node {entry.node_name} stays, {before} as before: what runs there can't move "
                f"elsewhere ({reasons}). Make room on other nodes, or remove the services first"
            )
        await context.sleep(_LOOK)


async def _demote(context: Context, entry: Entry) -> None:
    await entry.write(context, lambda spec: {**spec, "Role": "worker"})
    await entry.wait(context, lambda each: not membership.is_manager(each), "a worker")


async def _leave(context: Context, entry: Entry, node: Engine, *, force: bool) -> None:
    """Tells the node itself to leave, if it still considers itself a member. A node that can't be
    reached is skipped: its machine is gone, or will be deleted next.

    Without force: retries until the node knows that it was demoted.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LEAVE
    while True:
        try:
            swarm = (await node.request("GET", "/info", within=CALL))["Swarm"]
            if swarm["NodeID"] != entry.id:
                return
            if force or not swarm["ControlAvailable"] or loop.time() > deadline:
                options = {"force": "true"} if force or swarm["ControlAvailable"] else {}
                await node.request("POST", "/swarm/leave", params=options, within=_LEAVE)
                return
        except SwarmError as error:
            context.warn(f"node {entry.node_name} was not told to leave: {error}")
            return
        await context.sleep(_LOOK)


def _refuse_orphans(entry: Entry, nodes: list[Node]) -> None:
    orphans = [each for each in nodes if each["ID"] != entry.id and not membership.is_lost(each)]
    if orphans:
        names = [membership.name_of(each) for each in orphans]
        raise QuorumAtRisk(
            f"node {entry.node_name} is the last manager and {', '.join(sorted(names))} would be "
            "left without one: remove those first, or make one of them a manager"
        )
