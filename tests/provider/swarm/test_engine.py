"""The package under the real Pulumi engine, on a manager and a worker that are real machines."""

from __future__ import annotations

import pytest

from simulator import machines
from simulator.docker import docker
from tests.provider.swarm.engine_stack import Stack, job, service
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

BREAKABLE = (
    "trap 'exit 0' TERM; while [ ! -e /node/broken ]; do sleep 0.1; done; echo no token; exit 3"
)


async def test_a_cluster_over_its_life(stack: Stack) -> None:
    """One story, since machines take their time: moved, broken, ended alive, ended dead."""
    stack.up()
    stack.up("--expect-no-changes")

    # Into a component, with an alias: nothing is restarted or recreated.
    before = stack.containers("web")
    assert len(before) == 2
    stack.wanted["group"] = "tools"
    stack.up()
    assert stack.containers("web") == before
    stack.up("--expect-no-changes")

    # A service breaks by itself. Others are deployed, and each run reports it.
    mounts = [{"type": "bind", "target": "/node", "source": "/opt", "read_only": True}]
    stack.wanted["services"]["tool"] = service(BREAKABLE, mounts=mounts)
    stack.up()
    for node in stack.nodes:
        docker("exec", node.container, "touch", "/opt/broken")
    until(lambda: stack.containers("tool"), lambda ids: not ids, "the tool is broken")
    stack.wanted["services"]["web"]["env"] = {"GENERATION": "2"}
    for _ in range(2):
        said = stack.up()
        assert "not healthy, and not changed by this run, which continues" in said
        assert "service tool: exited with code 3" in said
        assert "no token" in said
    changed = stack.on(0, "service", "inspect", "web", "--format", "{{json .Spec.TaskTemplate}}")
    assert "GENERATION=2" in changed
    for node in stack.nodes:
        docker("exec", node.container, "rm", "/opt/broken")
    stack.up()

    # A job fails: so does `up`, with its words. Another is killed with its `up`, and runs once.
    stack.wanted["jobs"] = {"migrate": job("echo no such table; exit 3")}
    said = stack.up(ok=False)
    assert "job migrate: exited with code 3" in said
    assert "no such table" in said
    stack.wanted["jobs"] = {"migrate": job("sleep 8; echo migrated")}
    process = stack.start("up", "--yes", "--skip-preview")
    running = until(lambda: stack.containers("migrate"), bool, "the job runs")
    process.kill()
    process.wait()
    stack("cancel", "--yes")
    stack.up()
    ended = stack.on(0, "service", "ps", "migrate", "-q", "--no-trunc").split()
    assert len(ended) == len(running) == 1
    stack.up("--expect-no-changes")
    stack.wanted["jobs"] = {}
    stack.up()
    assert stack.on(0, "service", "ls", "-q", "--filter", "name=migrate") == ""

    # The living cluster is deleted: both machines are in no swarm, and no container is left.
    stack("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    for number in (0, 1):
        assert stack.on(number, "info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive"
        assert stack.on(number, "ps", "-q") == ""

    # The dead cluster is deleted. Before that, an unreachable object doesn't count as gone.
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
    assert "left unchanged" in said
