"""Inputs → ServiceSpec."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from providers.swarm.services.model import (
    File,
    Health,
    JobInputs,
    Mount,
    Placement,
    Port,
    Registry,
    Resources,
    Restart,
    ServiceInputs,
    Update,
)
from providers.swarm.services.render import (
    SPEC_LABEL,
    registry_auth,
    render,
    render_job,
)

URN = "urn:pulumi:dev::sophia::swarm:index:Service::web"
PLAIN = ServiceInputs(name="web", image="registry.example/web@sha256:abc")
FULL = dataclasses.replace(
    PLAIN,
    env={"B": "2", "A": "1"},
    networks=["net1"],
    secrets=[File("s1", "key-1", "API_KEY", 10001, 10002)],
    mounts=[Mount("tmpfs", "/tmp", size_mb=64), Mount("bind", "/data", "/opt/data")],
    ports=[Port(8443, 9443)],
    health=Health(["CMD", "check"], 0.5, 2.0, 4, 30.0),
    resources=Resources(1.5, 256, 100, 0.25, 128),
    placement=Placement(["node.labels.tier == primary"], ["node.labels.zone"]),
    update=Update("stop-first", 2, 1.0, 20.0, "pause"),
    restart=Restart("on-failure", 5.0, 3, 60.0),
    capabilities_add=["net_bind_service", "CAP_CHOWN"],
    labels={"team": "blue"},
)


def container(inputs: ServiceInputs) -> dict[str, Any]:
    spec: dict[str, Any] = render(inputs, URN)["TaskTemplate"]["ContainerSpec"]
    return spec


def spec_hash(inputs: ServiceInputs) -> str:
    return str(container(inputs)["Labels"][SPEC_LABEL])


def test_defaults_are_the_safe_ones() -> None:
    spec = render(PLAIN, URN)
    inside = spec["TaskTemplate"]["ContainerSpec"]
    assert inside["ReadOnly"] is True
    assert inside["Init"] is True
    assert inside["CapabilityDrop"] == ["ALL"]
    assert inside["CapabilityAdd"] == []
    assert inside["Privileges"] == {"NoNewPrivileges": True}
    assert spec["TaskTemplate"]["Resources"]["Limits"]["Pids"] == 256
    assert spec["TaskTemplate"]["LogDriver"]["Options"]["max-size"] == "10m"
    assert spec["EndpointSpec"] == {"Mode": "dnsrr", "Ports": []}
    assert spec["UpdateConfig"]["FailureAction"] == "rollback"
    assert spec["UpdateConfig"]["Order"] == "start-first"


def test_what_is_mounted_below_a_source_can_be_left_out() -> None:
    mount = Mount("bind", "/data", "/opt/data", read_only=True, recursive=False)
    (rendered,) = container(dataclasses.replace(PLAIN, mounts=[mount]))["Mounts"]
    assert rendered["BindOptions"] == {"NonRecursive": True, "Propagation": "rslave"}


def test_every_setting_is_in_the_spec() -> None:
    spec = render(FULL, URN)
    task, inside = spec["TaskTemplate"], spec["TaskTemplate"]["ContainerSpec"]
    assert inside["Env"] == ["A=1", "B=2"]
    assert inside["CapabilityAdd"] == ["CAP_NET_BIND_SERVICE", "CAP_CHOWN"]
    assert inside["Healthcheck"] == {
        "Test": ["CMD", "check"],
        "Interval": 500_000_000,
        "Timeout": 2_000_000_000,
        "Retries": 4,
        "StartPeriod": 30_000_000_000,
    }
    assert inside["Secrets"] == [
        {
            "SecretID": "s1",
            "SecretName": "key-1",
            "File": {"Name": "API_KEY", "UID": "10001", "GID": "10002", "Mode": 0o400},
        }
    ]
    assert inside["Mounts"] == [
        {
            "Type": "tmpfs",
            "Target": "/tmp",
            "ReadOnly": False,
            "TmpfsOptions": {"SizeBytes": 64 * 2**20, "Mode": 0o1777},
        },
        {"Type": "bind", "Target": "/data", "ReadOnly": False, "Source": "/opt/data"},
    ]
    assert task["Resources"]["Reservations"] == {
        "NanoCPUs": 250_000_000,
        "MemoryBytes": 128 * 2**20,
    }
    assert task["Placement"]["Preferences"] == [
        {"Spread": {"SpreadDescriptor": "node.labels.zone"}}
    ]
    assert task["RestartPolicy"]["Delay"] == 5_000_000_000
    assert task["Networks"] == [{"Target": "net1"}]
    assert spec["EndpointSpec"]["Ports"] == [
        {"Protocol": "tcp", "TargetPort": 9443, "PublishedPort": 8443, "PublishMode": "host"}
    ]
    assert spec["UpdateConfig"]["Monitor"] == 20_000_000_000
    assert spec["RollbackConfig"]["FailureAction"] == "pause"
    assert spec["Labels"] == {"team": "blue", "sophia.owner": "sophia/dev/web"}


@pytest.mark.parametrize(
    "change",
    [
        {"image": "registry.example/web@sha256:def"},
        {"env": {"A": "1"}},
        {"resources": Resources(pids=7)},
        {"placement": Placement(["node.role == worker"])},
        {"networks": ["n"]},
        {"restart": Restart(delay_s=1.0)},
        {"health": Health(["CMD", "true"])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_needs_new_tasks_changes_the_spec_hash(change: dict[str, Any]) -> None:
    assert spec_hash(dataclasses.replace(PLAIN, **change)) != spec_hash(PLAIN)


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 5},
        {"labels": {"a": "b"}},
        {"update": Update(monitor_s=1.0)},
        {"registry": Registry("r", "u", "p")},
        {"ports": [Port(1, 2)]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_needs_no_new_tasks_keeps_the_spec_hash(change: dict[str, Any]) -> None:
    assert spec_hash(dataclasses.replace(PLAIN, **change)) == spec_hash(PLAIN)


def test_gpus_are_reserved_and_without_any_the_spec_is_that_of_before() -> None:
    reserved = dataclasses.replace(PLAIN, resources=Resources(gpus=2))
    assert render(reserved, URN)["TaskTemplate"]["Resources"]["Reservations"] == {
        "NanoCPUs": 0,
        "MemoryBytes": 0,
        "GenericResources": [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}],
    }
    assert spec_hash(PLAIN) == "e8d690702ea2"


JOB = JobInputs(name="once", image="registry.example/once@sha256:abc")


def job_hash(**change: Any) -> str:
    spec = render_job(dataclasses.replace(JOB, **change), URN)
    return str(spec["TaskTemplate"]["ContainerSpec"]["Labels"][SPEC_LABEL])


def test_a_job_is_a_service_that_ends() -> None:
    spec = render_job(dataclasses.replace(JOB, tasks=3, retries=2), URN)
    assert spec["Mode"] == {"ReplicatedJob": {"MaxConcurrent": 3, "TotalCompletions": 3}}
    assert not {"UpdateConfig", "RollbackConfig"} & set(spec), "Swarm refuses them for jobs"
    assert spec["TaskTemplate"]["RestartPolicy"]["Condition"] == "on-failure"
    inside = spec["TaskTemplate"]["ContainerSpec"]
    assert inside["Healthcheck"] == {"Test": ["NONE"]}
    assert (inside["ReadOnly"], inside["CapabilityDrop"]) == (True, ["ALL"])
    once = render_job(JOB, URN)
    assert once["TaskTemplate"]["RestartPolicy"]["Condition"] == "none"


@pytest.mark.parametrize(
    "change",
    [{"triggers": {"day": "1"}}, {"tasks": 2}, {"env": {"A": "1"}}, {"retries": 1}],
    ids=lambda change: next(iter(change)),
)
def test_what_makes_a_job_run_again_changes_its_hash(change: dict[str, Any]) -> None:
    assert job_hash(**change) != job_hash()


@pytest.mark.parametrize("change", [{"labels": {"a": "b"}}, {"registry": Registry("r", "u", "p")}])
def test_what_is_none_of_a_jobs_run_keeps_its_hash(change: dict[str, Any]) -> None:
    assert job_hash(**change) == job_hash()


def test_credentials_are_in_the_header_and_nowhere_else() -> None:
    registry = Registry("registry.example", "me", "pass/word?>")
    ours = dataclasses.replace(PLAIN, registry=registry, image="registry.example/team/a@sha256:1")
    header = registry_auth(ours)["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "me",
        "password": "pass/word?>",
        "serveraddress": "registry.example",
    }
    assert "pass" not in json.dumps(render(ours, URN))
    assert registry_auth(PLAIN) == {}


def test_another_registry_is_not_sent_the_password() -> None:
    registry = Registry("registry.example", "me", "password")
    for image in ("nvcr.io/nvidia/a@sha256:1", "registry.example.evil/a@sha256:1"):
        foreign = dataclasses.replace(PLAIN, registry=registry, image=image)
        assert registry_auth(foreign) == {}
