"""Machines are lost and replaced, the founder first; in the end everything is destroyed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from providers.swarm import departure, membership
from providers.swarm.cluster import Cluster
from providers.swarm.errors import NoManager, NotSettled, QuorumAtRisk
from providers.swarm.member import Member, MemberOutputs
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from providers.swarm.services.model import Placement
from simulator import node_image
from simulator.docker import docker
from tests.provider.swarm.fleet import (
    POOLS,
    cluster_inputs,
    eventually,
    form,
    make_context,
    member_inputs,
    said,
)
from tests.provider.swarm.services.samples import NO_OUTPUTS, load_image, service

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

    # All machines are replaced at once: the configuration no longer has any of the managers.
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
    assert time.monotonic() - begun < 180
    assert any(bert.address in line for line in said(context))
    for machine in (anew, cnew):
        info = await pool.node(machine.address, machine.host_key).request("GET", "/info")
        assert info["Swarm"]["LocalNodeState"] == "inactive"
    await pool.close()


async def test_workers_join_together_and_leave_in_turn(fleet):
    anna, gert, hans = await fleet.start("anna5", "gert5", "hans5")
    load_image(node_image.ensure(print), [one.container for one in (anna, gert, hans)])
    pool = Pool(fleet.config(anna))
    cluster = (await Cluster(pool).create(make_context(), cluster_inputs(anna))).outputs
    member = Member(pool)
    await member.create(make_context(), member_inputs(anna, cluster))
    wanted = [member_inputs(one, cluster, role="worker") for one in (gert, hans)]
    joined = await asyncio.gather(*(member.create(make_context(), inputs) for inputs in wanted))
    assert [one.outputs.state for one in joined] == ["ready", "ready"]
    await Service(pool).create(make_context(), service("pair", replicas=2))

    out: list[list[str]] = []
    leaving = asyncio.gather(
        *(
            member.delete(make_context(), one.id, inputs, one.outputs)
            for one, inputs in zip(joined, wanted, strict=True)
        )
    )
    while not leaving.done():
        nodes = await pool.request("GET", "/nodes", cluster_id=cluster.cluster_id)
        out.append([n["ID"] for n in nodes if n["Spec"]["Availability"] == "drain"])
        await asyncio.sleep(0.05)
    await leaving
    assert max(map(len, out)) == 1, f"one drains at a time: {out}"
    assert {id for ids in out for id in ids} == {one.id for one in joined}
    tasks = await pool.request("GET", "/tasks", cluster_id=cluster.cluster_id)
    running = [task for task in tasks if task["Status"]["State"] == "running"]
    assert len(running) == 2, "both replicas moved"
    await pool.close()
    fleet.remove(anna, gert, hans)


async def test_a_node_leaves_once_its_tasks_run_elsewhere(fleet, monkeypatch):
    monkeypatch.setattr(departure, "_HOMELESS", 3.0)
    anna, gert = await fleet.start("anna3", "gert3")
    load_image(node_image.ensure(print), [anna.container, gert.container])
    pool = Pool(fleet.config(anna))
    cluster = await Cluster(pool).create(make_context(), cluster_inputs(anna))
    member = Member(pool)
    await member.create(make_context(), member_inputs(anna, cluster.outputs))
    only = member_inputs(gert, cluster.outputs, role="worker", labels={"tier": "only"})
    joined = await member.create(make_context(), only)

    pinned = service("pinned", placement=Placement(["node.labels.tier == only"]))
    id = (await Service(pool).create(make_context(), pinned)).id
    with pytest.raises(NotSettled, match=r"gert3 stays, active as before: .*pinned\.1 is pending"):
        await member.delete(make_context(), joined.id, only, joined.outputs)
    node = await pool.request("GET", f"/nodes/{joined.id}")
    assert node["Spec"]["Availability"] == "active"

    async def where():
        tasks = await pool.request("GET", "/tasks")
        return {t["NodeID"] for t in tasks if t["Status"]["State"] == "running"}

    await eventually(where, lambda nodes: nodes == {joined.id})
    free = service("pinned", replicas=2, stop_grace_s=4.0)
    await Service(pool).update(make_context(), id, pinned, NO_OUTPUTS, free)
    await member.delete(make_context(), joined.id, only, joined.outputs)
    tasks = await pool.request("GET", "/tasks")
    running = [task for task in tasks if task["Status"]["State"] == "running"]
    assert len(running) == 2
    assert joined.id not in {task["NodeID"] for task in running}
    await pool.close()
    fleet.remove(anna, gert)


async def test_a_lost_majority_is_recovered_on_purpose(fleet):
    anna, bert, cleo, dora = await fleet.start("anna4", "bert4", "cleo4", "dora4")
    load_image(node_image.ensure(print), [anna.container, bert.container, cleo.container])
    pool = Pool(fleet.config(anna, bert, cleo))
    recorded, ids = await form(pool, [anna, bert, cleo])
    id, inputs = recorded.cluster_id, cluster_inputs(anna)
    found = await Cluster(pool).read(make_context(), id, inputs, recorded)
    recorded = found.outputs
    web = service("web", replicas=3)
    made = await Service(pool).create(make_context(), web)

    wished = cluster_inputs(anna, recover_on=bert.address)
    context = make_context()
    same = await Cluster(pool).update(context, id, inputs, recorded, wished)
    assert same.cluster_id == id
    assert any("nothing was recovered: the cluster has a leader" in line for line in said(context))

    fleet.kill(anna)
    fleet.kill(cleo)
    await pool.close()
    pool = Pool(fleet.config(anna, bert, cleo))
    found = await Cluster(pool).read(make_context(), id, inputs, recorded)
    assert found.outputs.status == "unreachable"
    with pytest.raises(NoManager, match=r"recover\.on"):
        await Cluster(pool).update(make_context(), id, inputs, found.outputs, inputs)
    lost = cluster_inputs(anna, recover_on=cleo.address)
    with pytest.raises(QuorumAtRisk, match="not a manager now"):
        await Cluster(pool).update(make_context(), id, inputs, found.outputs, lost)

    context = make_context()
    outputs = await Cluster(pool).update(context, id, inputs, found.outputs, wished)
    assert outputs.cluster_id == id
    assert outputs.contacts == [bert.endpoint]
    assert any("remove `recover` from the configuration" in line for line in said(context))
    # The service is kept; what ran on this node restarts (Engine 20.10).
    assert [one["ID"] for one in await pool.request("GET", "/services")] == [made.id]

    async def runs() -> str:
        return docker("exec", bert.container, "docker", "ps", "-q", "--filter", "name=web.")

    await eventually(runs, bool)
    assert (await pool.request("GET", "/swarm", cluster_id=id))["DefaultAddrPool"] == POOLS
    again = await Cluster(pool).update(make_context(), id, wished, outputs, wished)
    assert again.cluster_id == id

    # The machines are replaced, and everything continues as before.
    joined = await Member(pool).create(make_context(), member_inputs(dora, outputs))
    for node_id, machine in ((ids[0], anna), (ids[2], cleo)):
        gone = member_inputs(machine, recorded)
        await Member(pool).delete(make_context(), node_id, gone, MemberOutputs(node_id, "down"))
    nodes = await pool.request("GET", "/nodes", cluster_id=id)
    assert {node["ID"] for node in nodes} == {joined.id, ids[1]}
    load_image(node_image.ensure(print), [dora.container])
    changed = replace(web, env={"A": "1"})
    await Service(pool).update(make_context(), made.id, web, made.outputs, changed)
    await pool.close()
    fleet.remove(anna, bert, cleo, dora)
