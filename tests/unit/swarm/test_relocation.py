"""What has to run elsewhere when a node leaves, and whether it does."""

from __future__ import annotations

import asyncio

import pytest

from providers.runtime.declare import Context
from providers.swarm import departure, entry, relocation
from providers.swarm.errors import NotSettled

NAMES = {"s": "web"}
UNMET = "no suitable node (scheduling constraints not satisfied on 2 nodes)"
FULL = "no suitable node (insufficient resources on 2 nodes)"


def task(node="going", state="running", *, slot=1, desired="running", err="", service="s", at="1"):
    return {
        "ServiceID": service,
        "Slot": slot,
        "NodeID": node,
        "DesiredState": desired,
        "CreatedAt": at,
        "Status": {"State": state, "Err": err},
    }


def test_running_replicas_move_and_tasks_of_global_services_end():
    here = [task(), task(slot=2, state="failed"), task(slot=3, desired="shutdown")]
    everywhere = task()
    del everywhere["Slot"]
    assert relocation.displaced([*here, everywhere]) == {("s", 1)}


@pytest.mark.parametrize(
    ("now", "missing"),
    [
        ([task()], "web.1 is running"),
        ([task(desired="shutdown"), task("other", "starting", at="2")], "web.1 is starting"),
        ([task("other")], None),
        ([task("other", slot=2), task("", "pending", err=UNMET)], f"web.1 is pending: {UNMET}"),
        ([task("other", "ready", desired="ready")], "web.1 is ready"),
        ([task(desired="remove")], None),
        ([], None),
    ],
    ids=["still here", "starts", "moved", "no node", "restarts", "scaled down", "service gone"],
)
def test_what_is_missing_elsewhere(now, missing):
    found = relocation.missing({("s", 1)}, now, "going", NAMES)
    assert found.get(("s", 1)) == missing


def test_a_node_that_is_full_now_is_no_final_reason():
    assert relocation.is_final(UNMET)
    assert not relocation.is_final(FULL)


class Entry:
    """A node's entry in a swarm whose tasks are `moved` once it drains."""

    id, node_name = "going", "gpu-1"

    def __init__(self, moved, availability="active"):
        self.moved = list(moved)
        self.spec = {"Availability": availability}
        self.written = []

    async def read(self, context):
        return {"Spec": self.spec}

    async def tasks(self, context):
        return [each for each in await self.every_task(context) if each["NodeID"] == self.id]

    running = entry.Entry.running

    async def every_task(self, context):
        if not self.written:
            return [task()]
        return self.moved.pop(0) if len(self.moved) > 1 else self.moved[0]

    async def service_names(self, context):
        return NAMES

    async def write(self, context, change):
        self.spec = change(self.spec)
        self.written.append(self.spec["Availability"])


@pytest.fixture
def context(monkeypatch):
    monkeypatch.setattr(departure, "_HOMELESS", 0.05)
    monkeypatch.setattr(departure, "_LOOK", 0.01)
    return Context("urn:pulumi:dev::sophia::t::n", 0.3, asyncio.Event(), lambda _: None, print)


async def test_a_node_leaves_when_its_tasks_run_elsewhere(context):
    starting = [task(desired="shutdown", state="shutdown"), task("other", "starting", at="2")]
    entry = Entry([[task()], starting, starting, [task("other")]])
    await departure._drain(context, entry)
    assert entry.moved == [[task("other")]]
    assert entry.written == ["drain"]


async def test_a_node_waits_for_tasks_that_still_run_on_it(context):
    ending = [task(desired="shutdown"), task("other", at="2")]
    entry = Entry([ending, ending, ending, [task("other")]])
    await departure._drain(context, entry)
    assert entry.moved == [[task("other")]]


@pytest.mark.parametrize("err", [UNMET, FULL])
@pytest.mark.parametrize("availability", ["active", "pause"])
async def test_a_node_whose_tasks_fit_nowhere_stays_as_it_was(context, err, availability):
    entry = Entry([[task("", "pending", err=err)]], availability)
    with pytest.raises(NotSettled, match=r"node gpu-1 stays, .*web\.1 is pending: no suitable"):
        await departure._drain(context, entry)
    assert entry.written == ["drain", availability]
