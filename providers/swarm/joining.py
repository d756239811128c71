"""How a machine joins the swarm."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from providers.runtime.declare import Context
from providers.swarm import membership
from providers.swarm.cluster import PORT, patient_info
from providers.swarm.engine import Engine
from providers.swarm.entry import SETTLE, Entry
from providers.swarm.errors import (
    EngineError,
    ForeignSwarm,
    NotSettled,
    Unanswered,
)
from providers.swarm.membership import Node
from providers.swarm.pool import Pool

_JOIN = 45.0
_LOOK = 0.3


@dataclass(frozen=True)
class Joiner:
    """Which node joins, and as what. The token is never shown."""

    node_name: str
    addresses: frozenset[str]
    advertise_address: str
    token: str = field(repr=False)
    availability: str


async def join(context: Context, pool: Pool, node: Engine, cluster_id: str, joiner: Joiner) -> str:
    """The node's id in the swarm. A node that is already in it stays unchanged.

    Raises `ForeignSwarm` if it belongs to another one.
    """
    info = await patient_info(context, node)
    nodes = await pool.request("GET", "/nodes", cluster_id=cluster_id, context=context)
    own_id = info["Swarm"]["NodeID"]
    state = info["Swarm"]["LocalNodeState"]
    if state == "active" and own_id in {entry["ID"] for entry in nodes}:
        return str(own_id)
    if state != "inactive":
        _refuse_foreign(node, info, nodes, cluster_id)
        context.progress(f"{joiner.node_name} has a membership that no manager knows: leaving")
        await node.request("POST", "/swarm/leave", params={"force": "true"}, within=_JOIN)
    nodes = await _room(context, pool, cluster_id, joiner)
    context.progress(f"{joiner.node_name} is joining")
    await _ask_to_join(node, joiner, membership.join_addresses(nodes))
    return await _joined(context, node, joiner)


async def _room(context: Context, pool: Pool, cluster_id: str, joiner: Joiner) -> list[Node]:
    """The nodes, once none has the joiner's addresses. Lost ones are removed, living ones never."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE
    while True:
        nodes = await pool.request("GET", "/nodes", cluster_id=cluster_id, context=context)
        for entry in membership.left_behind(nodes, joiner.node_name, joiner.addresses, ""):
            context.progress(f"removing the entry of the lost node {entry['ID']}")
            await Entry(pool, cluster_id, entry["ID"], joiner.node_name).evict(context)
        taken = membership.living_at(nodes, joiner.addresses, "")
        if not taken:
            rest: list[Node] = await pool.request(
                "GET", "/nodes", cluster_id=cluster_id, context=context
            )
            return rest
        name = membership.name_of(taken[0])
        context.progress(f"{joiner.node_name} waits: {name} has its address")
        if loop.time() > deadline:
            raise NotSettled(
                f"node {joiner.node_name} can't join as {joiner.advertise_address}: the living "
                f"node {name} ({taken[0]['ID']}) has that address. Nodes of one swarm need private "
                "addresses of one region: rent its machine where the others are"
            )
        await context.sleep(_LOOK)


async def _ask_to_join(node: Engine, joiner: Joiner, remotes: list[str]) -> None:
    request = {
        "ListenAddr": f"0.0.0.0:{PORT}",
        "AdvertiseAddr": f"{joiner.advertise_address}:{PORT}",
        "RemoteAddrs": remotes,
        "JoinToken": joiner.token,
        "Availability": joiner.availability,
    }
    try:
        await node.request("POST", "/swarm/join", body=request, within=_JOIN)
    except Unanswered:
        return  # it continues in the background
    except EngineError as error:
        if "continue in the background" in error.message:
            return
        # The Engine's message might contain the token.
        message = error.message.replace(joiner.token, "***")
        raise EngineError(
            f"node {joiner.node_name} ({node.address}) can't join", error.status, message
        ) from None


async def _joined(context: Context, node: Engine, joiner: Joiner) -> str:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE
    while True:
        swarm = (await patient_info(context, node))["Swarm"]
        if swarm["LocalNodeState"] == "active" and swarm["NodeID"]:
            return str(swarm["NodeID"])
        if loop.time() > deadline:
            fault = (swarm.get("Error") or "no error").replace(joiner.token, "***")
            raise NotSettled(
                f"node {joiner.node_name} ({node.address}) has not joined after {SETTLE:.0f} s: "
                f"state {swarm['LocalNodeState']}, {fault}. Can it reach port {PORT} of the "
                "managers, and they its own?"
            )
        await context.sleep(_LOOK)


def _refuse_foreign(node: Engine, info: dict[str, Any], nodes: list[Node], cluster_id: str) -> None:
    """Only a stale membership in *this* swarm may be discarded."""
    swarm = info["Swarm"]
    ours = {entry["ID"] for entry in nodes} | {cluster_id}
    known = {(swarm.get("Cluster") or {}).get("ID")}
    known |= {manager["NodeID"] for manager in swarm.get("RemoteManagers") or []}
    known -= {None, swarm["NodeID"]}
    if known and not known & ours:
        raise ForeignSwarm(
            f"{node.address} is in another swarm (state {swarm['LocalNodeState']}), expected none "
            f"or cluster {cluster_id}. If nothing of value runs there, run `docker swarm leave "
            "--force` on it and `pulumi up` again"
        )
