"""A real Swarm for these tests: a manager and a worker as node containers, and a 3 MB image."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import asyncssh
import pytest

from providers.runtime.declare import Context
from providers.swarm.engine import Endpoint
from providers.swarm.pool import Pool, SwarmConfig
from simulator import machines, network, node_image
from simulator.docker import docker
from tests.provider.swarm.services.samples import load_image


@dataclass(frozen=True)
class Lab:
    """manager, worker: container names, and hostnames in the Swarm."""

    manager: str
    worker: str
    config: SwarmConfig

    def docker(self, *arguments: str, node: str | None = None) -> str:
        """What `docker …` says on a node (default: the manager)."""
        return docker("exec", node or self.manager, "docker", *arguments)


@contextlib.contextmanager
def lab(prefix: str) -> Iterator[Lab]:
    image = node_image.ensure(lambda line: None)
    user, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    names = [f"{prefix}-manager", f"{prefix}-worker"]
    try:
        subnet = network.ensure(prefix, prefix)
        for index, name in enumerate(names):
            machines.start(
                machines.Node(
                    container=name,
                    hostname=name,
                    network=prefix,
                    ip=str(subnet[10 + index]),
                    simulator=prefix,
                    instance_id=name,
                    user_data=_cloud_config(host),
                    public_keys=(user.export_public_key().decode(),),
                )
            )
        for name in names:
            _eventually(name, "docker info")
        load_image(image, names)
        manager, address = names[0], str(subnet[10])
        _eventually(manager, "cloud-init status --wait")
        # A short heartbeat: a lost node is noticed within a few seconds.
        swarm_init = ("swarm", "init", "--dispatcher-heartbeat", "1s", "--advertise-addr", address)
        docker("exec", manager, "docker", *swarm_init)
        token = docker("exec", manager, "docker", "swarm", "join-token", "-q", "worker")
        _eventually(names[1], f"docker swarm join --token {token} {address}:2377")
        host_key = host.export_public_key().decode().strip()
        for index, name in enumerate(names):
            labels = [f"tier={index}", f"sophia.address={subnet[10 + index]}"]
            labels.append(f"sophia.host-key={host_key}")
            options = [option for label in labels for option in ("--label-add", label)]
            docker("exec", manager, "docker", "node", "update", *options, name)
        endpoint = Endpoint(address, host_key)
        key = user.export_private_key().decode()
        yield Lab(manager, names[1], SwarmConfig([endpoint], "ubuntu", key))
    finally:
        for name in names:
            machines.remove(name)
        docker("network", "rm", prefix)


@pytest.fixture(scope="session")
def swarm() -> Iterator[Lab]:
    with lab(f"svctest-{uuid.uuid4().hex[:6]}") as made:
        yield made


@pytest.fixture
async def pool(swarm: Lab) -> Iterator[Pool]:
    opened = Pool(swarm.config)
    yield opened
    await opened.close()


@dataclass
class Told:
    """A Context for operations, and the messages that it got."""

    context: Context
    progress: list[str]
    warnings: list[str]


@pytest.fixture(scope="session")
def tell() -> Callable[..., Told]:
    return _tell


@pytest.fixture
def told() -> Told:
    return _tell()


def _tell(logical_name: str = "it", seconds: float = 60.0) -> Told:
    progress: list[str] = []
    warnings: list[str] = []
    urn = f"urn:pulumi:dev::sophia::swarm:index:Service::{logical_name}"
    cancelled = asyncio.Event()
    context = Context(urn, seconds, cancelled, progress.append, warnings.append)
    return Told(context, progress, warnings)


def _cloud_config(host: asyncssh.SSHKey) -> str:
    private = host.export_private_key().decode().replace("\n", "\n    ")
    return f"""#cloud-config
users: [default]
ssh_keys:
  ed25519_private: |
    {private}
  ed25519_public: {host.export_public_key().decode().strip()}
runcmd:
  - usermod -aG docker ubuntu
"""


def _eventually(node: str, command: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(
            ["docker", "exec", node, "sh", "-c", command], capture_output=True, text=True
        )
        if done.returncode in (0, 2) and not done.stderr.startswith("Error"):
            return
        if time.monotonic() > deadline:
            pytest.fail(f"{node}: `{command}` fails after {seconds} s: {done.stderr[-300:]}")
        time.sleep(0.3)
