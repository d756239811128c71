"""A test's own Pulumi project, whose Swarm has a manager and a worker."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolchain
from providers.swarm.services.model import JobInputs, ServiceInputs
from simulator.docker import docker
from tests.provider.swarm.fleet import Machine
from tests.provider.swarm.services import samples
from tests.provider.swarm.services.samples import SERVE
from tests.support.checkout import ROOT

PROJECT = f"""\
name: cluster
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins:
  providers:
    - {{name: swarm, path: {ROOT / "providers" / "swarm"}}}
"""
PROGRAM = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.swarm import resources as swarm
wanted = json.loads(os.environ["WANTED"])
nodes = wanted["nodes"]
access = dict(
    managers=[
        dict(address=node["address"], host_key=node["host_key"])
        for node in nodes if node["role"] == "manager"
    ],
    user="ubuntu",
    private_key=wanted["private_key"],
)
joining = swarm.Provider("machines", **access)
founder = dict(address=nodes[0]["address"], host_key=nodes[0]["host_key"],
    advertise_address=nodes[0]["address"])
cluster = swarm.Cluster("cluster", founder=founder, address_pools=["10.96.0.0/12"],
    opts=pulumi.ResourceOptions(provider=joining))
chain = []
for node in nodes:
    chain = [swarm.Member(node["name"], node_name=node["name"], address=node["address"],
        host_key=node["host_key"], advertise_address=node["address"], instance_id=node["name"],
        role=node["role"], cluster_id=cluster.cluster_id, manager_token=cluster.manager_token,
        worker_token=cluster.worker_token,
        opts=pulumi.ResourceOptions(provider=joining, depends_on=chain, deleted_with=cluster))]
provider = swarm.Provider("services", **access, cluster_id=cluster.cluster_id, cluster=cluster)
where = dict(provider=provider, depends_on=chain)
if wanted["group"]:
    group = pulumi.ComponentResource("test:index:Group", wanted["group"])
    where |= dict(parent=group, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])
secret = swarm.Secret("token", name_prefix="token", data="s3cret",
    opts=pulumi.ResourceOptions(**where))
for name, fields in wanted["services"].items():
    swarm.Service(name, name=name, **fields, secrets=[
        dict(id=secret.secret_id, name=secret.secret_name, target="token")
    ], opts=pulumi.ResourceOptions(**where))
for name, fields in wanted["jobs"].items():
    swarm.Job(name, name=name, **fields, opts=pulumi.ResourceOptions(**where))
"""


def service(script: str = SERVE, **fields: Any) -> dict[str, Any]:
    """As `samples.service`, for `Stack.wanted`."""
    return _given(samples.service("", script)) | {"update": {"monitor_s": 2.0}} | fields


def job(script: str, **fields: Any) -> dict[str, Any]:
    """As `samples.job`, for `Stack.wanted`."""
    return _given(samples.job("", script)) | fields


def _given(inputs: ServiceInputs | JobInputs) -> dict[str, Any]:
    """The non-empty values. The program sets the names."""
    given = dataclasses.asdict(inputs)
    return {key: value for key, value in given.items() if value not in ("", [], {}, None)}


@dataclass
class Stack:
    """A separate Pulumi project on two machines."""

    folder: Path
    environment: dict[str, str]
    nodes: list[Machine]
    wanted: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: str, ok: bool = True) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=self.environment | {"WANTED": json.dumps(self.wanted)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert (done.returncode == 0) is ok, f"pulumi {arguments}:\n{done.stdout}"
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that the test kills."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=self.environment | {"WANTED": json.dumps(self.wanted)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def up(self, *arguments: str, ok: bool = True) -> str:
        return self("up", "--yes", "--skip-preview", *arguments, ok=ok)

    def on(self, number: int, *arguments: str) -> str:
        """What `docker …` says on a node."""
        return docker("exec", self.nodes[number].container, "docker", *arguments)

    def on_host(self, number: int, *command: str) -> str:
        """A command's output on a node."""
        return docker("exec", self.nodes[number].container, *command)

    def containers(self, name: str) -> set[str]:
        """The ids of a service's running containers, on all nodes."""
        shown = [self.on(n, "ps", "-q", "--filter", f"name={name}.") for n in (0, 1)]
        return set(" ".join(shown).split())

    def resources(self) -> list[str]:
        """Names of the resources that are still in the state."""
        state = json.loads(self("stack", "export"))["deployment"]
        kept = [one["urn"].rsplit("::", 1)[-1] for one in state.get("resources") or []]
        return [name for name in kept if not name.startswith("cluster-dev")]


def made(folder: Path, program: str, nodes: list[Machine]) -> Stack:
    """A new stack of a program, which knows only what `wanted` will tell it."""
    (folder / "project").mkdir()
    (folder / "state").mkdir()
    (folder / "project" / "Pulumi.yaml").write_text(PROJECT)
    (folder / "project" / "__main__.py").write_text(program)
    (folder / "passphrase").write_text("correct horse")
    environment = {
        **os.environ,
        **toolchain.environment(toolchain.ensure()),
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
    }
    stack = Stack(folder / "project", environment, nodes)
    stack("stack", "init")
    return stack
