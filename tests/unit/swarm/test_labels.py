"""An object's owner doesn't depend on its resource's place in the program.

Objects of the first version carry a hash of the urn: none is disowned, no container restarted.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from typing import Any

import pytest

from providers.runtime.declare import Context
from providers.swarm import labels, network
from providers.swarm.errors import Conflict, SwarmError
from providers.swarm.network import NetworkInputs
from providers.swarm.service import Service
from providers.swarm.services.comparison import differences
from providers.swarm.services.model import ServiceInputs, ServiceOutputs, Update
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import render
from tests.unit.swarm.services.test_health import NOW, TASK

URN = "urn:pulumi:dev::sophia::swarm:index:Service::web"
MOVED = "urn:pulumi:dev::sophia::sophia:index:Tools$swarm:index:Service::renamed"
WEB = ServiceInputs(name="web", image="web@sha256:1", update=Update(monitor_s=0.1))


def first_version(inputs: ServiceInputs, urn: str) -> dict[str, Any]:
    """As the first version wrote it; the hash was recorded from it."""
    spec = copy.deepcopy(render(inputs, urn))
    former = labels.former_owner(urn)
    spec["Labels"] = inputs.labels | {"sophia.urn": former}
    spec["TaskTemplate"]["ContainerSpec"]["Labels"]["sophia.urn"] = former
    return spec


def test_the_hash_of_the_first_version() -> None:
    assert labels.former_owner(URN) == "da3f6537dc0121b7"


def test_a_moved_resource_has_the_same_spec_and_the_same_network() -> None:
    assert render(WEB, MOVED) == render(WEB, URN)
    inputs = NetworkInputs("n")
    assert network.render(inputs, MOVED) == network.render(inputs, URN)


@pytest.mark.parametrize("urn", [URN, MOVED])
def test_an_object_of_the_first_version_is_as_wanted(urn: str) -> None:
    live = first_version(WEB, URN)
    assert differences(render(WEB, urn), live) == []
    live["Labels"]["added"] = "by hand"
    assert differences(render(WEB, urn), live) == ["Labels.added"]


def test_an_owner_that_was_changed_by_hand_is_a_difference() -> None:
    live = render(WEB, URN)
    live["Labels"]["sophia.owner"] = "sophia/prod/web"
    assert differences(render(WEB, URN), live) == ["Labels.sophia.owner"]


@pytest.mark.parametrize(
    ("carried", "own"),
    [
        ({"sophia.owner": "sophia/dev/web"}, True),
        ({"sophia.owner": "sophia/prod/web"}, False),
        ({"sophia.urn": labels.former_owner(URN)}, True),
        ({"sophia.urn": labels.former_owner(MOVED)}, False),
        ({"sophia.owner": "a/b/c", "sophia.urn": labels.former_owner(URN)}, False),
        ({}, False),
    ],
)
def test_whose_it_is(carried: dict[str, str], own: bool) -> None:
    assert labels.is_own(carried, URN, "web") is own


class Swarm:
    """One service of the first version, healthy; posting a spec makes its tasks of it."""

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}
        self.spec = first_version(WEB, URN)

    async def now(self, context: Any = None) -> float:
        return NOW

    async def request(self, method: str, path: str, *, body: Any = None, **options: Any) -> Any:
        if method == "POST":
            if path.endswith("/create"):
                raise Conflict("there", 409, "name conflicts with an existing object")
            self.spec = body
        if path == "/services":
            return [{"ID": "s", "Spec": self.spec}]
        if path.startswith("/services"):
            return {"ID": "s", "Spec": self.spec, "Version": {"Index": 1}}
        container = self.spec["TaskTemplate"]["ContainerSpec"]
        task = TASK | {"Status": {"State": "running"}, "Spec": {"ContainerSpec": container}}
        count = self.spec["Mode"]["Replicated"]["Replicas"]
        return [task | {"ID": f"t{slot}", "Slot": slot} for slot in range(count)]


@pytest.mark.parametrize(
    ("change", "stays"),
    [({"replicas": 2}, True), ({"labels": {"a": "b"}}, True), ({"env": {"A": "1"}}, False)],
)
async def test_the_former_label_goes_with_the_first_change_that_starts_new_tasks(
    change: dict[str, Any], stays: bool
) -> None:
    swarm: Any = Swarm()
    new = dataclasses.replace(WEB, **change)
    context = Context(MOVED, 5.0, asyncio.Event(), print, print)
    recorded = ServiceOutputs("s", "tasks.web", "", proven=True)
    lifecycle = Service(swarm, Patience(settle=0.0))
    await lifecycle.update(context, "s", WEB, recorded, new)
    container = swarm.spec["TaskTemplate"]["ContainerSpec"]
    assert ("sophia.urn" in container["Labels"]) is stays
    assert swarm.spec["Labels"]["sophia.owner"] == "sophia/dev/web"
    assert "sophia.urn" not in swarm.spec["Labels"]
    found = await lifecycle.read(context, "s", new, recorded)
    assert found is not None
    assert (found.inputs, found.outputs.condition) == (new, "")


async def test_two_resources_of_one_program_cant_have_one_object() -> None:
    swarm: Any = Swarm()
    swarm.spec = render(WEB, URN)
    first, second = (Context(urn, 5.0, asyncio.Event(), print, print) for urn in (URN, MOVED))
    lifecycle = Service(swarm, Patience(settle=0.0))
    assert (await lifecycle.create(first, WEB)).id == "s", "what a killed run left is adopted"
    with pytest.raises(SwarmError, match=r"service web exists already, .*Service::web: choose"):
        await lifecycle.create(second, WEB)
