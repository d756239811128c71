"""Who reaches whom on a real Swarm's networks, asked inside the containers' own namespaces."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from components.plan import networks as plan
from providers.swarm.network import Network, NetworkInputs
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from simulator.docker import docker
from tests.provider.swarm.services.samples import service
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
    """A node command's output in the network namespace of a service's only task."""
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


MEET = f"""
echo nameserver 127.0.0.11 >/run/resolver
mount --bind /run/resolver /etc/resolv.conf
exec python3 -c '{CONNECT}' tasks.trust-server
"""


async def test_services_that_take_other_networks_one_after_the_other_meet_all_the_while(
    swarm: Any, pool: Pool, tell: Any
) -> None:
    """Two runs in which first the server and then its client is updated, as `pulumi up` does."""
    wanted = service("trust-server"), service("trust-client")
    made: dict[str, Any] = {}
    running: list[Any] = []
    known: tuple[plan.Layout, ...] = ()
    former: tuple[str, ...] = ()
    for mtu in (1400, 1300, 1300):
        known = plan.layouts(False, mtu, known)
        for layout in known:
            inputs = NetworkInputs(f"trust-{layout.name(plan.EDGE)}", mtu=layout.mtu)
            if layout.name(plan.EDGE) not in made:
                network = await Network(pool).create(tell().context, inputs)
                made[layout.name(plan.EDGE)] = (inputs, network)
        former = plan.attached((plan.EDGE,), known, former)
        ids = [made[name][1].id for name in former]
        for place, plain in enumerate(wanted):
            now = dataclasses.replace(plain, networks=ids)
            context = tell(plain.name).context
            if len(running) <= place:
                one = await Service(pool).create(context, now)
                running.append((now, one.id, one.outputs))
            else:
                was, id, outputs = running[place]
                new = await Service(pool).update(context, id, was, outputs, now)
                running[place] = (now, id, new)
            if len(running) == len(wanted):
                await asyncio.to_thread(
                    until,
                    lambda: inside(swarm, "client", "unshare", "--mount", "sh", "-c", MEET),
                    lambda said: said == "reached",
                    f"the client reaches the server by name, {plain.name} is on {former}",
                    10,
                )
    assert former == ("services-2",)
    for now, id, outputs in running:
        await Service(pool).delete(tell(now.name).context, id, now, outputs)
    for inputs, network in made.values():
        await Network(pool).delete(tell().context, network.id, inputs, network.outputs)
