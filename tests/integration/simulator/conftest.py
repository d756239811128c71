"""A simulator with real machines, and what a user of it does: launch, look, log in."""

import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import cloud
from simulator.docker import LABEL, docker
from tests.support.polling import until


@dataclass
class User:
    """Uses one simulated cloud over its API and ssh, with keys made for the purpose."""

    cloud: cloud.Cloud
    keys: Path

    @property
    def simulator(self) -> str:
        return self.cloud.settings.simulator

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.cloud.api_key}"}
        url = self.cloud.url + path
        answer = requests.request(method, url, json=body, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def launch(self, name: str, *, user_data: str = "", rulesets: Iterable[str] = ()) -> str:
        key = {line: (self.keys / line).read_text() for line in ("host", "host.pub")}
        private = "".join(f"    {line}\n" for line in key["host"].splitlines())
        body = {
            "region_name": "us-east-1",
            "instance_type_name": "cpu_4x_general",
            "ssh_key_names": ["key"],
            "name": name,
            "firewall_rulesets": [{"id": one} for one in rulesets],
            "user_data": "#cloud-config\nusers: [default]\nssh_keys:\n"
            f"  ed25519_private: |\n{private}  ed25519_public: {key['host.pub']}\n{user_data}",
        }
        return self.call("POST", "/instance-operations/launch", body)["instance_ids"][0]

    def instance(self, identity: str) -> Any:
        return self.call("GET", f"/instances/{identity}")

    def active(self, identity: str) -> Any:
        return until(
            lambda: self.instance(identity), lambda one: one["status"] == "active", "active", 60
        )

    def terminate(self, *identities: str) -> None:
        self.call("POST", "/instance-operations/terminate", {"instance_ids": list(identities)})
        for identity in identities:
            until(
                lambda identity=identity: self.instance(identity)["status"],
                lambda status: status == "terminated",
                f"{identity} terminated",
            )

    def ssh(self, address: str, command: str, stdin: bytes = b"") -> str:
        """The command's output; strict about the host key, as it was given to cloud-init."""
        known = self.keys / f"known_hosts-{address}"
        known.write_text(f"{address} {(self.keys / 'host.pub').read_text()}")
        options = f"-F none -i {self.keys}/user -o UserKnownHostsFile={known} "
        options += "-o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=2"
        done = subprocess.run(
            ["ssh", *shlex.split(options), f"ubuntu@{address}", command],
            input=stdin,
            capture_output=True,
        )
        said = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == 0, f"{command}: {done.returncode}: {said}"
        return done.stdout.decode().strip()

    def booted(self, identity: str) -> str:
        """The address of an instance whose cloud-init is through."""
        address = self.active(identity)["ip"]
        until(lambda: self.ssh(address, "true"), lambda _: True, f"ssh to {address}")
        assert "done" in self.ssh(address, "cloud-init status --wait")
        return address


def labelled(simulator: str) -> dict[str, list[str]]:
    """What Docker holds of a simulator."""
    chosen = ("--filter", f"label={LABEL}={simulator}", "--format")
    return {
        "containers": docker("ps", "--all", *chosen, "{{.Names}}").split(),
        "volumes": docker("volume", "ls", *chosen, "{{.Name}}").split(),
        "networks": docker("network", "ls", *chosen, "{{.Name}}").split(),
    }


@pytest.fixture(scope="session")
def left() -> Callable[[str], dict[str, list[str]]]:
    return labelled


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user of this module's own cloud, which must be removed completely afterwards."""
    keys = tmp_path_factory.mktemp("keys")
    for name in ("user", "host"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", keys / name],
            check=True,
        )
    folder = tmp_path_factory.mktemp("simulator")
    with cloud.running(folder, api_only=False) as simulated:
        user = User(simulated, keys)
        body = {"name": "key", "public_key": (keys / "user.pub").read_text()}
        user.call("POST", "/ssh-keys", body)
        yield user
    assert labelled(user.simulator) == {"containers": [], "volumes": [], "networks": []}
