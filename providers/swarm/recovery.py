"""Recovers a swarm whose managers have lost their majority for good, on one that survived.

`force-new-cluster` makes it the only manager, in 0.8 s: services, secrets, networks and the
cluster's id stay, the other managers become workers; the node's own containers restart within three
seconds (measured, Engine 20.10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.runtime.declare import Context
from providers.swarm.engine import Endpoint, Engine
from providers.swarm.entry import SETTLE, Entry
from providers.swarm.errors import NotSettled, QuorumAtRisk, SwarmError, Unanswered
from providers.swarm.pool import Pool

DONE = (
    "is no longer needed: remove `recover` from the configuration, so that it doesn't decide what "
    "happens when managers are lost again"
)
_ANSWER = 30.0
"""Seconds for a manager to answer: without a leader it may try for 20 s to find one."""
_LOOK = 0.5


@dataclass(frozen=True)
class Seen:
    """What a possible manager reports of itself (`/info`, Swarm); None if it doesn't answer."""

    place: Endpoint
    swarm: Mapping[str, Any] | None

    @property
    def is_manager(self) -> bool:
        return bool(self.swarm and self.swarm["ControlAvailable"])


def refusal(
    recover_on: str, cluster_id: str, contacts: Sequence[Endpoint], looks: Sequence[Seen]
) -> str:
    """Why the swarm must not be recovered on that node; "" if it may. Pure.

    contacts: the managers of exactly this cluster that answered when it was last healthy.
    """
    chosen = next((seen for seen in looks if seen.place.address == recover_on), None)
    if chosen is None or chosen.place not in contacts:
        known = ", ".join(sorted(place.address for place in contacts)) or "none"
        return f"not a manager of cluster {cluster_id} when it was last healthy (those: {known})"
    if chosen.swarm is None or not chosen.is_manager:
        state = f"state {chosen.swarm['LocalNodeState']}" if chosen.swarm else "no answer"
        return f"not a manager now ({state})"
    found = (chosen.swarm.get("Cluster") or {}).get("ID")
    if found and found != cluster_id:
        return f"a manager of another cluster, {found}"
    living = sum(seen.is_manager for seen in looks)
    remote = {manager["NodeID"] for manager in chosen.swarm.get("RemoteManagers") or []}
    count = max(len(remote | {chosen.swarm["NodeID"]}), len(contacts))
    if living > count // 2:
        return (
            f"{living} of {count} managers live, which is a majority: they find a leader by "
            "themselves once they can reach one another"
        )
    return ""


async def recover(
    context: Context,
    pool: Pool,
    cluster_id: str,
    recover_on: str,
    contacts: Sequence[Endpoint],
    request: Mapping[str, Any],
) -> None:
    """Makes the node at that address the only manager. request: the body of `/swarm/init`.

    Call it when no manager can speak for the cluster. Other living managers leave, and join again
    with the next `up`. Raises `QuorumAtRisk` if it must not be done.
    """
    looks = await asyncio.gather(*(_look(pool, place) for place in pool.managers))
    if why := refusal(recover_on, cluster_id, contacts, looks):
        raise QuorumAtRisk(f"nothing was recovered on {recover_on}: {why}")
    chosen = next(seen for seen in looks if seen.place.address == recover_on)
    node = pool.node(chosen.place.address, chosen.place.host_key)
    assert chosen.swarm is not None
    context.warn(
        f"the majority of the managers is given up: {recover_on} continues as the only one"
    )
    for other in looks:
        if other is not chosen and other.is_manager:
            context.progress(f"{other.place.address} leaves, and joins again with the next `up`")
            engine = pool.node(other.place.address, other.place.host_key)
            await engine.request("POST", "/swarm/leave", params={"force": "true"}, within=_ANSWER)
    body = {**request, "AdvertiseAddr": chosen.swarm["NodeAddr"], "ForceNewCluster": True}
    try:
        await node.request("POST", "/swarm/init", body=body, within=_ANSWER)
    except Unanswered as error:
        context.progress(f"checking whether it was done: {error}")
    await _led(context, node, cluster_id)
    for other in looks:
        if other is not chosen and other.is_manager and other.swarm:
            name = other.place.address
            await Entry(pool, cluster_id, other.swarm["NodeID"], name).evict(context)
    silent = sorted(seen.place.address for seen in looks if seen.swarm is None)
    if silent:
        context.warn(
            f"{', '.join(silent)} did not answer. If they come back unchanged, they still believe "
            "that they are the Swarm: replace their machines (`nodeGroups[].replace`), or "
            "run `docker swarm leave --force` there first"
        )
    context.warn(
        "the Swarm works again, all services are kept, and what ran on this node restarts."
        f" `recover` {DONE}. Then run "
        "`pulumi up` once more: it makes the other managers join"
    )


async def _look(pool: Pool, place: Endpoint) -> Seen:
    try:
        node = pool.node(place.address, place.host_key)
        return Seen(place, (await node.request("GET", "/info", within=_ANSWER))["Swarm"])
    except SwarmError:
        return Seen(place, None)


async def _led(context: Context, node: Engine, cluster_id: str) -> None:
    """Waits until the node leads the cluster."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE
    while True:
        try:
            swarm = (await node.request("GET", "/info", within=_ANSWER))["Swarm"]
            found = (swarm.get("Cluster") or {}).get("ID")
            if swarm["ControlAvailable"] and not swarm.get("Error") and found == cluster_id:
                return
            said = f"state {swarm['LocalNodeState']}, cluster {found}, {swarm.get('Error')}"
        except SwarmError as error:
            said = str(error)
        if loop.time() > deadline:
            raise NotSettled(f"{node.address} does not lead cluster {cluster_id}: {said}")
        await context.sleep(_LOOK)
