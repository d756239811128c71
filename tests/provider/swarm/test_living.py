"""The lifecycles on a swarm of three living managers. No test breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.runtime import codec
from providers.swarm import membership
from providers.swarm.cluster import Cluster
from providers.swarm.errors import (
    ForeignSwarm,
    NotFound,
    SwarmError,
    WrongHostKey,
)
from providers.swarm.keypair import generate
from providers.swarm.member import Member, MemberOutputs
from providers.swarm.pool import Pool
from providers.swarm.provider import Swarm
from tests.provider.swarm.fleet import cluster_inputs, make_context, member_inputs
from tests.support.provider_client import serving, values

pytestmark = pytest.mark.containers


async def outputs_of(pool, formed):
    found = await Cluster(pool).read(
        make_context(),
        formed.cluster_id,
        cluster_inputs(formed.machines[0]),
        await _nothing_known(pool),
    )
    return found.outputs


async def _nothing_known(pool):
    return codec.decode(Cluster.Outputs, {})


async def test_three_managers_with_our_labels(pool, formed):
    nodes = await pool.request("GET", "/nodes")
    assert {node["ID"] for node in nodes} == set(formed.node_ids)
    assert all(membership.is_healthy(node) for node in nodes)
    names = {node["ID"]: membership.labels_of(node)[membership.NODE] for node in nodes}
    assert [names[id] for id in formed.node_ids] == [m.name for m in formed.machines]
    for machine, id in zip(formed.machines, formed.node_ids, strict=True):
        labels = membership.labels_of(next(node for node in nodes if node["ID"] == id))
        assert labels[membership.ADDRESS] == machine.address
        assert labels[membership.HOST_KEY] == machine.host_key


async def test_pools_are_set_at_init(pool):
    swarm = await pool.request("GET", "/swarm")
    assert swarm["DefaultAddrPool"] == ["10.96.0.0/12"]
    assert (swarm["SubnetSize"], swarm["DataPathPort"]) == (24, 4789)


async def test_another_host_key_is_refused(pool, formed):
    first, second, _ = formed.machines
    with pytest.raises(WrongHostKey, match=first.address):
        await pool.node(first.address, second.host_key).request("GET", "/info")


async def test_a_wrong_user_key_is_refused_without_showing_it(formed):
    wrong = generate().private_key
    pool = Pool(replace(formed.config, private_key=wrong))
    machine = formed.machines[0]
    with pytest.raises(SwarmError, match="refuses user 'ubuntu'") as caught:
        await pool.node(machine.address, machine.host_key).request("GET", "/info")
    assert wrong not in str(caught.value)
    await pool.close()


async def test_a_lost_connection_is_made_again(pool):
    engine = await pool.engine()
    engine._ssh.abort()
    await engine._ssh.wait_closed()
    assert await pool.request("GET", "/nodes")


async def test_a_refusal_keeps_its_kind(pool):
    with pytest.raises(NotFound, match="GET /services/none"):
        await pool.request("GET", "/services/none")


async def test_a_swarm_of_ours_is_adopted(pool, formed):
    founder = formed.machines[0]
    again = await Cluster(pool).create(make_context(), cluster_inputs(founder))
    assert again.id == formed.cluster_id
    member = await Member(pool).create(make_context(), member_inputs(founder, again.outputs))
    assert member.id == formed.node_ids[0]


async def test_a_swarm_of_others_is_refused(pool, formed):
    founder = cluster_inputs(formed.machines[0])
    with pytest.raises(ForeignSwarm, match=r"sophia\.cluster = 'sophia/prod/example'"):
        await Cluster(pool).create(make_context(stack="prod"), founder)


async def test_tokens_rotate_on_demand_only(pool, formed):
    cluster, inputs = Cluster(pool), cluster_inputs(formed.machines[0])
    before = await outputs_of(pool, formed)
    other_founder = cluster_inputs(formed.machines[1])
    same = await cluster.update(make_context(), formed.cluster_id, inputs, before, other_founder)
    assert same == before
    rotated = replace(inputs, token_generation="2")
    after = await cluster.update(make_context(), formed.cluster_id, inputs, before, rotated)
    assert after.cluster_id == formed.cluster_id
    assert after.worker_token != before.worker_token
    assert after.manager_token != before.manager_token


async def test_pools_of_a_swarm_that_exists_cant_change(pool, formed):
    inputs = cluster_inputs(formed.machines[0])
    with pytest.raises(SwarmError, match="address_pools is fixed"):
        await Cluster(pool).update(
            make_context(),
            formed.cluster_id,
            inputs,
            await outputs_of(pool, formed),
            replace(inputs, address_pools=["10.128.0.0/12"]),
        )


async def test_labels_and_availability_change_in_place(pool, formed):
    member, id, machine = Member(pool), formed.node_ids[2], formed.machines[2]
    plain = member_inputs(machine, await outputs_of(pool, formed))
    outputs = MemberOutputs(id, "ready")
    changed = replace(plain, labels={"tier": "primary"}, availability="drain")
    await member.update(make_context(), id, plain, outputs, changed)
    found = await member.read(make_context(), id, changed, outputs)
    assert found.inputs == changed
    by_hand = await pool.request("GET", f"/nodes/{id}")
    by_hand["Spec"]["Labels"]["tier"] = "other"
    version = {"version": str(by_hand["Version"]["Index"])}
    await pool.request("POST", f"/nodes/{id}/update", params=version, body=by_hand["Spec"])
    drift = await member.read(make_context(), id, changed, outputs)
    assert drift.inputs.labels == {"tier": "other"}
    await member.update(make_context(), id, changed, outputs, plain)
    found = await member.read(make_context(), id, plain, outputs)
    assert found.inputs == plain
    node = await pool.request("GET", f"/nodes/{id}")
    assert "tier" not in membership.labels_of(node)


async def test_an_unknown_member_is_gone(pool, formed):
    inputs = member_inputs(formed.machines[0], await outputs_of(pool, formed))
    gone = await Member(pool).read(make_context(), "0" * 25, inputs, MemberOutputs("0" * 25, ""))
    assert gone is None


async def test_a_node_that_another_member_took_over_stays(pool, formed):
    machine, id = formed.machines[0], formed.node_ids[0]
    former = member_inputs(machine, await outputs_of(pool, formed), instance_id="former")
    await Member(pool).delete(make_context(), id, former, MemberOutputs(id, "ready"))
    assert membership.is_healthy(await pool.request("GET", f"/nodes/{id}"))


async def test_over_grpc(formed):
    """The same through the engine's protocol: a refresh, with secrets marked."""
    manager = {"address": formed.machines[1].address, "hostKey": formed.machines[1].host_key}
    config = {
        "managers": [manager],
        "user": "ubuntu",
        "privateKey": codec.secret(formed.config.private_key),
    }
    inputs = codec.encode(cluster_inputs(formed.machines[0]))
    async with serving(Swarm(), config) as client:
        answer = await client.read("swarm:index:Cluster", formed.cluster_id, inputs, {})
        state = values(answer.properties)
        assert answer.id == formed.cluster_id
        assert state["status"] == "reachable"
        assert codec.is_secret(state["managerToken"])
        assert codec.is_secret(state["workerToken"])
        assert state["contacts"] == [manager]


async def test_a_machine_comes_and_goes(fleet, formed, pool):
    (machine,) = await fleet.start("dora")
    outputs = await outputs_of(pool, formed)
    worker = member_inputs(machine, outputs, role="worker")
    member, context = Member(pool), make_context("dora")

    foreign = pool.node(machine.address, machine.host_key)
    advertise = {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": machine.address}
    await foreign.request("POST", "/swarm/init", body=advertise)
    with pytest.raises(ForeignSwarm, match="is in another swarm"):
        await member.create(context, worker)
    await foreign.request("POST", "/swarm/leave", params={"force": "true"})
    joined = await member.create(context, worker)

    # It loses its entry, though the machine lives: it joins again, as another node.
    force = {"force": "true"}
    await pool.request("DELETE", f"/nodes/{joined.id}", params=force)
    again = await member.create(context, worker)
    assert again.id != joined.id

    manager = replace(worker, role="manager")
    await member.update(context, again.id, worker, again.outputs, manager)
    nodes = await pool.request("GET", "/nodes")
    assert len([node for node in nodes if membership.is_healthy(node)]) == 4

    await member.delete(context, again.id, manager, again.outputs)
    info = await foreign.request("GET", "/info")
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    ids = {node["ID"] for node in await pool.request("GET", "/nodes")}
    assert ids == set(formed.node_ids)
    fleet.remove(machine)
