"""Machines are lost and replaced, the founder first; in the end everything is destroyed."""

from __future__ import annotations

import time

import pytest

from providers.swarm import departure, membership
from providers.swarm.cluster import Cluster
from providers.swarm.member import Member, MemberOutputs
from providers.swarm.pool import Pool
from tests.provider.swarm.fleet import (
    cluster_inputs,
    eventually,
    form,
    make_context,
    member_inputs,
    said,
)

pytestmark = [pytest.mark.containers, pytest.mark.slow]


async def test_any_member_may_be_lost(fleet, monkeypatch):
    """One story, since each loss costs an election or more: founder, another manager, all."""
    anna, bert, cleo, anew, cnew = await fleet.start("anna2", "bert2", "cleo2", "anna2", "cleo2")
    pool = Pool(fleet.config(anna, bert, cleo))
    recorded, ids = await form(pool, [anna, bert, cleo])
    founder = cluster_inputs(anna)
    id = recorded.cluster_id
    before = [member_inputs(machine, recorded) for machine in (anna, bert, cleo)]
    state = [MemberOutputs(each, "ready") for each in ids]

    # The founder, who leads, loses its power. A fresh process asks, as the next `up` does.
    fleet.kill(anna)
    await pool.close()
    pool = Pool(fleet.config(anna, bert, cleo))
    begun = time.monotonic()
    found = await Cluster(pool).read(make_context(), id, founder, recorded)
    assert time.monotonic() - begun < 60
    assert found.outputs.cluster_id == id
    assert found.outputs.status == "reachable"
    assert anna.endpoint not in found.outputs.contacts
    recorded = found.outputs
    await pool.close()

    # Its machine is replaced, new before old: another founder in the inputs, the same swarm.
    pool = Pool(fleet.config(anew, bert, cleo))
    recorded = await Cluster(pool).update(
        make_context(), id, founder, recorded, cluster_inputs(anew)
    )
    assert recorded.cluster_id == id
    joined = await Member(pool).create(make_context(), member_inputs(anew, recorded))
    nodes = await pool.request("GET", "/nodes", cluster_id=id)
    assert {node["ID"] for node in nodes} == {joined.id, ids[1], ids[2]}
    await Member(pool).delete(make_context(), ids[0], before[0], state[0])
    nodes = await pool.request("GET", "/nodes", cluster_id=id)
    assert {node["ID"] for node in nodes} == {joined.id, ids[1], ids[2]}
    assert await Member(pool).read(make_context(), ids[0], before[0], state[0]) is None

    # Another manager is lost, and this time the old one goes first.
    fleet.kill(cleo)
    await Member(pool).delete(make_context(), ids[2], before[2], state[2])
    third = await Member(pool).create(make_context(), member_inputs(cnew, recorded))
    nodes = await pool.request("GET", "/nodes", cluster_id=id)
    assert {node["ID"] for node in nodes} == {joined.id, ids[1], third.id}
    assert membership.keeps_quorum(nodes, ids[1])
    await eventually(
        lambda: pool.request("GET", "/nodes", cluster_id=id),
        lambda nodes: all(membership.is_healthy(node) for node in nodes),
    )

    # All machines are replaced at once: the configuration knows none of the managers any more.
    strangers = Pool(fleet.config())
    moved = await Cluster(strangers).update(
        make_context(), id, cluster_inputs(anew), recorded, founder
    )
    assert moved.cluster_id == id
    await strangers.close()

    # Everything goes, and the first of the chain, who leaves last, dies while another drains: too
    # late for the look at the majority that came before.
    drain = departure._drain

    async def drain_while_one_dies(context, entry):
        await drain(context, entry)
        if entry.id == third.id:
            fleet.kill(bert)
            await eventually(
                lambda: pool.request("GET", f"/nodes/{ids[1]}", cluster_id=id), membership.is_lost
            )

    monkeypatch.setattr(departure, "_drain", drain_while_one_dies)
    chain = [(ids[1], before[1]), (joined.id, member_inputs(anew, recorded))]
    chain += [(third.id, member_inputs(cnew, recorded))]
    begun = time.monotonic()
    for node_id, inputs in reversed(chain):
        await Member(pool).delete(make_context(), node_id, inputs, MemberOutputs(node_id, "ready"))
    context = make_context()
    await Cluster(pool).delete(context, id, cluster_inputs(anew), recorded)
    assert time.monotonic() - begun < 120
    assert any(bert.address in line for line in said(context))
    for machine in (anew, cnew):
        info = await pool.node(machine.address, machine.host_key).request("GET", "/info")
        assert info["Swarm"]["LocalNodeState"] == "inactive"
    await pool.close()
