"""Resources against the simulated cloud over real HTTP, at a pace for tests."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import pytest

from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import Rule
from providers.lambdalabs.pacer import Pacer
from providers.lambdalabs.rulesets import GLOBAL
from providers.runtime.declare import Context
from simulator import cloud as simulator

SSH_FROM_ANYWHERE = Rule("tcp", (22, 22), ipaddress.IPv4Network("0.0.0.0/0"), "ssh")


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory, monkeypatch):
    """Where processes share their pace: not with those of this machine's user."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory):
    with simulator.running(tmp_path_factory.mktemp("cloud"), boot_seconds=0.0) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared_cloud):
    """A cloud whose machines are up at once, and empty: the one of all tests is swept."""
    client = LambdaClient(shared_cloud.url, shared_cloud.api_key)
    deadline = time.monotonic() + 5
    while machines := client.machines():
        for machine in machines:
            if machine.status != "terminating":
                client.terminate(machine.id)
        assert time.monotonic() < deadline, f"still there: {machines}"
    for key in client.ssh_keys():
        client.delete_ssh_key(key.id)
    for ruleset in client.rulesets():
        client.delete_ruleset(ruleset.id)
    client.change_ruleset(GLOBAL, [SSH_FROM_ANYWHERE])
    shared_cloud.control("DELETE", "/faults")
    shared_cloud.control("DELETE", "/calls")
    return shared_cloud


@pytest.fixture
def account(cloud):
    return Account(
        LambdaClient(cloud.url, cloud.api_key),
        Pacer(1000.0, 0.0),
        patience=5.0,
        poll_seconds=0.02,
        search_seconds=0.2,
        max_age=0.0,
    )


@dataclass
class Told:
    """The messages of an operation."""

    progress: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def context(self, token: str, name: str = "node", timeout: float = 10.0) -> Context:
        urn = f"urn:pulumi:dev::sophia::{token}::{name}"
        return Context(urn, timeout, self.cancelled, self.progress.append, self.warnings.append)


@pytest.fixture
async def told():
    return Told()


@dataclass
class Sshd:
    """A machine's sshd. `gpus`: what its CUDA probe says, as a shell command's output."""

    host: asyncssh.SSHKey
    user: asyncssh.SSHKey
    verdicts: list[str] = field(default_factory=lambda: ['{"fault": null, "gpus": 1}'])
    logins: int = 0
    addresses: list[str] = field(default_factory=list)

    @property
    def host_key(self) -> str:
        return self.host.export_public_key().decode().strip()

    @property
    def public_key(self) -> str:
        return self.user.export_public_key().decode().strip()

    @property
    def private_key(self) -> str:
        return self.user.export_private_key().decode()

    async def handle(self, process: asyncssh.SSHServerProcess[str]) -> None:
        self.logins += 1
        if process.command == "python3 -":
            await process.stdin.read()
            verdict = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
            process.stdout.write(verdict + "\n")
        process.exit(0)

    async def listen(self, host: str, port: int) -> Any:
        keys = asyncssh.import_authorized_keys(self.public_key)
        return await asyncssh.listen(
            host,
            port,
            server_host_keys=[self.host],
            authorized_client_keys=keys,
            process_factory=lambda process: self.handle(process),
        )


@pytest.fixture
async def sshd(monkeypatch):
    """The sshd of every machine: this one answers at every address."""
    kind = "ssh-ed25519"
    sshd = Sshd(asyncssh.generate_private_key(kind), asyncssh.generate_private_key(kind))
    server = await sshd.listen("127.0.0.1", 0)
    real, port = asyncssh.connect, server.get_port()

    def connect(host: str, **options: Any) -> Any:
        sshd.addresses.append(host)
        return real("127.0.0.1", port, **options)

    monkeypatch.setattr(asyncssh, "connect", connect)
    yield sshd
    server.close()
    await server.wait_closed()
