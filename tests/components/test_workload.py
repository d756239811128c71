"""Any workload as Swarm objects: its inputs, and what it starts after."""

import asyncio
import dataclasses

import pulumi
import pytest

from components.handles import JobHandle, NodeHandle, ServiceHandle, VolumeHandle
from components.plan.volumes import VolumePlan
from components.plan.workload import File, MountedVolume, Workload
from components.workload import Given, deploy, deploy_job
from providers.swarm import resources as swarm
from providers.swarm.services.model import Health, Placement, Resources
from tests.components.ground import DIGEST, ground

PLAIN = Workload(
    name="web",
    user=10005,
    port=8000,
    health=Health(["CMD", "true"], interval_s=5, retries=2),
    resources=Resources(),
    stop_grace_s=30,
    networks=("edge",),
)


class Platform(pulumi.ComponentResource):
    def __init__(self, name="platform"):
        super().__init__("test:index:Platform", name)


def run(workload, make=deploy, managers=(), image=f"web@{DIGEST}", **given):
    parent, provider = Platform(), swarm.Provider("services")
    below = ground(provider, ("edge", "other"), managers)
    return make(workload, below, Given(image, **given), parent)


def test_what_is_left_empty_is_not_in_the_inputs(registered):
    inputs = registered(lambda: run(PLAIN))["web-service"].inputs
    assert not {"command", "args", "env", "secrets", "configs", "mounts", "ports"} & set(inputs)
    assert inputs["networks"] == ["id-of-edge"]
    assert inputs["user"] == "10005:10005"


def test_it_starts_after_what_it_needs_though_it_takes_no_value_of_it(registered):
    def program():
        other = swarm.KeyPair("other")
        handle = ServiceHandle("o", "sophia-dev-o", pulumi.Output.from_input("t"), 1, other)
        run(dataclasses.replace(PLAIN, needs=("o",)), needed=[handle])

    assert "other" in registered(program)["web-service"].dependencies


def test_files_are_its_users_and_their_contents_come_by_target(registered, preview):
    workload = dataclasses.replace(
        PLAIN, secrets=(File("key", "API_KEY"),), configs=(File("settings", "/etc/web", "cfg"),)
    )
    seen = registered(lambda: run(workload, contents={"API_KEY": "hush", "/etc/web": "a: 1"}))
    assert seen["web-key"].inputs["namePrefix"] == "sophia-dev-web-api_key"
    assert seen["web-settings"].inputs["namePrefix"] == "sophia-dev-web-cfg"
    assert {seen[name].parent for name in ("web-key", "web-settings", "web-service")} == {
        "platform"
    }
    assert seen["web-settings"].inputs["data"] == "a: 1"
    assert "data" in seen["web-key"].secrets
    assert "hush" not in str(seen["web-service"].inputs)
    if not preview:
        for kind, name in (("secrets", "web-key"), ("configs", "web-settings")):
            (file,) = seen["web-service"].inputs[kind]
            assert (file["id"], file["uid"], file["gid"]) == (f"id-of-{name}", 10005, 10005)


@pytest.mark.parametrize("as_input", [str, pulumi.Output.from_input], ids=["plain", "output"])
def test_an_image_by_its_tag_breaks_a_policy(registered, as_input):
    # The SDK leaves futures that nobody awaits, and asyncio would print each.
    asyncio.get_event_loop().set_exception_handler(lambda loop, about: None)
    told = "policy images-by-digest: workload web: image: got 'web:1', expected one with its dig"
    with pytest.raises(ValueError, match=told):
        registered(lambda: run(PLAIN, image=as_input("web:1")))
    job = dataclasses.replace(PLAIN, kind="job", port=0, health=None)
    with pytest.raises(ValueError, match=told):
        registered(lambda: run(job, deploy_job, image=as_input("web:1")))


VOLUME = MountedVolume(VolumePlan("data", "/opt/data", 10005), "/data", "VOLUME")


def test_what_is_not_given_is_an_error_and_no_stand_in(registered):
    workload = dataclasses.replace(PLAIN, secrets=(File("key", "API_KEY"),))
    with pytest.raises(KeyError, match="API_KEY"):
        registered(lambda: run(workload))
    with pytest.raises(ValueError, match="web needs a volume, but was given none"):
        registered(lambda: run(dataclasses.replace(PLAIN, volume=VOLUME)))


def test_a_volume_pins_it_to_its_node_and_keeps_the_rest_of_the_placement(registered):
    workload = dataclasses.replace(
        PLAIN,
        volume=VOLUME,
        placement=Placement(["node.labels.tier == primary"], ["node.labels.node"]),
        env={"A": "b"},
    )
    volume = volume_on("machine-1")
    inputs = registered(lambda: run(workload, volume=volume))["web-service"].inputs
    assert inputs["env"] == {"A": "b", "VOLUME": "data-1"}
    # On another machine it changes, so what needs it waits until it is healthy there.
    assert inputs["labels"] == {"sophia.machine": "machine-1"}
    assert inputs["placement"] == {
        "constraints": ["node.labels.tier == primary", "node.labels.node == m-2"],
        "spread": ["node.labels.node"],
    }
    (mount,) = inputs["mounts"]
    assert (mount["source"], mount["target"]) == ("/opt/data", "/data")


def volume_on(machine):
    return VolumeHandle(*map(pulumi.Output.from_input, ("data-1", "m-2", machine)))


JOB = dataclasses.replace(PLAIN, name="backup", kind="job", port=0, health=None)


def manager(number):
    known = {
        key: pulumi.Output.from_input(f"{key}-{number}")
        for key in ("instance_id", "address", "private_address", "host_key")
    }
    return NodeHandle(
        f"manager-{number}", f"sophia-dev-manager-{number}", "manager", "primary",
        ready=swarm.KeyPair(f"ready-{number}"), **known,
    )  # fmt: skip


def run_job(workload, **given):
    return run(workload, deploy_job, **given)


def test_a_job_is_no_service_and_gets_the_same_files(registered, preview):
    workload = dataclasses.replace(JOB, secrets=(File("key", "API_KEY"),))
    seen = registered(lambda: run_job(workload, contents={"API_KEY": "hush"}))
    assert {item.type for item in seen.values()} == {
        "test:index:Platform", "pulumi:providers:swarm", "swarm:index:Secret", "swarm:index:Job",
    }  # fmt: skip
    job = seen["backup-job"]
    assert (job.parent, job.provider) == ("platform", "services")
    assert job.inputs["name"] == "sophia-dev-backup"
    assert not {"mode", "update", "health", "ports", "replicas"} & set(job.inputs)
    assert "hush" not in str(job.inputs)
    assert job.inputs["scheduled"] is False
    if not preview:
        (file,) = job.inputs["secrets"]
        assert (file["id"], file["name"], file["uid"]) == (
            "id-of-backup-key", "name-of-backup-key", 10005,
        )  # fmt: skip


def test_a_cron_is_a_job_with_a_timer_on_each_manager(registered, preview):
    workload = dataclasses.replace(JOB, kind="cron", schedule="*-*-* 03:00")
    seen = registered(lambda: run_job(workload, managers=(manager(1), manager(2))))
    schedule = seen["backup-schedule"]
    assert "backup-job" in schedule.dependencies, "its first run has ended well by then"
    assert seen["backup-job"].inputs["scheduled"] is True
    assert schedule.inputs["job"] == seen["backup-job"].inputs["name"], "by name: jobs are remade"
    assert schedule.inputs["calendar"] == "*-*-* 03:00"
    assert schedule.inputs["managers"] == [
        {
            "node": f"manager-{number}",
            "instanceId": f"instance_id-{number}",
            "address": f"address-{number}",
            "hostKey": f"host_key-{number}",
        }
        for number in (1, 2)
    ]


def test_a_job_runs_again_once_its_volume_is_on_another_machine(registered):
    on_it = dataclasses.replace(JOB, volume=VOLUME)
    first, other = (
        registered(lambda machine=machine: run_job(on_it, volume=volume_on(machine)))["backup-job"]
        for machine in ("machine-1", "machine-2")
    )
    assert first.inputs["triggers"] == {"machine": "machine-1"}
    assert first.inputs != other.inputs
    assert "triggers" not in registered(lambda: run_job(JOB))["backup-job"].inputs


def test_who_needs_a_job_starts_once_it_has_ended(registered):
    def program():
        job = run_job(JOB)
        assert isinstance(job, JobHandle)
        given = Given(f"web@{DIGEST}", needed=[job])
        parent, provider = Platform("other"), swarm.Provider("other-services")
        deploy(
            dataclasses.replace(PLAIN, needs=("backup",)),
            ground(provider, ("edge",)),
            given,
            parent,
        )

    assert "backup-job" in registered(program)["web-service"].dependencies
