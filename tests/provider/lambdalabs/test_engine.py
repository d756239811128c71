"""The package under the real Pulumi engine, with machines that are words of the simulated cloud and
an sshd of this test at each of their addresses."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

import toolchain
from providers.lambdalabs.client import LambdaClient
from simulator import cloud as simulator
from simulator import settings
from tests.support.checkout import ROOT
from tests.support.polling import until

pytestmark = pytest.mark.slow

# Loopback addresses of this process's own: runs side by side all listen on port 22.
NETWORK = ipaddress.IPv4Network((0x7F400000 + os.getpid() % 0x4000 * 256, 24))
PROJECT = f"""\
name: nodes
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins:
  providers:
    - {{name: lambdalabs, path: {ROOT / "providers" / "lambdalabs"}}}
"""
PROGRAM = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.lambdalabs import resources as lambdalabs
wanted = json.loads(os.environ["WANTED"])
account = lambdalabs.Provider("account", api_url=os.environ["LAMBDA_API_URL"],
    api_key=os.environ["LAMBDA_API_KEY"], requests_per_second=100, launch_interval=0,
    poll_seconds=0.2)
through = pulumi.ResourceOptions(provider=account)
key = lambdalabs.SshKey("key", name="operator", public_key=wanted["public_key"], opts=through)
name = lambdalabs.InstanceName("name", name=wanted["name"], opts=through)
machine = lambdalabs.Instance("machine", name=name.name,
    instance_types=wanted["types"].split(","), regions=wanted["regions"].split(","),
    ssh_key_name=key.name, user_data=wanted["user_data"], generation=wanted["generation"],
    account_key=key.id, tags=dict(project="nodes", stack="dev"), opts=through)
ready = lambdalabs.InstanceReady("ready", instance_id=machine.id, user="ubuntu",
    private_key=wanted["private_key"], host_key=wanted["host_key"], gpu_probe=False, opts=through)
pulumi.export("machine", machine.id)
pulumi.export("address", ready.address)
"""


class Sshds:
    """An sshd on port 22 of the first addresses that the cloud gives out."""

    def __init__(self) -> None:
        self.host = asyncssh.generate_private_key("ssh-ed25519")
        self.user = asyncssh.generate_private_key("ssh-ed25519")
        self._servers: list[asyncssh.SSHAcceptor] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(self) -> None:
        """From now on the machines can be logged in to."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> None:
        for number in range(10, 20):
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
    """A Pulumi project of its own, and the cloud it rents from."""

    folder: Path
    environment: dict[str, str]
    cloud: simulator.Cloud
    sshds: Sshds
    serving: contextlib.ExitStack
    wanted: dict[str, str] = field(default_factory=dict)

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
        settings.save(folder, dataclasses.replace(made, api_key=api_key))
        self.cloud = self.serving.enter_context(simulator.running(folder, boot_seconds=0))

    def outputs(self) -> dict[str, str]:
        return json.loads(self("stack", "output", "--json"))

    def rented(self) -> list[str]:
        """Ids of all machines that cost money."""
        known: list[dict[str, Any]] = self.cloud.control("GET", "/instances")
        return [one["id"] for one in known if one["status"] not in ("terminating", "terminated")]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setattr(settings, "API_ONLY_SUBNET", NETWORK)
    (tmp_path / "project").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "cloud").mkdir()
    (tmp_path / "project" / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "project" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "passphrase").write_text("correct horse")
    sshds = Sshds()
    with contextlib.ExitStack() as serving:
        cloud = serving.enter_context(simulator.running(tmp_path / "cloud", boot_seconds=0))
        environment = {
            **os.environ,
            **toolchain.environment(toolchain.ensure()),
            "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
            **cloud.env,
        }
        stack = Stack(tmp_path / "project", environment, cloud, sshds, serving)
        stack.wanted = {
            "public_key": public(sshds.user),
            "private_key": sshds.user.export_private_key().decode(),
            "host_key": public(sshds.host),
            "user_data": "#cloud-config\n",
            "generation": "1",
            "name": "node-1",
            "types": "gpu_1x_a10",
            "regions": "us-east-1",
        }
        stack("stack", "init")
        yield stack
    sshds.close()


@pytest.fixture
def listening(stack: Stack) -> Stack:
    try:
        stack.sshds.listen()
    except PermissionError:
        pytest.skip("port 22 of loopback addresses can't be listened on by this user")
    return stack


def test_a_machine_is_kept_healed_replaced_and_given_back(listening: Stack) -> None:
    stack = listening
    preview = stack("preview")
    assert "lambdalabs:index:InstanceReady" in preview
    assert stack.rented() == []

    stack.up()
    first = stack.outputs()
    assert stack.rented() == [first["machine"]]
    assert ipaddress.IPv4Address(first["address"]) in NETWORK
    exported = stack("stack", "export")
    assert "PRIVATE KEY" not in exported
    assert stack.cloud.api_key not in exported

    stack.up("--expect-no-changes")

    stack.wanted["user_data"] = "#cloud-config\nlater: true\n"
    assert "next generation" in stack("preview")
    assert "next generation" in stack.up()
    assert stack.rented() == [first["machine"]]

    # A plain up sees that it ended elsewhere, and rents another.
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    client.terminate(first["machine"])
    stack.up()
    second = stack.outputs()
    assert second["machine"] != first["machine"]
    assert second["address"] != first["address"]
    assert stack.rented() == [second["machine"]]

    # An unhealthy one goes before its replacement comes, since they share a name.
    stack.cloud.control("POST", f"/instances/{second['machine']}", status="unhealthy")
    assert "unhealthy" in stack("preview", "--diff")
    stack.up()
    third = stack.outputs()
    assert third["machine"] != second["machine"]
    assert stack.rented() == [third["machine"]]

    # The same name with another specification: never adopted, and the old one goes.
    stack.wanted["generation"] = "2"
    stack.up()
    fourth = stack.outputs()
    assert fourth["machine"] != third["machine"]
    assert stack.rented() == [fourth["machine"]]

    stack.up("--expect-no-changes")
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []
    assert client.ssh_keys() == []


def test_a_fallback_more_replaces_nothing_and_one_that_is_taken_out_does(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.wanted |= {"types": "gpu_8x_h100_sxm5,gpu_1x_a10", "regions": "us-west-1,us-east-1"}
    preview = stack("preview", "--diff")
    assert "replace" not in preview, preview
    stack.up()
    assert stack.rented() == [machine]
    stack.up("--expect-no-changes")

    stack.wanted |= {"types": "gpu_1x_a10", "regions": "us-west-1"}
    assert "us-east-1 is not listed any more" in stack("preview")
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]]
    assert stack.outputs()["machine"] != machine


@pytest.mark.parametrize("name", ["key", "name", "machine", "ready"])
def test_a_forced_replacement_never_ends_what_it_adopts(listening: Stack, name: str) -> None:
    """`--replace`, for which the engine asks no provider, and then a taint, which is the same."""
    stack = listening
    stack.up()
    [machine] = stack.rented()
    exported = json.loads(stack("stack", "export"))
    (urn,) = [
        r["urn"] for r in exported["deployment"]["resources"] if r["urn"].endswith(f"::{name}")
    ]
    stack.up("--replace", urn)
    assert stack.rented() == [stack.outputs()["machine"]] == [machine]
    stack("state", "taint", urn, "--yes")
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]] == [machine]
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    assert [key.name for key in client.ssh_keys()] == ["operator"]
    stack.up("--expect-no-changes")


def test_a_rotated_key_in_the_environment_is_enough(listening: Stack) -> None:
    """The state still has the old one, and is read with it before the program runs."""
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.rotate("secret_new")
    stack.environment |= {"LAMBDA_API_KEY": "secret_new"}
    stack("preview")
    stack("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.rented() == [machine]
    stack.up("--expect-no-changes")
    assert "secret_new" not in stack("stack", "export")
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_revoked_key_forgets_no_machine(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.rotate("secret_new")
    refreshed = stack("refresh", "--yes", "--skip-preview")
    assert "not looked at" in refreshed
    assert machine in stack("stack", "export")
    refused = stack("destroy", "--yes", "--skip-preview", ok=False)
    assert "Set LAMBDA_API_KEY" in refused
    assert stack.rented() == [machine]
    stack.environment |= {"LAMBDA_API_KEY": "secret_new"}
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_another_accounts_key_neither_forgets_nor_rents(listening: Stack, tmp_path: Path) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    (tmp_path / "other").mkdir()
    with simulator.running(tmp_path / "other", boot_seconds=0) as other:
        stack.environment |= other.env
        stack.up()  # read with the state's key, and the next one with this
        for command in ("preview", "up", "refresh", "destroy"):
            consent = () if command == "preview" else ("--yes", "--skip-preview")
            told = stack(command, *consent, ok=False)
            assert "account of this API key has neither machine" in told
            assert machine in stack("stack", "export")
        assert other.control("GET", "/instances") == []
    assert stack.rented() == [machine]


def test_an_engine_killed_during_the_launch_loses_no_machine(listening: Stack) -> None:
    stack = listening
    # The answer never arrives: the machine is rented and the state doesn't know it.
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    [machine] = stack.rented()
    assert machine not in stack("stack", "export")
    stack.up()
    assert stack.rented() == [machine]
    assert stack.outputs()["machine"] == machine
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_of_a_killed_launch_is_given_back_by_destroy(stack: Stack) -> None:
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    assert len(stack.rented()) == 1
    assert "is in no state, terminating it" in stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_of_a_killed_launch_is_given_back_when_another_is_wanted(
    listening: Stack,
) -> None:
    stack = listening
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    [machine] = stack.rented()
    stack.wanted |= {"generation": "2", "name": "node-2"}
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]]
    assert stack.outputs()["machine"] != machine
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_an_engine_killed_during_the_wait_loses_no_machine(stack: Stack) -> None:
    killed(stack, recorded=True)
    [machine] = stack.rented()
    assert machine in stack("stack", "export")
    try:
        stack.sshds.listen()
    except PermissionError:
        pytest.skip("port 22 of loopback addresses can't be listened on by this user")
    stack.up()
    assert stack.rented() == [machine]
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_that_turns_unhealthy_while_it_boots_is_given_back(stack: Stack) -> None:
    process = stack.start("up", "--yes", "--skip-preview")
    [machine] = until(stack.rented, bool, "the launch", 60)
    stack.cloud.control("POST", f"/instances/{machine}", status="unhealthy")
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the machine became unhealthy" in output
    assert f"Machine {machine} was terminated" in output
    assert stack.rented() == []


def killed(stack: Stack, *, recorded: bool) -> None:
    """An `up` whose engine dies as soon as a machine is rented, or as its id is in the state."""
    process = stack.start("up", "--yes", "--skip-preview")
    [machine] = until(stack.rented, bool, "the launch", 60)
    checkpoint = stack.environment["PULUMI_BACKEND_URL"].removeprefix("file://")
    if recorded:
        until(
            lambda: [f for f in Path(checkpoint).rglob("dev.json") if machine in f.read_text()],
            bool,
            "the machine's id in the state",
            60,
        )
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    stack("cancel", "--yes")
    stack("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
