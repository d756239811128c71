"""Helpers: nodes as containers, each with systemd, sshd and Docker, and a swarm of them."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from providers.runtime.declare import Context
from providers.swarm.cluster import Cluster, ClusterInputs, Founder
from providers.swarm.engine import Endpoint
from providers.swarm.errors import SwarmError
from providers.swarm.keypair import KeyPairOutputs, generate
from providers.swarm.member import Member, MemberInputs
from providers.swarm.node_setup import NodeSetupInputs, SetupFile
from providers.swarm.pool import Pool, SwarmConfig
from simulator import machines, network
from simulator.docker import docker

POOLS = ["10.96.0.0/12"]


@dataclass(frozen=True)
class Machine:
    """A running node. `container` is its name to the host's Docker."""

    name: str
    container: str
    address: str
    host_key: str

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address, self.host_key)


class Fleet:
    """Starts nodes on a separate network, and removes all of them."""

    def __init__(self) -> None:
        self.prefix = f"swarmtest-{uuid.uuid4().hex[:6]}"
        self.login: KeyPairOutputs = generate()
        self._subnet = network.ensure(f"{self.prefix}-net", self.prefix)
        self._made: list[str] = []

    async def start(self, *names: str) -> list[Machine]:
        """New nodes, ready: sshd and Docker answer. Each call gives new addresses."""
        nodes = [await asyncio.to_thread(self._start, name) for name in names]
        await self._ready(nodes)
        return nodes

    def kill(self, machine: Machine) -> None:
        machines.kill(machine.container)

    def remove(self, *nodes: Machine) -> None:
        self._remove([node.container for node in nodes])

    def config(self, *nodes: Machine, cluster_id: str = "") -> SwarmConfig:
        return SwarmConfig(
            managers=[machine.endpoint for machine in nodes],
            user="ubuntu",
            private_key=self.login.private_key,
            cluster_id=cluster_id,
        )

    def close(self) -> None:
        self._remove(self._made)
        subprocess.run(
            ["docker", "network", "rm", f"{self.prefix}-net"], check=True, capture_output=True
        )

    def _remove(self, containers: list[str]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(machines.remove, containers))

    def _start(self, name: str) -> Machine:
        host = generate()
        number = len(self._made)
        container = f"{self.prefix}-{number}-{name}"
        address = str(self._subnet[10 + number])
        key = host.private_key.replace("\n", "\n    ").rstrip()
        self._made.append(container)
        machines.start(
            machines.Node(
                container=container,
                hostname=name,
                network=f"{self.prefix}-net",
                ip=address,
                simulator=self.prefix,
                instance_id=container,
                user_data=(
                    "#cloud-config\nusers: [default]\nlocale: false\nssh_keys:\n"
                    f"  ed25519_private: |\n    {key}\n"
                    f"  ed25519_public: {host.public_key}\n"
                    "runcmd: [usermod -aG docker ubuntu]\n"
                ),
                public_keys=(self.login.public_key,),
            )
        )
        return Machine(name, container, address, host.public_key)

    async def _ready(self, nodes: list[Machine]) -> None:
        pool = Pool(self.config(*nodes))

        async def info(node: Machine) -> None:
            await pool.node(node.address, node.host_key).request("GET", "/info")

        try:
            looks = (eventually(lambda n=node: info(n), within=150.0) for node in nodes)
            await asyncio.gather(*looks)
        finally:
            await pool.close()


async def eventually(
    look: Callable[[], Awaitable[Any]],
    good: Callable[[Any], bool] = lambda _: True,
    within: float = 60.0,
) -> Any:
    """Polls until `look` answers without a SwarmError and `good` likes the answer."""
    deadline = time.monotonic() + within
    while True:
        try:
            seen = await look()
            if good(seen):
                return seen
        except SwarmError as error:
            seen = str(error)
        assert time.monotonic() < deadline, f"not within {within:.0f} s; last seen: {seen}"
        await asyncio.sleep(0.2)


def make_context(urn_name: str = "example", stack: str = "dev") -> Context:
    """A context whose progress lines and warnings end in `said(context)`."""
    lines: list[str] = []
    context = Context(
        urn=f"urn:pulumi:{stack}::sophia::swarm:index:Thing::{urn_name}",
        timeout=120.0,
        cancelled=asyncio.Event(),
        progress=lines.append,
        warn=lines.append,
    )
    _SAID[id(context)] = lines
    return context


_SAID: dict[int, list[str]] = {}


def said(context: Context) -> list[str]:
    """The lines shown to the user."""
    return _SAID[id(context)]


@dataclass(frozen=True)
class Formed:
    """A swarm with managers `machines`, made by the lifecycles themselves."""

    fleet: Fleet
    machines: list[Machine]
    config: SwarmConfig
    cluster_id: str
    node_ids: list[str]


def cluster_inputs(founder: Machine, **changes: Any) -> ClusterInputs:
    place = Founder(founder.address, founder.host_key, founder.address)
    return replace(ClusterInputs(founder=place, address_pools=POOLS, subnet_size=24), **changes)


def member_inputs(machine: Machine, cluster: Any, **changes: Any) -> MemberInputs:
    inputs = MemberInputs(
        node_name=machine.name,
        address=machine.address,
        host_key=machine.host_key,
        advertise_address=machine.address,
        instance_id=machine.container,
        role="manager",
        cluster_id=cluster.cluster_id,
        manager_token=cluster.manager_token,
        worker_token=cluster.worker_token,
    )
    return replace(inputs, **changes)


async def form(pool: Pool, nodes: list[Machine]) -> tuple[Any, list[str]]:
    """The cluster's outputs and the members' ids, one member after another."""
    created = await Cluster(pool).create(make_context(), cluster_inputs(nodes[0]))
    ids = []
    for machine in nodes:
        inputs = member_inputs(machine, created.outputs)
        member = await Member(pool).create(make_context(machine.name), inputs)
        ids.append(member.id)
    return created.outputs, ids


def setup_of(machine: Machine, fleet: Fleet, *files: SetupFile, **changes: Any) -> NodeSetupInputs:
    """A setup of these files, with the fleet's login."""
    inputs = NodeSetupInputs(
        node=machine.name,
        instance_id=machine.container,
        address=machine.address,
        host_key=machine.host_key,
        user="ubuntu",
        authorized_keys=[fleet.login.public_key],
        files=[*files],
    )
    return replace(inputs, **changes)


def on(machine: Machine, *command: str) -> str:
    """A command's output on a machine."""
    return docker("exec", machine.container, *command).strip()


def started(machine: Machine) -> str:
    """When its Docker started last."""
    return on(machine, "systemctl", "show", "docker", "-p", "ExecMainStartTimestampMonotonic")
