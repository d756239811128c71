"""Which manager is removed first so that another one may leave."""

from __future__ import annotations

import asyncio

import pytest

from providers.runtime.declare import Context
from providers.swarm import departure
from providers.swarm.entry import Entry
from tests.unit.swarm.test_membership import node

LOST = node("b", state="down", seat="unreachable")
BACK = node("b")
WORKER = node("b", state="down", seat=None)


class Swarm:
    """Managers `a`, `b` and `c`; `b` is as `looks` says, look by look."""

    def __init__(self, *looks):
        self.looks, self.deleted = list(looks), []

    async def request(self, method, path, *, body=None, **options):
        if method == "DELETE":
            self.deleted.append(path)
            self.looks = [None]
        other = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if path == "/nodes":
            return [node("a"), node("c"), *([other] if other else [])]
        shown = other or WORKER
        spec = {**shown["Spec"], "Role": "worker"}
        return {**shown, "Spec": spec, "ManagerStatus": None, "Version": {"Index": 1}}


@pytest.fixture
def context(monkeypatch):
    monkeypatch.setattr(departure, "_REBOOT", 0.2)
    monkeypatch.setattr(departure, "_LOOK", 0.02)
    return Context("urn:pulumi:dev::sophia::t::n", 5.0, asyncio.Event(), print, print)


async def test_a_manager_that_only_boots_keeps_its_seat(context):
    swarm = Swarm(LOST, LOST, LOST, BACK)
    await departure._make_room(context, Entry(swarm, "ours", "a", "a"))
    assert swarm.deleted == []


async def test_a_manager_that_stays_lost_gives_it_up(context):
    swarm = Swarm(LOST)
    await departure._make_room(context, Entry(swarm, "ours", "a", "a"))
    assert swarm.deleted == ["/nodes/b"]
