"""A node that is down fails only what needs it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from providers.runtime.declare import Cancelled, Context
from providers.swarm import entry, joining
from providers.swarm import member as member_module
from providers.swarm.entry import Entry
from providers.swarm.errors import NotSettled
from providers.swarm.joining import Joiner
from providers.swarm.member import Member, MemberInputs, MemberOutputs

INPUTS = MemberInputs("gpu-1", "192.0.2.1", "key", "198.51.100.1", "i", "ours", "t", "t")
DOWN = MemberOutputs("n", "down")


def node(state, role="worker", address="198.51.100.1", **labels):
    return {
        "ID": "n",
        "Version": {"Index": 1},
        "Status": {"State": state, "Addr": address},
        "Spec": {"Role": role, "Availability": "active", "Labels": labels},
    }


class Swarm:
    """One node with its state; it keeps what is written."""

    def __init__(self, *looks):
        self.looks, self.deleted = list(looks), []
        self.turn, self.joins = asyncio.Lock(), asyncio.Semaphore(2)

    def node(self, address, host_key):
        return address

    async def request(self, method, path, *, body=None, **options):
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if method == "POST":
            self.looks = [look | {"Spec": body}]
        if method == "DELETE":
            self.deleted.append(path)
        return [look] if path == "/nodes" else look


@pytest.fixture
def context(monkeypatch):
    monkeypatch.setattr(member_module, "_RETURN", 0.05)
    monkeypatch.setattr(entry, "_LOOK", 0.02)
    monkeypatch.setattr(joining, "_LOOK", 0.02)
    lines = []
    return Context("urn:pulumi:dev::sophia::t::n", 0.5, asyncio.Event(), print, lines.append)


async def test_a_node_that_stays_down_is_told_and_blocks_nobody(context):
    labelled = replace(INPUTS, labels={"tier": "primary"})
    swarm = Swarm(node("down"))
    assert await Member(swarm).update(context, "n", INPUTS, DOWN, labelled) == DOWN
    assert swarm.looks[0]["Spec"]["Labels"]["tier"] == "primary", "what can be changed is"
    (said,) = context.warn.__self__
    assert said.startswith("continuing without node gpu-1: node gpu-1 (n) is not ready")


async def test_a_change_that_needs_the_node_fails(context):
    manager = replace(INPUTS, role="manager")
    with pytest.raises(NotSettled):
        await Member(Swarm(node("down"))).update(context, "n", INPUTS, DOWN, manager)


async def test_a_node_that_lost_its_state_in_this_run_fails(context):
    ready = MemberOutputs("n", "ready")
    with pytest.raises(NotSettled):
        await Member(Swarm(node("down"))).update(context, "n", INPUTS, ready, INPUTS)


def set_to(availability, **labels):
    one = node("ready", **labels)
    return one | {"Spec": one["Spec"] | {"Availability": availability}}


@pytest.mark.parametrize("availability", ["drain", "pause"])
async def test_a_node_that_a_person_takes_out_of_service_stays_so_and_is_told(
    context, availability
):
    swarm, ready = (
        Swarm(set_to(availability, **{"sophia.node": "gpu-1"})),
        MemberOutputs("n", "ready"),
    )
    found = await Member(swarm).read(context, "n", INPUTS, ready)
    assert found.inputs == INPUTS, "no difference"
    (said,) = context.warn.__self__
    assert said.startswith(f"node gpu-1 is set to {availability} by hand")
    assert "docker node update --availability active n" in said
    labelled = replace(INPUTS, labels={"tier": "primary"})
    await Member(swarm).update(context, "n", INPUTS, ready, labelled)
    assert swarm.looks[0]["Spec"]["Availability"] == availability
    assert swarm.looks[0]["Spec"]["Labels"]["tier"] == "primary"


async def test_a_node_that_an_interrupted_run_took_out_of_service_comes_back(context):
    swarm = Swarm(set_to("drain", **{"sophia.node": "gpu-1", "sophia.drained": "active"}))
    ready = MemberOutputs("n", "ready")
    found = await Member(swarm).read(context, "n", INPUTS, ready)
    assert found.inputs.availability == "drain", "a difference"
    assert context.warn.__self__ == []
    await Member(swarm).update(context, "n", found.inputs, ready, INPUTS)
    assert swarm.looks[0]["Spec"]["Availability"] == "active"
    assert "sophia.drained" not in swarm.looks[0]["Spec"]["Labels"]


async def test_what_the_program_asks_for_is_enforced(context):
    swarm, ready = Swarm(set_to("active", **{"sophia.node": "gpu-1"})), MemberOutputs("n", "ready")
    drained = replace(INPUTS, availability="drain")
    found = await Member(swarm).read(context, "n", drained, ready)
    assert found.inputs.availability == "active"
    await Member(swarm).update(context, "n", found.inputs, ready, drained)
    assert swarm.looks[0]["Spec"]["Availability"] == "drain"
    await Member(swarm).update(context, "n", drained, ready, INPUTS)
    assert swarm.looks[0]["Spec"]["Availability"] == "active"


JOINER = Joiner("gpu-2", frozenset({"198.51.100.1"}), "198.51.100.1", "token", "active")


async def test_a_living_node_keeps_its_address(context, monkeypatch):
    """Private addresses repeat between regions; evicting it would end a healthy node's tasks."""
    monkeypatch.setattr(joining, "SETTLE", 0.05)
    swarm = Swarm(node("ready"))
    with pytest.raises(NotSettled, match=r"gpu-2 can't join as 198\.51\.100\.1: the living node n"):
        await joining._room(context, swarm, "ours", JOINER)
    assert swarm.deleted == []


async def test_a_node_whose_machine_is_gone_gives_its_address_free(context):
    swarm = Swarm(node("ready"), node("ready"), node("down"))

    async def gone(method, path, **options):
        answer = await Swarm.request(swarm, method, path, **options)
        return [] if swarm.deleted and path == "/nodes" else answer

    swarm.request = gone
    await joining._room(context, swarm, "ours", JOINER)
    assert swarm.deleted == ["/nodes/n"]


class Crowd:
    """Counts how many are inside at once, at most."""

    def __init__(self):
        self.inside = self.most = 0

    async def __call__(self, *arguments):
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.01)
        self.inside -= 1
        return "n"


async def test_workers_join_a_few_at_a_time(context, monkeypatch):
    crowd = Crowd()
    monkeypatch.setattr(member_module, "join", crowd)
    member = Member(Swarm(node("ready")))
    made = await asyncio.gather(*(member.create(context, INPUTS) for _ in range(5)))
    assert [one.id for one in made] == ["n"] * 5
    assert crowd.most == 2


async def test_nodes_leave_and_change_their_role_one_at_a_time(context, monkeypatch):
    """Two that leave together may have both replicas of a service."""
    crowd = Crowd()
    monkeypatch.setattr(member_module.departure, "depart", crowd)
    monkeypatch.setattr(Entry, "settle", crowd)
    member, ready = Member(Swarm(node("ready"))), MemberOutputs("n", "ready")
    manager = replace(INPUTS, role="manager")
    await asyncio.gather(
        *(member.delete(context, "n", INPUTS, ready) for _ in range(3)),
        *(member.update(context, "n", manager, ready, INPUTS) for _ in range(3)),
    )
    assert crowd.most == 1
    labelled = replace(INPUTS, labels={"tier": "primary"})
    await asyncio.gather(
        *(member.update(context, "n", INPUTS, ready, labelled) for _ in range(3)),
    )
    assert crowd.most == 3, "others don't wait"


async def test_who_waits_to_leave_stays_when_the_user_interrupts(context, monkeypatch):
    left = []

    async def interrupted(context, *arguments):
        left.append(context)
        context.cancelled.set()
        await context.sleep(10)

    monkeypatch.setattr(member_module.departure, "depart", interrupted)
    member, ready = Member(Swarm(node("ready"))), MemberOutputs("n", "ready")
    ends = await asyncio.gather(
        *(member.delete(context, "n", INPUTS, ready) for _ in range(2)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [Cancelled, Cancelled]
    assert len(left) == 1
