"""An operator's --replace, taint or --target never ends what runs.

One resource of every kind of the package, on two real machines, under the real engine.
"""

from __future__ import annotations

import json
import re

import pytest

from providers.swarm.provider import Swarm
from tests.provider.swarm.engine_stack import PROGRAM, Stack

pytestmark = [pytest.mark.containers, pytest.mark.slow]

MORE = """
network = swarm.Network("network", name_prefix="net", opts=pulumi.ResourceOptions(**where))
config = swarm.Config("config", name_prefix="conf", data="a: 1",
    opts=pulumi.ResourceOptions(**where))
pair = swarm.KeyPair("pair", generation="")
ca = swarm.Certificate("ca", common_name="CA", is_ca=True, validity_days=3650)
home = swarm.VolumeHome("home", name="data", candidates=[
    dict(name=node["name"], machine="1") for node in nodes])
volume = swarm.Volume("volume", name="data", volume_id=home.volume_id, node=home.home,
    instance_id=nodes[0]["name"], address=nodes[0]["address"], host_key=nodes[0]["host_key"],
    path="/opt/data", opts=pulumi.ResourceOptions(**where))
setup = swarm.NodeSetup("setup", node=nodes[0]["name"], instance_id=nodes[0]["name"],
    address=nodes[0]["address"], host_key=nodes[0]["host_key"], user="ubuntu",
    authorized_keys=[wanted["public_key"]], opts=pulumi.ResourceOptions(**where))
job = swarm.Job("job", name="job", image=wanted["services"]["web"]["image"],
    command=["/bin/sh", "-c", "sleep 1; echo done"], networks=[network.network_id],
    resources=dict(cpus=0.5, memory_mb=32, pids=32), opts=pulumi.ResourceOptions(**where))
pulumi.export("job", job.logs)
swarm.Schedule("schedule", job="job", calendar="monthly", managers=[
    dict(node=node["name"], instance_id=node["name"], address=node["address"],
        host_key=node["host_key"]) for node in nodes if node["role"] == "manager"
], opts=pulumi.ResourceOptions(**where | dict(depends_on=[job])))
swarm.Service("all", name="all", **wanted["services"]["web"], networks=[network.network_id],
    configs=[dict(id=config.config_id, name=config.config_name, target="/etc/a.yaml")],
    opts=pulumi.ResourceOptions(**where))
"""


@pytest.fixture
def acted(stack: Stack, fleet) -> Stack:
    (stack.folder / "__main__.py").write_text(PROGRAM + MORE)
    stack.wanted["public_key"] = fleet.login.public_key
    stack.up()
    return stack


def urns(stack: Stack) -> dict[str, str]:
    """By resource name, of the package's own kinds."""
    state = json.loads(stack("stack", "export"))["deployment"]["resources"]
    return {
        one["urn"].rsplit("::", 1)[-1]: one["urn"]
        for one in state
        if one["type"].startswith("swarm:")
    }


def runs_of_the_job(stack: Stack) -> str:
    """Tells one run from another."""
    (service,) = json.loads(stack.on(0, "service", "inspect", "job"))
    return f"{service['ID']} {service['JobStatus']['JobIteration']}"


def running(stack: Stack) -> set[str]:
    return stack.containers("web") | stack.containers("all") | stack.containers("tool")


def test_no_act_on_any_kind_ends_what_runs(acted: Stack) -> None:
    known = urns(acted)
    kinds = {urn.split("::")[2].rsplit("$", 1)[-1] for urn in known.values()}
    assert kinds == {kind.token for kind in Swarm.lifecycles}, "one of every kind"
    before, ran = running(acted), runs_of_the_job(acted)
    assert len(before) == 5
    assert "done" in acted("stack", "output", "job", "--show-secrets")
    acted.up("--expect-no-changes")

    # A new key, or a new home, is another one: `test_platform.py` rotates the login by force, and a
    # directory that has another volume's marker is never touched.
    pair, home = known.pop("pair"), known.pop("home")
    acted.up("--replace", pair)
    foreign = acted.up("--replace", home, ok=False)
    (id,) = set(re.findall(r"echo (data-[0-9a-f]{8}) \| sudo tee /opt/data/\.volume", foreign))
    acted.on_host(0, "sh", "-c", f"echo {id} >/opt/data/.volume")
    acted.up()
    acted.up("--expect-no-changes")
    assert running(acted) == before

    acted.up(*(word for urn in known.values() for word in ("--replace", urn)))
    assert running(acted) == before
    acted.up("--expect-no-changes")

    for urn in known.values():
        acted("state", "taint", urn)
    acted.up()
    assert running(acted) == before
    acted.up("--expect-no-changes")

    # A scheduled run doesn't look like a change of the job.
    assert runs_of_the_job(acted) == ran
    acted.on(0, "service", "update", "--force", "--detach", "job")
    scheduled = runs_of_the_job(acted)
    assert scheduled != ran
    acted.up("--target", known["web"], "--target-dependents")
    acted("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    acted.up("--expect-no-changes")
    assert running(acted) == before
    assert runs_of_the_job(acted) == scheduled
