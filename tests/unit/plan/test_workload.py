"""A workload as a Swarm service, before anything runs."""

from __future__ import annotations

import dataclasses

from components.plan.volumes import VolumePlan
from components.plan.workload import (
    File,
    MountedVolume,
    Workload,
    job_inputs,
    on_node,
    service_inputs,
)
from providers.swarm.services.model import Health, Placement, Port, Resources, TaskInputs
from providers.swarm.services.rules import faults_of, job_faults

PLAIN = Workload(
    name="web",
    user=10001,
    port=8000,
    health=Health(["CMD", "true"], interval_s=5, retries=2),
    resources=Resources(),
    stop_grace_s=30,
)


def test_what_comes_later_has_stand_ins_that_the_rules_take():
    workload = dataclasses.replace(
        PLAIN,
        secrets=(File("token", "TOKEN"), File("key", "KEY")),
        configs=(File("config", "/etc/web.cfg"),),
        volume=MountedVolume(VolumePlan("data", "/opt/data", 10001), "/data", "VOLUME"),
        placement=Placement(["node.labels.tier == primary"]),
    )
    inputs = service_inputs(workload, "sophia-dev")
    assert faults_of(inputs) == []
    assert inputs.name == "sophia-dev-web"
    assert [(file.target, file.uid, file.gid) for file in (*inputs.secrets, *inputs.configs)] == [
        ("TOKEN", 10001, 10001), ("KEY", 10001, 10001), ("/etc/web.cfg", 10001, 10001),
    ]  # fmt: skip
    assert "VOLUME" in inputs.env
    assert [(mount.source, mount.target) for mount in inputs.mounts] == [("/opt/data", "/data")]


def test_a_job_has_the_same_task():
    volume = MountedVolume(VolumePlan("data", "/opt/data", 10001), "/data", "VOLUME")
    service = dataclasses.replace(PLAIN, secrets=(File("token", "TOKEN"),), volume=volume)
    job = dataclasses.replace(service, kind="job", port=0, health=None)
    inputs, other = job_inputs(job, "sophia-dev"), service_inputs(service, "sophia-dev")
    assert job_faults(inputs) == []
    same = {item.name for item in dataclasses.fields(TaskInputs)}
    assert {name: getattr(inputs, name) for name in same} == {
        name: getattr(other, name) for name in same
    }


def test_a_volume_adds_its_node_to_the_placement_and_takes_nothing_away():
    volume = MountedVolume(VolumePlan("data", "/opt/data", 1), "/data", "VOLUME")
    placement = Placement(["node.labels.tier == primary"], spread=["node.labels.node"])
    workload = dataclasses.replace(PLAIN, volume=volume, placement=placement)
    found = service_inputs(workload, "p").placement
    assert found.constraints[0] == "node.labels.tier == primary"
    assert found.constraints[1].startswith(on_node(""))
    assert found.spread == ["node.labels.node"]


def test_a_global_one_is_global_and_the_rules_see_its_ports():
    workload = dataclasses.replace(PLAIN, kind="global", ports=(Port(8443, 8443),))
    assert service_inputs(workload, "p").mode == "global"
    assert [fault.path for fault in faults_of(service_inputs(workload, "p"))] == ["update.order"]


def test_a_files_physical_name_follows_its_target_unless_it_is_called_otherwise():
    assert File("password-file", "smtp_password").prefix("p-dev", "alertmanager") == (
        "p-dev-alertmanager-smtp_password"
    )
    assert File("config", "/etc/haproxy.cfg", "haproxy").prefix("p-dev", "gateway") == (
        "p-dev-gateway-haproxy"
    )
