"""The package under the real Pulumi engine, on a manager and a worker that are real machines."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import toolchain
from simulator import machines, node_image
from simulator.docker import docker
from tests.provider.swarm.fleet import Fleet, Machine
from tests.provider.swarm_services.samples import IMAGE, SERVE, load_image
from tests.support.checkout import ROOT
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

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
"""


def service(script: str = SERVE, **fields: Any) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
        "init": False,
        "resources": {"cpus": 0.5, "memory_mb": 32, "pids": 32},
        "update": {"monitor_s": 2.0},
        "restart": {"delay_s": 0.5},
        "stop_grace_s": 2.0,
        **fields,
    }


@dataclass
class Stack:
    """A Pulumi project of its own on two machines."""

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

    def up(self, *arguments: str, ok: bool = True) -> str:
        return self("up", "--yes", "--skip-preview", *arguments, ok=ok)

    def on(self, number: int, *arguments: str) -> str:
        """What `docker …` says on a node."""
        return docker("exec", self.nodes[number].container, "docker", *arguments)

    def on_host(self, number: int, *command: str) -> str:
        """What a command says on a node."""
        return docker("exec", self.nodes[number].container, *command)

    def containers(self, name: str) -> set[str]:
        """The ids of a service's running containers, on all nodes."""
        shown = [self.on(n, "ps", "-q", "--filter", f"name={name}.") for n in (0, 1)]
        return set(" ".join(shown).split())

    def resources(self) -> list[str]:
        """Names of what the state still holds."""
        state = json.loads(self("stack", "export"))["deployment"]
        kept = [one["urn"].rsplit("::", 1)[-1] for one in state.get("resources") or []]
        return [name for name in kept if not name.startswith("cluster-dev")]


@pytest.fixture
async def stack(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Stack]:
    nodes = await fleet.start("emma", "fritz")
    load_image(node_image.ensure(lambda line: None), [node.container for node in nodes])
    (tmp_path / "project").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "project" / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "project" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "passphrase").write_text("correct horse")
    environment = {
        **os.environ,
        **toolchain.environment(toolchain.ensure()),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }
    stack = Stack(tmp_path / "project", environment, nodes)
    roles = ("manager", "worker")
    stack.wanted = {
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "host_key": node.host_key,
                "role": role,
            }
            for node, role in zip(nodes, roles, strict=True)
        ],
        "private_key": fleet.login.private_key,
        "group": "",
        "services": {"web": service(replicas=2), "tool": service()},
    }
    stack("stack", "init")
    yield stack
    fleet.remove(*nodes)


BREAKABLE = (
    "trap 'exit 0' TERM; while [ ! -e /node/broken ]; do sleep 0.1; done; echo no token; exit 3"
)


async def test_a_cluster_over_its_life(stack: Stack) -> None:
    """One story, since machines take their time: moved, broken, ended alive, ended dead."""
    stack.up()
    stack.up("--expect-no-changes")

    # Into a component, with an alias: nothing is restarted, and nothing made anew.
    before = stack.containers("web")
    assert len(before) == 2
    stack.wanted["group"] = "tools"
    stack.up()
    assert stack.containers("web") == before
    stack.up("--expect-no-changes")

    # A service breaks by itself. Others are deployed, and it is told in each run.
    mounts = [{"type": "bind", "target": "/node", "source": "/opt", "read_only": True}]
    stack.wanted["services"]["tool"] = service(BREAKABLE, mounts=mounts)
    stack.up()
    for node in stack.nodes:
        docker("exec", node.container, "touch", "/opt/broken")
    until(lambda: stack.containers("tool"), lambda ids: not ids, "the tool is broken")
    stack.wanted["services"]["web"]["env"] = {"GENERATION": "2"}
    for _ in range(2):
        said = stack.up()
        assert "not healthy, and not changed by this run, which goes on" in said
        assert "service tool: exited with code 3" in said
        assert "no token" in said
    changed = stack.on(0, "service", "inspect", "web", "--format", "{{json .Spec.TaskTemplate}}")
    assert "GENERATION=2" in changed
    for node in stack.nodes:
        docker("exec", node.container, "rm", "/opt/broken")
    stack.up()

    # The cluster ends, alive: both machines are in no swarm, none of its containers is left.
    stack("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    for number in (0, 1):
        assert stack.on(number, "info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive"
        assert stack.on(number, "ps", "-q") == ""

    # The cluster ends, dead. What is only not seen is not taken for gone before.
    stack.up()
    for node in stack.nodes:
        machines.kill(node.container)
    urn = next(
        line.split()[-1]
        for line in stack("stack", "--show-urns").splitlines()
        if "swarm:index:Service::web" in line
    )
    failed = stack("destroy", "--yes", "--skip-preview", "--target", urn, ok=False)
    assert "web is not deleted: no manager of cluster" in failed
    assert "web" in stack.resources()
    said = stack("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    assert "left as it is" in said
