"""Who reaches whom on a real Swarm's networks, asked inside the containers' own namespaces."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.swarm.network import Network, NetworkInputs
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from simulator.docker import docker
from tests.provider.swarm_services.samples import service
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 5432), 2)
except ConnectionRefusedError:
    print("reached")
except OSError as error:
    print(error)
"""


@pytest.fixture
async def networks(pool: Pool, told: Any) -> AsyncIterator[dict[str, str]]:
    """The ids of two networks, of which `data` is internal."""
    wanted = {
        "edge": NetworkInputs("trust-edge"),
        "data": NetworkInputs("trust-data", internal=True),
    }
    made = {name: await Network(pool).create(told.context, one) for name, one in wanted.items()}
    yield {name: one.id for name, one in made.items()}
    for name, one in made.items():
        await Network(pool).delete(told.context, one.id, wanted[name], one.outputs)


@pytest.fixture
async def running(pool: Pool, tell: Any, networks: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    """Three services: inputs and what was created, by name."""
    placed = {"database": ["data"], "client": ["edge", "data"], "other": ["edge"]}
    wanted = {
        name: service(f"trust-{name}", networks=[networks[one] for one in names])
        for name, names in placed.items()
    }
    made = await asyncio.gather(
        *(Service(pool).create(tell(name).context, one) for name, one in wanted.items())
    )
    yield dict(zip(wanted, zip(wanted.values(), made, strict=True), strict=True))
    for (name, inputs), one in zip(wanted.items(), made, strict=True):
        await Service(pool).delete(tell(name).context, one.id, inputs, one.outputs)


def inside(swarm: Any, name: str, *command: str) -> str:
    """What a command of the node's says in the network namespace of a service's only task."""
    for node in (swarm.manager, swarm.worker):
        listed = swarm.docker("ps", "-q", "--filter", f"name=trust-{name}.", node=node).split()
        if listed:
            pid = swarm.docker("inspect", "--format", "{{.State.Pid}}", listed[0], node=node)
            return docker("exec", node, "nsenter", "--target", pid.strip(), "--net", *command)
    raise AssertionError(f"trust-{name} runs nowhere")


def address(swarm: Any, name: str) -> str:
    """Of a service's only task, on its first network."""
    shown = json.loads(inside(swarm, name, "ip", "-json", "-4", "address", "show", "eth0"))
    return str(shown[0]["addr_info"][0]["local"])


async def test_only_those_on_its_network_reach_a_service_and_it_has_no_way_out(
    swarm: Any, running: dict[str, Any], networks: dict[str, str], pool: Pool, tell: Any
) -> None:
    database = address(swarm, "database")
    assert inside(swarm, "client", "python3", "-c", CONNECT, database).strip() == "reached"
    assert inside(swarm, "other", "python3", "-c", CONNECT, database).strip() != "reached"
    assert inside(swarm, "database", "ip", "-4", "route", "show", "default") == ""
    assert inside(swarm, "other", "ip", "-4", "route", "show", "default") != ""

    inputs, made = running["other"]
    both = dataclasses.replace(inputs, networks=[*inputs.networks, networks["data"]])
    await Service(pool).update(tell("other").context, made.id, inputs, made.outputs, both)
    # The former task may still be there for a moment.
    await asyncio.to_thread(
        until,
        lambda: inside(swarm, "other", "python3", "-c", CONNECT, database).strip(),
        lambda said: said == "reached",
        "the new network",
    )
    assert address(swarm, "database") == database, "nothing else was touched"
