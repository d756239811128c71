"""Each check of hosts, Docker and the Swarm: on a recorded node, and on the same made worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ops.audit import cis_daemon, nodes
from ops.audit.nodes import Node
from tests.unit.ops.audit.recordings import node

Json = dict[str, Any]


def problems(of: Node, planned: dict[str, str] | None = None) -> dict[str, list[str]]:
    """What is found about the node, by check."""
    found = {}
    for check in cis_daemon.checks([of], planned or {"olga": "manager"}, "ubuntu"):
        if told := check.problems.get("olga"):
            found[check.name] = list(told)
    return found


ALONE = problems(node())
"""What a node of ours has."""


def test_a_node_of_ours_has_the_findings_that_are_accepted():
    assert set(ALONE) == {
        *("cis-1.1.3", "cis-2.1", "cis-2.2", "cis-2.9", "cis-2.12", "cis-2.13", "cis-2.15"),
        *("cis-2.16", "cis-7.2", "cis-7.5"),
    }


def into(part: str, **changes: Any) -> Callable[[Json], None]:
    return lambda parts: parts[part].update(changes)


def line(part: str, text: str) -> Callable[[Json], None]:
    return lambda parts: parts.update({part: parts[part] + text})


def owned(path: str, owner: str, mode: str) -> Callable[[Json], None]:
    def change(parts: Json) -> None:
        others = [one for one in parts["files"].splitlines() if not one.endswith(f" {path}")]
        parts["files"] = "\n".join([*others, f"{owner} {mode} {path}"])

    return change


def registry(**changes: Any) -> Callable[[Json], None]:
    return lambda parts: parts["info"]["RegistryConfig"].update(changes)


def cluster(key: str, **changes: Any) -> Callable[[Json], None]:
    return lambda parts: parts["info"]["Swarm"]["Cluster"]["Spec"][key].update(changes)


def overlay(parts: Json) -> None:
    parts["networks"].append({"Name": "data", "Driver": "overlay", "Options": {"mtu": "1400"}})


SOCKET = "/run/docker.sock"
WORSE: dict[str, tuple[Callable[[Json], object], str]] = {
    "cis-1.1.2": (
        lambda parts: parts.update(docker_group="docker:x:103:ubuntu,eve\n"),
        "user eve is in the group docker",
    ),
    "cis-2.3": (into("daemon", **{"log-level": "debug"}), "got debug"),
    "cis-2.4": (into("daemon", iptables=False), "iptables is false in daemon.json"),
    "cis-2.5 network": (
        registry(InsecureRegistryCIDRs=["127.0.0.0/8", "192.0.2.0/24"]),
        "192.0.2.0/24 is insecure",
    ),
    "cis-2.5 name": (
        registry(IndexConfigs={"r.example": {"Secure": False}}),
        "r.example is insecure",
    ),
    "cis-2.6": (into("info", Driver="aufs"), "the storage driver is aufs"),
    "cis-2.7": (line("processes", "/usr/bin/dockerd -H tcp://0.0.0.0:2375\n"), "it listens on TCP"),
    "cis-2.7 file": (into("daemon", hosts=["tcp://0.0.0.0:2375"]), "it listens on TCP"),
    "cis-2.7 none": (lambda p: p.update(processes="x"), "no dockerd among the processes"),
    "cis-2.14": (
        into("daemon", **{"no-new-privileges": False}),
        "no-new-privileges is not true in daemon.json",
    ),
    "cis-2.17": (into("info", SecurityOptions=[]), "off: `docker info` has no seccomp"),
    "cis-2.17 unconfined": (
        into("info", SecurityOptions=["name=seccomp,profile=unconfined"]),
        "seccomp is unconfined",
    ),
    "cis-2.18": (into("info", ExperimentalBuild=True), "on"),
    "cis-3.5": (
        owned("/etc/docker", "root:root", "775"),
        "/etc/docker: got mode 775, expected 755 or less",
    ),
    "cis-3.7": (
        owned("/etc/docker/certs.d/r/ca.crt", "ubuntu:ubuntu", "444"),
        "/etc/docker/certs.d/r/ca.crt: got owner ubuntu:ubuntu, expected root:root",
    ),
    "cis-3.15 owner": (
        owned(SOCKET, "root:users", "660"),
        f"{SOCKET}: got owner root:users, expected root:docker",
    ),
    "cis-3.15 mode": (
        owned(SOCKET, "root:docker", "666"),
        f"{SOCKET}: got mode 666, expected 660 or less",
    ),
    "first-boot": (
        owned("/var/lib/cloud/instances/i/user-data.txt", "root:root", "644"),
        "/var/lib/cloud/instances/i/user-data.txt: got mode 644, expected 600 or less",
    ),
    "cis-7.3": (overlay, "network data is not"),
    "cis-7.7": (
        cluster("CAConfig", NodeCertExpiry=3.6e12 * 2161),
        "they last 2161 hours, expected 2160 at most",
    ),
}


@pytest.mark.parametrize("case", WORSE)
def test_a_node_made_worse_fails_that_check_and_no_other(case: str):
    change, problem = WORSE[case]
    check = case.split()[0]
    found = problems(node(change))
    assert problem in found[check]
    assert set(found) == {*ALONE, check}


def test_a_node_without_bounds_for_logs_fails_although_logs_stay_there():
    found = problems(node(lambda parts: parts["daemon"].pop("log-opts")))
    assert "daemon.json has no log-opts max-size and max-file" in found["cis-2.13"]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (into("info", SecurityOptions=["name=seccomp,profile=default", "name=userns"]), "cis-2.9"),
        (into("info", LiveRestoreEnabled=True), "cis-2.15"),
        (into("daemon", **{"userland-proxy": False}), "cis-2.16"),
        (cluster("EncryptionConfig", AutoLockManagers=True), "cis-7.5"),
        (lambda parts: parts.update(listening="LISTEN 0 1 192.0.2.1:2377 0.0.0.0:*"), "cis-7.2"),
        (lambda parts: parts.update(auditd="-w /var/lib/docker -k docker\n"), "cis-1.1.3"),
    ],
)
def test_what_is_accepted_would_pass_if_it_were_otherwise(change, check: str):
    assert set(problems(node(change))) == {*ALONE} - {check}


def test_the_ingress_counts_once_a_service_publishes_through_it():
    def published(parts: Json) -> None:
        parts["services"][0]["Spec"]["EndpointSpec"]["Ports"] = [{"PublishMode": "ingress"}]

    assert problems(node(published))["cis-7.3"] == ["network ingress is not"]


@pytest.mark.parametrize(
    ("path", "check"), [("/etc/docker/daemon.json", "cis-3.17"), (SOCKET, "cis-3.15")]
)
def test_a_file_that_every_node_has_is_missed(path: str, check: str):
    def without(parts: Json) -> None:
        lines = parts["files"].splitlines()
        parts["files"] = "\n".join(one for one in lines if not one.endswith(f" {path}"))

    assert problems(node(without))[check] == [f"{path}: not there"]


def test_members_of_the_swarm_are_those_of_the_plan():
    planned = {"olga": "worker", "otto": "manager"}
    assert problems(node(), planned)["cis-7.1"] == [
        "otto is not in the Swarm",
        "olga is a manager, expected a worker",
    ]
    assert problems(node(), {"other": "manager"})["cis-7.1"] == [
        "olga is in the Swarm, and not in the stack",
        "other is not in the Swarm",
    ]

    def again(parts: Json) -> None:
        parts["members"].append(parts["members"][0])

    assert problems(node(again))["cis-7.1"] == ["olga is in the Swarm 2 times"]


def test_what_a_node_does_not_say_is_no_pass():
    assert nodes.checked([node()], {}).problems == {"olga": []}
    told = nodes.checked([node(sshd="")], {"otto": "no route to host"}).problems
    assert told == {"olga": ["no answer about its sshd"], "otto": ["no route to host"]}


def test_no_log_can_forge_a_part():
    text = "info YQ==\nlogs aW5mbyBZZz09\n"
    assert nodes.parsed(text) == {"info": "a", "logs": "info Yg=="}
