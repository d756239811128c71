"""`Network`, `Secret` and `Config` on a real Swarm."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.swarm import network as network_module
from providers.swarm.config import Config, ConfigInputs
from providers.swarm.errors import NotSettled, SwarmError
from providers.swarm.network import Network, NetworkInputs
from providers.swarm.pool import Pool
from providers.swarm.secret import Secret, SecretInputs

pytestmark = [pytest.mark.containers, pytest.mark.slow]

KINDS = [
    pytest.param(Secret, SecretInputs, "secret", id="secret"),
    pytest.param(Config, ConfigInputs, "config", id="config"),
]


@pytest.mark.parametrize(("kind", "inputs", "noun"), KINDS)
async def test_content_over_its_life(
    kind: Any, inputs: Any, noun: str, pool: Pool, told: Any, tell: Any, swarm: Any
) -> None:
    context = told.context
    first = inputs(f"life-{noun}", "ä: 1\n", {"team": "blue"})
    made = await kind(pool).create(context, first)
    name = getattr(made.outputs, f"{noun}_name")
    shown = json.loads(swarm.docker(noun, "inspect", name))[0]
    assert shown["ID"] == made.id
    assert shown["Spec"]["Labels"]["team"] == "blue"

    assert (await kind(pool).create(context, first)) == made, "a repeated create adopts it"
    with pytest.raises(SwarmError, match=rf"{noun} {name} exists already"):
        await kind(pool).create(tell("other").context, first)

    new = inputs(first.name_prefix, first.data, {"team": "red"})
    await kind(pool).update(context, made.id, first, made.outputs, new)
    found = await kind(pool).read(context, made.id, first, made.outputs)
    assert found.inputs == new, "the live labels, which are drift to the recorded ones"

    other = await kind(pool).create(context, inputs(first.name_prefix, "ä: 2\n"))
    assert other.id != made.id
    for one in (made, other, made):
        await kind(pool).delete(context, one.id, first, one.outputs)
    assert await kind(pool).read(context, made.id, first, made.outputs) is None


@pytest.fixture
async def network(pool: Pool, told: Any) -> AsyncIterator[Any]:
    inputs = NetworkInputs("life-network", mtu=1400, labels={"team": "blue"})
    made = await Network(pool).create(told.context, inputs)
    yield made
    await Network(pool).delete(told.context, made.id, inputs, made.outputs)


async def test_network_is_an_overlay_and_is_adopted(
    network: Any, pool: Pool, told: Any, tell: Any, swarm: Any
) -> None:
    shown = json.loads(swarm.docker("network", "inspect", network.outputs.network_name))[0]
    assert (shown["Driver"], shown["Scope"], shown["Attachable"]) == ("overlay", "swarm", False)
    assert shown["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert shown["Labels"]["team"] == "blue"
    inputs = NetworkInputs("life-network", mtu=1400, labels={"team": "blue"})
    assert await Network(pool).create(told.context, inputs) == network
    with pytest.raises(SwarmError, match=r"network life-network-\w{10} exists already"):
        await Network(pool).create(tell("other").context, inputs)
    assert await Network(pool).read(told.context, network.id, inputs, network.outputs)


async def test_a_network_in_use_names_its_services(
    network: Any, pool: Pool, told: Any, swarm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_module, "_RELEASE", 1.0)
    options = ("--detach", "--name", "user", "--endpoint-mode", "dnsrr", "--no-resolve-image")
    image = "127.0.0.1:9/sophia-swarm-test:1"
    swarm.docker(
        *("service", "create", *options, "--network", network.outputs.network_name),
        *(image, "/bin/sleep", "100"),
    )
    with pytest.raises(NotSettled, match=r"still in use by user: "):
        await Network(pool).delete(told.context, network.id, NetworkInputs(""), network.outputs)
    monkeypatch.undo()
    swarm.docker("service", "rm", "user")
    # The fixture's own delete now meets tasks that are just going.
