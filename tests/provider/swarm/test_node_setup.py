"""Running nodes are set up again: keys, files, and Docker's configuration, one node at a time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from providers.runtime.declare import Incomplete
from providers.swarm import docker_config
from providers.swarm.cluster import Cluster
from providers.swarm.docker_config import DAEMON
from providers.swarm.errors import LockedOut, NotSettled, ScriptFailed
from providers.swarm.keypair import generate
from providers.swarm.member import Member
from providers.swarm.node_setup import NodeSetup, NodeSetupInputs, NodeSetupOutputs, SetupFile
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from providers.swarm.services.model import Placement, Resources
from providers.swarm.services.patience import Patience
from simulator import node_image
from tests.provider.swarm.fleet import (
    Fleet,
    Machine,
    cluster_inputs,
    eventually,
    make_context,
    member_inputs,
    on,
    setup_of,
    started,
)
from tests.provider.swarm.services.samples import load_image, service

pytestmark = [pytest.mark.containers, pytest.mark.slow]

NOTHING = NodeSetupOutputs()
SSHD = SetupFile("/etc/ssh/sshd_config.d/10-test.conf", "MaxSessions 200\n")


def daemon(**keys) -> SetupFile:
    return SetupFile(DAEMON, json.dumps({"no-new-privileges": True} | keys))


def driver(machine: Machine) -> str:
    return on(machine, "docker", "info", "--format", "{{.LoggingDriver}}")


async def test_docker_is_configured_anew_one_node_at_a_time(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One story, since machines take their time: fresh, in service, refused."""
    hugo, ida = await fleet.start("hugo", "ida")
    pool = Pool(fleet.config(hugo))
    setup = NodeSetup(pool)
    both = [hugo, ida]

    async def update(old: list[SetupFile], new: list[SetupFile]) -> list[object]:
        return await asyncio.gather(
            *(
                setup.update(
                    make_context(m.name),
                    m.container,
                    setup_of(m, fleet, *old),
                    NOTHING,
                    setup_of(m, fleet, *new),
                )
                for m in both
            ),
            return_exceptions=True,
        )

    # Fresh machines, which are in no swarm.
    first = [SSHD, daemon(**{"log-driver": "local"})]
    await asyncio.gather(
        *(setup.create(make_context(m.name), setup_of(m, fleet, *first)) for m in both)
    )
    assert [driver(m) for m in both] == ["local", "local"]
    assert "maxsessions 200" in on(hugo, "sshd", "-T")

    cluster = await form_pair(pool, hugo, ida)
    load_image(node_image.ensure(print), [hugo.container, ida.container])
    for wanted in (
        service("free", replicas=2),
        service("pinned", placement=Placement(["node.labels.tier == only"])),
    ):
        await Service(pool).create(make_context(), wanted)

    async def nodes() -> list[dict]:
        return await pool.request("GET", "/nodes", cluster_id=cluster)

    async def tasks() -> dict[str, str]:
        """Running containers by task."""
        return {
            task["ID"]: task["NodeID"]
            for task in await pool.request("GET", "/tasks", cluster_id=cluster)
            if task["Status"]["State"] == "running" and task["DesiredState"] == "running"
        }

    # What Docker can reload restarts nothing.
    before, begun = await tasks(), [started(m) for m in both]
    second = [daemon(**{"log-driver": "local", "debug": True})]
    assert await update(first, second) == [NOTHING, NOTHING]
    assert await tasks() == before
    assert [started(m) for m in both] == begun
    assert on(ida, "docker", "info", "--format", "{{.Debug}}") == "true"
    assert "maxsessions 10" in on(hugo, "sshd", "-T"), "its file is gone"

    # What it can't reload: both nodes start at once, and take turns.
    seen: set[tuple[str, ...]] = set()

    async def watch() -> None:
        while True:
            listed = await eventually(nodes)
            seen.add(tuple(sorted(node["Spec"]["Availability"] for node in listed)))
            await asyncio.sleep(0.1)

    apply, left = docker_config.apply, []

    def looked(wanted: str, step: docker_config.Step) -> str:
        left.append(min(len(on(m, "docker", "ps", "-q").split()) for m in both))
        return apply(wanted, step)

    monkeypatch.setattr(docker_config, "apply", looked)
    watching = asyncio.create_task(watch())
    third = [daemon(**{"log-driver": "json-file"})]
    assert await update(second, third) == [NOTHING, NOTHING]
    watching.cancel()
    assert seen == {("active", "active"), ("active", "drain")}
    assert [driver(m) for m in both] == ["json-file", "json-file"]
    assert left == [0, 0], "containers of a node whose Docker restarts"
    monkeypatch.undo()
    after = await tasks()
    assert len(after) == 3

    # Again, as after an interrupted run: everything exists, and nothing changes.
    begun = [started(m) for m in both]
    assert await update(second, third) == [NOTHING, NOTHING]
    assert [started(m) for m in both] == begun
    assert await tasks() == after

    # What somebody else did is found by a refresh, and mended.
    inputs = setup_of(ida, fleet, *third)
    assert (await setup.read(make_context(), "", inputs, NOTHING)).outputs == NOTHING
    on(ida, "sh", "-c", f"echo >>{DAEMON}; echo >/home/ubuntu/.ssh/authorized_keys")
    found = await setup.read(make_context(), "", inputs, NOTHING)
    assert found.outputs.differs == [DAEMON, "/home/ubuntu/.ssh/authorized_keys"]
    assert DAEMON in NodeSetup.drifted(inputs, found.outputs)
    assert await setup.update(make_context(), "", inputs, found.outputs, inputs) == NOTHING
    assert (await setup.read(make_context(), "", inputs, NOTHING)).outputs == NOTHING
    assert await tasks() == after

    # Configuration that Docker refuses is reverted, and tried on one node only.
    faults = await update(third, [daemon(nonsense=True)])
    refused, spared = sorted(faults, key=lambda fault: type(fault).__name__, reverse=True)
    assert isinstance(refused, ScriptFailed)
    assert "Docker refused its new configuration and has the former one again" in str(refused)
    assert "nonsense" in str(refused)
    assert isinstance(spared, NotSettled)
    assert "Docker was not restarted, since" in str(spared)
    assert [driver(m) for m in both] == ["json-file", "json-file"]
    assert {node["Spec"]["Availability"] for node in await eventually(nodes)} == {"active"}
    await eventually(tasks, lambda found: len(found) == 3)
    await pool.close()
    fleet.remove(hugo, ida)


async def form_pair(pool: Pool, manager: Machine, worker: Machine) -> str:
    """A manager, and a worker on tier `only`; the cluster's id."""
    cluster = await Cluster(pool).create(make_context(), cluster_inputs(manager))
    await Member(pool).create(make_context(), member_inputs(manager, cluster.outputs))
    only = member_inputs(worker, cluster.outputs, role="worker", labels={"tier": "only"})
    await Member(pool).create(make_context(), only)
    return cluster.id


async def test_a_login_key_is_added_tried_and_only_then_the_old_one_goes(fleet: Fleet) -> None:
    (jana,) = await fleet.start("jana")
    by_hand, new = generate(), generate()
    keys = "/home/ubuntu/.ssh/authorized_keys"
    on(jana, "sh", "-c", f"printf %s '{by_hand.public_key} of a person' >>{keys}")

    async def lets_in(*private_keys: str) -> bool:
        pool = Pool(replace(fleet.config(), private_key="".join(private_keys)))

        async def answer() -> bool:
            try:
                await pool.node(jana.address, jana.host_key).run("true")
            except LockedOut:
                return False
            return True

        try:
            return await eventually(answer)  # the end of its boot restarts sshd
        finally:
            await pool.close()

    old = fleet.login
    rotated = replace(fleet.config(), private_key=new.private_key + old.private_key)
    before = setup_of(jana, fleet)
    after = replace(before, authorized_keys=[new.public_key])

    async def rotate(wanted: NodeSetupInputs) -> None:
        pool = Pool(rotated)
        try:
            context = make_context()
            await NodeSetup(pool).update(context, jana.container, before, NOTHING, wanted)
        finally:
            await pool.close()

    # The key that stays is not the provider's: nothing is revoked.
    with pytest.raises(LockedOut, match="the keys to be revoked stay"):
        await rotate(replace(after, authorized_keys=[generate().public_key]))
    assert await lets_in(old.private_key)

    for _ in range(2):  # again, as after an interrupted run
        await rotate(after)
        assert not await lets_in(old.private_key)
        assert await lets_in(new.private_key)
        assert await lets_in(generate().private_key, new.private_key), "a former one is tried"
        assert await lets_in(by_hand.private_key), "a person's key is none of ours"
    assert on(jana, "stat", "-c", "%U %a", keys) == "ubuntu 600"
    fleet.remove(jana)


GPUS = daemon(
    **{
        "default-runtime": "nvidia",
        "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}},
        "node-generic-resources": [docker_config.GPUS],
    }
)


def put(machine: Machine, path: str, text: str) -> None:
    on(machine, "sh", "-c", f"printf %s '{text}' >{path}; chmod 0755 {path}")


async def test_a_nodes_gpus_are_published_and_a_service_gets_its_own(fleet: Fleet) -> None:
    """GPUs that only nvidia-smi reports, and a runtime named NVIDIA's that is runc."""
    (lola,) = await fleet.start("lola")
    pool = Pool(fleet.config(lola))
    setup = NodeSetup(pool)
    await setup.create(make_context(), setup_of(lola, fleet, GPUS))
    assert on(lola, "docker", "info", "--format", "{{.DefaultRuntime}}") == "runc", "it has none"

    put(lola, "/usr/bin/nvidia-smi", "#!/bin/sh\necho GPU-a\necho GPU-b\n")
    put(lola, "/usr/bin/nvidia-container-runtime", '#!/bin/sh\nexec runc "$@"\n')
    inputs = setup_of(lola, fleet, GPUS)
    found = await setup.read(make_context(), "", inputs, NOTHING)
    assert found.outputs.differs == [DAEMON]
    await setup.update(make_context(), "", inputs, found.outputs, inputs)
    assert (await setup.read(make_context(), "", inputs, NOTHING)).outputs == NOTHING
    assert on(lola, "docker", "info", "--format", "{{.DefaultRuntime}}") == "nvidia"
    told = on(lola, "head", "-n", "1", "/etc/nvidia-container-runtime/config.toml")
    assert told == 'swarm-resource = "DOCKER_RESOURCE_NVIDIA-GPU"'

    cluster = await Cluster(pool).create(make_context(), cluster_inputs(lola))
    await Member(pool).create(make_context(), member_inputs(lola, cluster.outputs))
    load_image(node_image.ensure(print), [lola.container])
    one_each = service("one-each", replicas=2, resources=Resources(0.1, 32, 32, gpus=1))
    await Service(pool).create(make_context(), one_each)
    names = on(lola, "docker", "ps", "-q", "--filter", "name=one-each").split()
    given = [on(lola, "docker", "exec", name, "cat", "/proc/1/environ") for name in names]
    assert sorted(
        word.partition("=")[2]
        for text in given
        for word in text.split("\0")
        if word.startswith("DOCKER_RESOURCE_NVIDIA-GPU=")
    ) == ["GPU-a", "GPU-b"]

    three = service("three", resources=Resources(0.1, 32, 32, gpus=3))
    with pytest.raises(
        Incomplete,
        match=r"no suitable node: it reserves 3 GPUs, .* the largest node has 2 GPUs,",
    ):
        await Service(pool, Patience(pending=2.0)).create(make_context(), three)
    await pool.close()
    fleet.remove(lola)
