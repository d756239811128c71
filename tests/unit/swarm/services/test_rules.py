"""Faults of inputs, all at once, and physical names."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.swarm import config, network, secret
from providers.swarm.job import Job
from providers.swarm.naming import hashed_name, name_faults
from providers.swarm.service import Service
from providers.swarm.services.model import (
    File,
    Health,
    JobInputs,
    Mount,
    Placement,
    Port,
    Resources,
    Restart,
    ServiceInputs,
    Update,
)
from providers.swarm.services.patience import watched_s

JOB = JobInputs(name="sophia-dev-once", image="once@sha256:abc")
GOOD = ServiceInputs(name="sophia-dev-web", image="web@sha256:abc")


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("name", {"name": "x" * 64}),
        ("name", {"name": "-web"}),
        ("image", {"image": ""}),
        ("mode", {"mode": "job"}),
        ("replicas", {"replicas": -1}),
        ("update.order", {"update": Update("later")}),
        ("update.failureAction", {"update": Update(failure_action="ignore")}),
        ("restart.condition", {"restart": Restart("never")}),
        ("resources.memoryMb", {"resources": Resources(memory_mb=2)}),
        ("resources", {"resources": Resources(pids=0)}),
        ("resources.gpus", {"resources": Resources(gpus=-1)}),
        ("resources.reserveCpus", {"resources": Resources(1.0, reserve_cpus=2.0)}),
        ("resources.reserveMemoryMb", {"resources": Resources(reserve_memory_mb=300)}),
        ("secrets[1].target", {"secrets": [File("1", "a", "KEY"), File("2", "b", "KEY")]}),
        ("configs[0].target", {"configs": [File("1", "a", "")]}),
        ("mounts[0].type", {"mounts": [Mount("npipe", "/x", "y")]}),
        ("mounts[0].target", {"mounts": [Mount("volume", "data", "y")]}),
        ("mounts[0].source", {"mounts": [Mount("bind", "/x")]}),
        ("mounts[0].source", {"mounts": [Mount("tmpfs", "/x", "y")]}),
        ("mounts[0].sizeMb", {"mounts": [Mount("volume", "/x", "y", size_mb=1)]}),
        ("mounts[0].recursive", {"mounts": [Mount("volume", "/x", "y", recursive=False)]}),
        ("update.order", {"ports": [Port(80, 80)]}),
        ("health.test", {"health": Health([])}),
        ("update.monitorS", {"health": Health(["CMD", "x"], 10.0, retries=3)}),
        (
            "placement.constraints[1]",
            {"placement": Placement(["node.role == worker", "tier == x"])},
        ),
    ],
)
def test_every_rule_names_its_path(path: str, change: dict[str, Any]) -> None:
    assert [fault.path for fault in Service.check(dataclasses.replace(GOOD, **change))] == [path]


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20))
def test_a_rollout_is_watched_as_long_as_the_formula_says(
    interval: int, timeout: int, retries: int
) -> None:
    health = Health(["CMD", "x"], interval, timeout, retries)
    good = dataclasses.replace(GOOD, health=health, update=Update(monitor_s=watched_s(health)))
    brief = dataclasses.replace(good, update=Update(monitor_s=watched_s(health) - 1))
    assert Service.check(good) == []
    assert [fault.path for fault in Service.check(brief)] == ["update.monitorS"]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("tasks", {"tasks": 0}),
        ("retries", {"retries": -1}),
        ("name", {"name": "-once"}),
        ("secrets[0].target", {"secrets": [File("1", "a", "")]}),
        ("placement.constraints[0]", {"placement": Placement(["tier == x"])}),
    ],
)
def test_every_fault_of_a_job_is_found(path: str, change: dict[str, Any]) -> None:
    assert [fault.path for fault in Job.check(dataclasses.replace(JOB, **change))] == [path]
    assert Job.check(JOB) == []


def test_faults_come_all_at_once_and_good_inputs_have_none() -> None:
    assert Service.check(GOOD) == []
    bad = dataclasses.replace(GOOD, name="", image="", replicas=-1)
    assert {fault.path for fault in Service.check(bad)} == {"name", "image", "replicas"}


@given(st.text(max_size=70))
def test_accepted_prefixes_make_names_that_fit(prefix: str) -> None:
    if not name_faults("p", prefix):
        assert len(hashed_name(prefix, "0123456789abcdef")) <= 63


def test_content_decides_the_name_and_a_secret_s_is_not_its_plain_hash() -> None:
    assert config.config_name("app", "a: 1") == config.config_name("app", "a: 1")
    assert config.config_name("app", "a: 1") != config.config_name("app", "a: 2")
    one = secret.secret_name("key", "hunter2")
    assert one == secret.secret_name("key", "hunter2")
    assert one != secret.secret_name("key", "hunter3")
    assert one.removeprefix("key") != secret.secret_name("other", "hunter2").removeprefix("other")
    assert one.removeprefix("key") != config.config_name("key", "hunter2").removeprefix("key")
    assert len(one) == len("key-") + 10


def test_content_that_swarm_would_refuse_is_a_fault() -> None:
    for check, inputs in (
        (secret.Secret.check, secret.SecretInputs),
        (config.Config.check, config.ConfigInputs),
    ):
        assert [f.path for f in check(inputs("name", ""))] == ["data"]
        assert [f.path for f in check(inputs("name", "x" * 600_000))] == ["data"]
        assert [f.path for f in check(inputs("bad name", "x"))] == ["namePrefix"]
        assert check(inputs("name", "x")) == []


def test_network_options() -> None:
    urn = "urn:pulumi:dev::sophia::swarm:index:Network::mcp"
    plain = network.render(network.NetworkInputs("mcp"), urn)
    assert plain["Driver"] == "overlay"
    assert plain["Attachable"] is False
    assert plain["Options"] == {}
    assert plain["IPAM"] == {}
    full = network.render(
        network.NetworkInputs("mcp", encrypted=True, mtu=1400, subnet="192.0.2.0/24"), urn
    )
    assert full["Options"] == {"encrypted": "", "com.docker.network.driver.mtu": "1400"}
    assert full["IPAM"] == {"Config": [{"Subnet": "192.0.2.0/24"}]}
    assert full["Name"] != plain["Name"]
    assert plain["Name"] == "mcp-c335b086ba", "as the first version called it"
    closed = network.render(network.NetworkInputs("mcp", internal=True), urn)
    assert closed["Internal"] is True
    assert closed["Name"] != plain["Name"]
    assert [f.path for f in network.Network.check(network.NetworkInputs("x" * 60))] == [
        "namePrefix"
    ]
