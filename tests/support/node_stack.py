"""A Pulumi project of a test's own, on a cloud that is the API alone, with an sshd at each of its
machines' addresses."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import asyncssh

import toolchain
from simulator import cloud as simulator
from simulator import settings
from tests.support.checkout import ROOT

# Loopback addresses of this process's own: runs side by side all listen on port 22.
NETWORK = ipaddress.IPv4Network((0x7F400000 + os.getpid() % 0x4000 * 256, 24))
FIRST_HOST = 10
PROJECT = f"""\
name: nodes
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins:
  providers:
    - {{name: lambdalabs, path: {ROOT / "providers" / "lambdalabs"}}}
"""

NODES = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from components.settings_account import Account
from providers.lambdalabs import resources as lambdalabs
wanted = json.loads(os.environ["WANTED"])
url, key = os.environ["LAMBDA_API_URL"], os.environ["LAMBDA_API_KEY"]
values = dict(lambdaApiUrl=url, lambdaApiKey=key, pace=dict(requestsPerSecond=100))
assert Account("nodes", values, os.environ.get("XDG_RUNTIME_DIR", ""), []).offers(print)
account = lambdalabs.Provider("account", api_url=url, api_key=key, requests_per_second=100,
    launch_interval=wanted.get("launch_interval", 0), poll_seconds=0.5)
through = pulumi.ResourceOptions(provider=account)
if wanted["count"]:
    login = lambdalabs.SshKey("key", name="operator", public_key=wanted["public_key"], opts=through)
for number in range(wanted["count"]):
    name = lambdalabs.InstanceName(f"name-{{number}}", name=f"node-{{number}}", opts=through)
    machine = lambdalabs.Instance(f"machine-{{number}}", name=name.name,
        instance_types=["gpu_1x_a10"], regions=["us-east-1"], ssh_key_name=login.name,
        account_key=login.id, tags=dict(project="nodes", stack="dev"), opts=through)
    lambdalabs.InstanceReady(f"ready-{{number}}", instance_id=machine.id, user="ubuntu",
        private_key=wanted["private_key"], host_key=wanted["host_key"], gpu_probe=False,
        opts=through)
"""
"""A program of `count` nodes that asks for instance types as the settings do. launch_interval:
seconds, none if not given."""


class Sshds:
    """An sshd on port 22 of the first addresses that the cloud gives out."""

    def __init__(self) -> None:
        self.host = asyncssh.generate_private_key("ssh-ed25519")
        self.user = asyncssh.generate_private_key("ssh-ed25519")
        self._servers: list[asyncssh.SSHAcceptor] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(self, count: int = 10) -> None:
        """From now on the first machines can be logged in to."""
        asyncio.run_coroutine_threadsafe(self._listen(count), self._loop).result(30)

    async def _listen(self, count: int) -> None:
        for number in range(FIRST_HOST, FIRST_HOST + count):
            listening = await asyncssh.listen(
                str(NETWORK[number]),
                22,
                server_host_keys=[self.host],
                authorized_client_keys=asyncssh.import_authorized_keys(public(self.user)),
                process_factory=lambda process: process.exit(0),
            )
            self._servers.append(listening)

    def close(self) -> None:
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


@dataclass
class Stack:
    """A separate Pulumi project, and its cloud."""

    folder: Path
    environment: dict[str, str]
    cloud: simulator.Cloud
    sshds: Sshds
    serving: contextlib.ExitStack
    wanted: dict[str, Any] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=self.environment | {"WANTED": json.dumps(self.wanted)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, ok: bool = True) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        assert (process.returncode == 0) is ok, f"pulumi {arguments}:\n{output}"
        return output

    def up(self, *arguments: str, ok: bool = True) -> str:
        return self("up", "--yes", "--skip-preview", *arguments, ok=ok)

    def rotate(self, api_key: str) -> None:
        """The account has another API key from now on; the environment still has the old one."""
        folder = self.cloud.folder
        self.serving.close()
        made = settings.load(folder)
        assert made is not None
        settings.save(folder, dataclasses.replace(made, api_key=api_key))
        self.cloud = self.serving.enter_context(simulator.running(folder, boot_seconds=0))

    def outputs(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self("stack", "output", "--json"))
        return found

    def calls(self) -> dict[str, int]:
        """How often each operation of the API was called since the last time, by name."""
        counted: dict[str, int] = self.cloud.control("GET", "/calls")
        self.cloud.control("DELETE", "/calls")
        return counted

    def rented(self) -> list[str]:
        """Ids of all machines that cost money."""
        known: list[dict[str, Any]] = self.cloud.control("GET", "/instances")
        return [one["id"] for one in known if one["status"] not in ("terminating", "terminated")]


@contextlib.contextmanager
def stack_of(folder: Path, program: str) -> Iterator[Stack]:
    """A stack `dev` of a project with this program.

    wanted: passed to the program as JSON in WANTED; it has keys that match the sshds.
    """
    for name in ("project", "state", "cloud", "run"):
        (folder / name).mkdir(mode=0o700)
    (folder / "project" / "Pulumi.yaml").write_text(PROJECT)
    (folder / "project" / "__main__.py").write_text(program)
    (folder / "passphrase").write_text("correct horse")
    with (
        mock.patch.object(settings, "API_ONLY_SUBNET", NETWORK),
        contextlib.closing(Sshds()) as sshds,
        contextlib.ExitStack() as serving,
    ):
        cloud = serving.enter_context(simulator.running(folder / "cloud", boot_seconds=0))
        environment = {
            **os.environ,
            **toolchain.environment(toolchain.ensure()),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri() + "?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            **cloud.env,
        }
        stack = Stack(folder / "project", environment, cloud, sshds, serving)
        stack.wanted = {
            "public_key": public(sshds.user),
            "private_key": sshds.user.export_private_key().decode(),
            "host_key": public(sshds.host),
        }
        stack("stack", "init")
        yield stack
