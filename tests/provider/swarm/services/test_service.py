"""`Service` over its life, on a real Swarm: settings, drift, adoption, interruption, removal."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers.runtime.declare import Context, Incomplete
from providers.swarm import labels
from providers.swarm.config import Config, ConfigInputs
from providers.swarm.errors import SwarmError
from providers.swarm.network import Network, NetworkInputs
from providers.swarm.pool import Pool
from providers.swarm.secret import Secret, SecretInputs
from providers.swarm.service import Service
from providers.swarm.services.comparison import differences
from providers.swarm.services.model import (
    File,
    Health,
    Mount,
    Placement,
    Port,
    Registry,
    Resources,
    Restart,
    ServiceInputs,
    ServiceOutputs,
    Update,
)
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import render
from providers.swarm.services.rollout import RolloutFailed
from simulator import machines
from simulator.docker import docker
from tests.provider.swarm.services.samples import NO_OUTPUTS, SERVE, SURE, service
from tests.support.polling import eventually, until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

Make = Callable[[ServiceInputs], Awaitable[str]]


@pytest.fixture
def lifecycle(pool: Pool) -> Service:
    return Service(pool, Patience(pending=3.0))


@pytest.fixture
async def make(lifecycle: Service, told: Any) -> AsyncIterator[Make]:
    """Creates services that are gone after the test."""
    made: list[tuple[str, ServiceInputs]] = []

    async def create(inputs: ServiceInputs) -> str:
        try:
            created = await lifecycle.create(told.context, inputs)
        except Incomplete as failure:
            made.append((failure.id, inputs))
            raise
        made.append((created.id, inputs))
        return created.id

    yield create
    told.context.cancelled.clear()
    for id, inputs in made:
        await lifecycle.delete(told.context, id, inputs, NO_OUTPUTS)


async def read(
    lifecycle: Service, context: Context, id: str, inputs: ServiceInputs
) -> tuple[ServiceInputs, str]:
    found = await lifecycle.read(context, id, inputs, NO_OUTPUTS)
    assert found is not None
    return found.inputs, found.outputs.condition


async def running(pool: Pool, id: str) -> dict[str, dict[str, Any]]:
    """The tasks that run, by id."""
    filters = {"filters": json.dumps({"service": [id], "desired-state": ["running"]})}
    tasks = await pool.request("GET", "/tasks", params=filters)
    return {task["ID"]: task for task in tasks if task["Status"]["State"] == "running"}


async def test_every_setting_reaches_the_container(
    swarm: Any, pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    context = told.context
    secret = await Secret(pool).create(context, SecretInputs("every-secret", "s3cret"))
    config = await Config(pool).create(context, ConfigInputs("every-config", "colour: red\n"))
    network = await Network(pool).create(context, NetworkInputs("every-network", mtu=1400))
    inputs = service(
        "every",
        SERVE,
        args=["ignored"],
        env={"B": "2", "A": "1 = one"},
        user="10001:10002",
        networks=[network.id],
        secrets=[File(secret.id, secret.outputs.secret_name, "API_KEY", 10001, 10002, 0o400)],
        configs=[File(config.id, config.outputs.config_name, "/etc/app.yaml", 10001, 0, 0o440)],
        mounts=[
            Mount("tmpfs", "/tmp", size_mb=8),
            Mount("volume", "/data", "every-data"),
            Mount("bind", "/host", "/opt", read_only=True),
        ],
        ports=[Port(18080, 8080), Port(18081, 8081, "udp")],
        health=Health(["CMD-SHELL", "test -r /run/secrets/API_KEY"], 0.5, 5.0, 1, 2.5),
        resources=Resources(0.25, 48, 20, reserve_cpus=0.1, reserve_memory_mb=16),
        placement=Placement(["node.labels.tier == 0"], ["node.labels.zone", "node.id"]),
        update=Update("stop-first", 2, 0.1, 1.0, "rollback"),
        restart=Restart("on-failure", 1.5, 7, 60.0),
        capabilities_add=["net_bind_service"],
        init=True,
        hostname="every-host",
        labels={"team": "blue"},
        stop_grace_s=3.0,
    )
    id = await make(inputs)
    assert await read(lifecycle, context, id, inputs) == (inputs, "")

    task = next(iter((await running(pool, id)).values()))
    container = task["Status"]["ContainerStatus"]["ContainerID"]
    shown = json.loads(swarm.docker("inspect", container))[0]
    host = shown["HostConfig"]
    assert shown["Config"]["User"] == "10001:10002"
    assert {"A=1 = one", "B=2"} <= set(shown["Config"]["Env"])
    assert shown["Config"]["Hostname"] == "every-host"
    assert shown["Config"]["Healthcheck"]["StartPeriod"] == 2_500_000_000
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] == ["CAP_NET_BIND_SERVICE"]
    assert host["ReadonlyRootfs"] is True
    assert host["Init"] is True
    assert host["PidsLimit"] == 20
    assert host["Memory"] == 48 * 2**20
    assert host["NanoCpus"] == 250_000_000
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "10m", "max-file": "3"},
    }
    assert shown["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"] == "18080"
    assert {(m["Type"], m["Destination"], m["RW"]) for m in shown["Mounts"]} >= {
        ("volume", "/data", True),
        ("bind", "/host", False),
    }
    assert swarm.docker("exec", container, "/bin/cat", "/run/secrets/API_KEY") == "s3cret"
    assert swarm.docker("exec", container, "/bin/cat", "/etc/app.yaml") == "colour: red"

    with pytest.raises(SwarmError, match="still in use by every"):
        await Secret(pool).delete(context, secret.id, SecretInputs("", ""), secret.outputs)
    with pytest.raises(SwarmError, match="still in use by every"):
        await Config(pool).delete(context, config.id, ConfigInputs("", ""), config.outputs)
    await lifecycle.delete(context, id, inputs, NO_OUTPUTS)
    await Secret(pool).delete(context, secret.id, SecretInputs("", ""), secret.outputs)
    await Config(pool).delete(context, config.id, ConfigInputs("", ""), config.outputs)
    await Network(pool).delete(context, network.id, NetworkInputs(""), network.outputs)
    assert await Network(pool).read(context, network.id, NetworkInputs(""), network.outputs) is None


async def test_what_a_killed_run_left_is_adopted_and_what_is_not_ours_is_refused(
    swarm: Any, lifecycle: Service, make: Make, tell: Any
) -> None:
    left = service("adopted", env={"A": "1"})
    id = await make(left)
    wanted = dataclasses.replace(left, env={"A": "2"})
    again = await lifecycle.create(tell().context, wanted)
    assert again.id == id
    assert await read(lifecycle, tell().context, id, wanted) == (wanted, "")
    with pytest.raises(SwarmError, match=r"service adopted exists already, .* not made by this"):
        await lifecycle.create(tell("other").context, left)
    assert await read(lifecycle, tell().context, id, wanted) == (wanted, "")


async def test_changes_by_hand_show_and_are_undone(
    swarm: Any, lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("drift", labels={"team": "blue"})
    id = await make(inputs)

    swarm.docker("service", "scale", "--detach", "drift=3")
    found, condition = await read(lifecycle, told.context, id, inputs)
    assert found.replicas == 3
    assert "Mode.Replicated.Replicas" in condition

    swarm.docker("service", "update", "--detach", "--env-add", "DEBUG=1", "drift")
    swarm.docker("service", "update", "--detach", "--label-add", "team=red", "drift")
    found, condition = await read(lifecycle, told.context, id, inputs)
    assert found.labels == {"team": "red"}
    assert "TaskTemplate.ContainerSpec.Env" in condition
    outputs = ServiceOutputs(id, "", condition)
    assert Service.drifted(inputs, outputs) == condition

    outputs = await lifecycle.update(told.context, id, found, outputs, inputs)
    assert Service.drifted(inputs, outputs) is None
    assert await read(lifecycle, told.context, id, inputs) == (inputs, "")

    swarm.docker("service", "rm", "drift")
    assert await lifecycle.read(told.context, id, inputs, NO_OUTPUTS) is None


BY_HAND = {
    "--host-add": ("api.example:192.0.2.1", "ContainerSpec.Hosts"),
    "--dns-add": ("192.0.2.53", "ContainerSpec.DNSConfig.Nameservers"),
    "--dns-search-add": ("example", "ContainerSpec.DNSConfig.Search"),
    "--dns-option-add": ("timeout:1", "ContainerSpec.DNSConfig.Options"),
    "--group-add": ("999", "ContainerSpec.Groups"),
    "--sysctl-add": ("net.core.somaxconn=128", "ContainerSpec.Sysctls.net.core.somaxconn"),
    "--ulimit-add": ("nofile=100:100", "ContainerSpec.Ulimits"),
    "--tty=true": ("", "ContainerSpec.TTY"),
    "--workdir": ("/tmp", "ContainerSpec.Dir"),
    "--stop-signal": ("SIGINT", "ContainerSpec.StopSignal"),
    "--health-cmd": ("true", "ContainerSpec.Healthcheck.Test"),
    "--replicas-max-per-node": ("7", "Placement.MaxReplicas"),
    "--generic-resource-add": ("rack=1", "Resources.Reservations.GenericResources"),
}
"""What `docker service update` can set and we never write, and where it shows."""


async def test_whatever_is_changed_by_hand_is_named_and_undone(
    swarm: Any, pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("byhand")
    id = await make(inputs)
    words = [word for flag, (value, _) in BY_HAND.items() for word in (flag, value) if word]
    swarm.docker("service", "update", "--detach", *words, "byhand")
    live = (await pool.request("GET", f"/services/{id}"))["Spec"]
    found = set(differences(render(inputs, told.context.urn), live))
    assert found == {f"TaskTemplate.{path}" for _, path in BY_HAND.values()}
    _, condition = await read(lifecycle, told.context, id, inputs)
    outputs = await lifecycle.update(
        told.context, id, inputs, ServiceOutputs(id, "", condition), inputs
    )
    assert Service.drifted(inputs, outputs) is None
    live = (await pool.request("GET", f"/services/{id}"))["Spec"]
    assert differences(render(inputs, told.context.urn), live) == []


async def test_labels_and_scale_change_without_restarting_anything(
    pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("inplace")
    id = await make(inputs)
    before = set(await running(pool, id))
    changes: list[dict[str, Any]] = [{"labels": {"a": "b"}}, {"replicas": 3}, {"replicas": 1}, {}]
    for change in changes:
        new = dataclasses.replace(inputs, **change)
        await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, new)
        assert await read(lifecycle, told.context, id, new) == (new, "")
        assert len(await running(pool, id)) == new.replicas
        inputs = new
    # Scaling down may end any of them; one that was never there would be a restart.
    assert "replicas 3 of 3" in told.progress
    assert before & set(await running(pool, id)) or len(before) == 1


async def test_new_registry_credentials_are_pushed(
    pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("registry", registry=Registry("127.0.0.1:9", "me", "old-password"))
    id = await make(inputs)
    version = (await pool.request("GET", f"/services/{id}"))["Version"]["Index"]
    new = dataclasses.replace(inputs, registry=Registry("127.0.0.1:9", "me", "new-password"))
    await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, new)
    service_now = await pool.request("GET", f"/services/{id}")
    assert service_now["Version"]["Index"] > version
    assert "password" not in json.dumps(service_now)
    assert await read(lifecycle, told.context, id, new) == (new, "")


async def test_a_change_between_reading_and_updating_is_no_failure(
    pool: Pool, make: Make, told: Any, swarm: Any
) -> None:
    inputs = service("sequence")
    id = await make(inputs)
    posts = []

    class Interfering(Pool):
        async def request(self, method: str, path: str, **options: Any) -> Any:
            if method == "POST" and path.endswith("/update"):
                posts.append(path)
                if len(posts) == 1:
                    swarm.docker("service", "update", "--detach", "--label-add", "x=y", "sequence")
            return await super().request(method, path, **options)

    interfering = Interfering(swarm.config)
    new = dataclasses.replace(inputs, env={"A": "1"})
    try:
        lifecycle = Service(interfering)
        await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, new)
        assert len(posts) == 2
        assert await read(lifecycle, told.context, id, new) == (new, "")
    finally:
        await interfering.close()


async def test_tasks_that_die_after_swarm_said_completed_are_a_failure(
    lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("late", replicas=2)
    id = await make(inputs)
    # The second starts after the first, which has died when its own monitor time was over.
    new = dataclasses.replace(
        inputs,
        command=["/bin/sh", "-c", "sleep 2.5; exit 4"],
        update=Update(monitor_s=2.0, delay_s=3.0),
    )
    with pytest.raises(RolloutFailed, match=r"exited with code 4 .*rolled back"):
        await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, new)
    assert await read(lifecycle, told.context, id, inputs) == (inputs, "")


async def test_the_surplus_tasks_of_swarm_s_own_race_are_ended(
    pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    """Healing a crash loop start-first doubles its task in two of three cases: five are tried."""

    async def heal(number: int) -> None:
        loop = service(
            f"doubled-{number}",
            "sleep 0.8; exit 3",
            placement=Placement(["node.labels.tier == 0"]),
            restart=Restart(delay_s=0.0),
            update=Update(monitor_s=SURE),
        )
        with pytest.raises(Incomplete) as failure:
            await make(loop)
        # The looping task has time to die while its healthy successor is still starting.
        slow = Health(["CMD-SHELL", "true"], 1.5, 5.0, 1, 0.0)
        good = dataclasses.replace(loop, command=["/bin/sh", "-c", SERVE], health=slow)
        id = failure.value.id
        await lifecycle.update(told.context, id, loop, NO_OUTPUTS, good)
        assert await read(lifecycle, told.context, id, good) == (good, "")
        assert len(await running(pool, id)) == 1

    await asyncio.gather(*(heal(number) for number in range(5)))


async def test_a_paused_update_fails_and_the_next_one_goes_on(
    lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("paused", update=Update(monitor_s=SURE, failure_action="pause"))
    id = await make(inputs)
    bad = dataclasses.replace(inputs, command=["/bin/sh", "-c", "exit 5"])
    with pytest.raises(RolloutFailed, match=r"exited with code 5 .*the update is paused"):
        await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, bad)
    assert "running spec differs" in (await read(lifecycle, told.context, id, inputs))[1]
    good = dataclasses.replace(inputs, env={"A": "1"})
    await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, good)
    assert await read(lifecycle, told.context, id, good) == (good, "")


async def test_the_deadline_tells_what_was_last_seen(
    lifecycle: Service, make: Make, told: Any
) -> None:
    slow = Health(["CMD-SHELL", "echo still loading; exit 1"], 0.3, 5.0, 3, start_period_s=600.0)
    inputs = service("deadline", health=slow, update=Update(monitor_s=2.0))
    told.context = dataclasses.replace(told.context, timeout=10.0)
    with pytest.raises(Incomplete) as failure:
        await lifecycle.create(told.context, inputs)
    text = failure.value.reasons[0]
    assert "not converged within 10 s: replicas 0 of 1; task 1 (id " in text
    assert "is starting; health check: still loading (exit code 1)" in text
    assert "  serving" in failure.value.reasons
    await lifecycle.delete(told.context, failure.value.id, inputs, NO_OUTPUTS)


async def test_an_interrupted_create_keeps_the_id_and_the_next_run_goes_on(
    lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("interrupted", update=Update(monitor_s=30.0))
    creating = asyncio.create_task(make(inputs))
    await asyncio.to_thread(until, lambda: told.progress, bool, "the create under way")
    told.context.cancelled.set()
    with pytest.raises(Incomplete, match="interrupted") as failure:
        await asyncio.wait_for(creating, 10)
    told.context.cancelled.clear()
    new = dataclasses.replace(inputs, update=Update(monitor_s=1.0))
    await lifecycle.update(told.context, failure.value.id, inputs, NO_OUTPUTS, new)
    assert await read(lifecycle, told.context, failure.value.id, new) == (new, "")


async def test_after_a_failed_create_the_next_run_goes_on(
    lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("retried", "exit 3", update=Update(monitor_s=SURE))
    with pytest.raises(Incomplete, match="exited with code 3") as failure:
        await make(inputs)
    # The same update fails again, with new failures; a good one heals it.
    with pytest.raises(RolloutFailed, match=r"exited with code 3 .*3 tasks in a row"):
        await lifecycle.update(told.context, failure.value.id, inputs, NO_OUTPUTS, inputs)
    good = service("retried")
    await lifecycle.update(told.context, failure.value.id, inputs, NO_OUTPUTS, good)
    assert await read(lifecycle, told.context, failure.value.id, good) == (good, "")


async def test_delete_returns_when_the_containers_have_ended(
    swarm: Any, lifecycle: Service, told: Any
) -> None:
    inputs = service(
        "stubborn",
        "trap '' TERM; while :; do sleep 0.1; done",
        stop_grace_s=3.0,
        placement=Placement(["node.labels.tier == 0"]),
    )
    id = (await lifecycle.create(told.context, inputs)).id
    began = time.monotonic()
    await lifecycle.delete(told.context, id, inputs, NO_OUTPUTS)
    assert time.monotonic() - began > 2.0, "it did not wait for the stop grace"
    assert swarm.docker("ps", "-q", "--filter", "name=stubborn") == ""
    assert "1 tasks still shutting down" in told.progress
    await lifecycle.delete(told.context, id, inputs, NO_OUTPUTS)


async def test_a_port_that_the_node_has_given_away_is_told_with_port_and_node(
    swarm: Any, lifecycle: Service, make: Make, told: Any
) -> None:
    """No task holds it, so the scheduler doesn't know it; by now every client gets the other."""
    listen = """
import os, socket, time
with socket.create_server(("", 18443)):
    while not os.path.exists("/tmp/free"):
        time.sleep(0.1)
"""
    docker("exec", "-d", swarm.manager, "python3", "-c", listen)
    inputs = service(
        "taken",
        ports=[Port(18443, 8443)],
        placement=Placement(["node.labels.tier == 0"]),
        update=Update("stop-first", monitor_s=SURE),
    )
    began = time.monotonic()
    with pytest.raises(Incomplete, match="port 18443 is held by something outside") as failure:
        await make(inputs)
    assert time.monotonic() - began < 60
    assert swarm.manager in failure.value.reasons[0]
    docker("exec", swarm.manager, "touch", "/tmp/free")
    await lifecycle.update(told.context, failure.value.id, inputs, NO_OUTPUTS, inputs)


async def test_what_swarm_gave_up_is_started_again_and_what_is_sick_is_told(
    lifecycle: Service, make: Make, told: Any, swarm: Any
) -> None:
    inputs = service(
        "given-up",
        "while [ ! -e /node/stop ]; do sleep 0.1; done",
        mounts=[Mount("bind", "/node", "/opt", read_only=True)],
        placement=Placement(["node.labels.tier == 0"]),
        restart=Restart("on-failure", 0.5),
    )
    id = await make(inputs)
    well = ServiceOutputs(id, "tasks.given-up", "", proven=True)
    docker("exec", swarm.manager, "touch", "/opt/stop")

    async def condition() -> str:
        return (await read(lifecycle, told.context, id, inputs))[1]

    await eventually(condition, bool, "it has ended")
    after = await lifecycle.update(told.context, id, inputs, well, inputs)
    assert "exited with code 0, but a service must keep running" in after.condition
    # Either Swarm's monitor or we see it first.
    assert "new tasks of the same spec don't help" in after.condition or (
        "does not start it again (restart condition on-failure)" in after.condition
    )
    assert "not healthy, and not changed by this run" in told.warnings[0]
    docker("exec", swarm.manager, "rm", "/opt/stop")
    assert await lifecycle.update(told.context, id, inputs, after, inputs) == well
    assert await condition() == ""


async def test_a_service_of_the_first_version_is_known_and_not_restarted(
    pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    inputs = service("former")
    spec, former = render(inputs, told.context.urn), labels.former_owner(told.context.urn)
    spec["Labels"] = {labels.FORMER_OWNER: former}
    spec["TaskTemplate"]["ContainerSpec"]["Labels"][labels.FORMER_OWNER] = former
    id = (await pool.request("POST", "/services/create", body=spec))["ID"]

    async def now() -> tuple[ServiceInputs, str]:
        return await read(lifecycle, told.context, id, inputs)

    await eventually(now, lambda seen: seen == (inputs, ""), "the first version's labels")
    before = set(await running(pool, id))
    assert await make(inputs) == id
    scaled = dataclasses.replace(inputs, replicas=2)
    await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, scaled)
    assert before < set(await running(pool, id))


async def test_a_lost_node_blocks_neither_a_global_service_nor_its_removal(
    swarm: Any, pool: Pool, lifecycle: Service, make: Make, told: Any
) -> None:
    """Last in this file: the worker is switched off and on again."""
    inputs = service("everywhere", mode="global")
    id = await make(inputs)
    assert len(await running(pool, id)) == 2

    async def worker_is(state: str) -> bool:
        nodes = await pool.request("GET", "/nodes")
        return state in [
            node["Status"]["State"]
            for node in nodes
            if node["Description"]["Hostname"] == swarm.worker
        ]

    machines.kill(swarm.worker)
    try:
        await eventually(lambda: worker_is("down"), bool, "the worker is down", 60)
        new = dataclasses.replace(inputs, env={"A": "1"})
        await lifecycle.update(told.context, id, inputs, NO_OUTPUTS, new)
        assert told.progress[-1] == "replicas 1 of 1"
        assert await read(lifecycle, told.context, id, new) == (new, "")
        await lifecycle.delete(told.context, id, new, NO_OUTPUTS)
    finally:
        machines.restart(swarm.worker)
        await eventually(lambda: worker_is("ready"), bool, "the worker is back", 60)
