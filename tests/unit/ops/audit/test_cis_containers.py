"""Each check of containers and images: on a recorded container, and on the same made worse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.audit import cis_containers
from ops.audit.nodes import Node
from tests.unit.ops.audit.recordings import PARTS, container, node

Json = dict[str, Any]
MADE = datetime.fromisoformat(PARTS["images"][0]["Created"][:19]).replace(tzinfo=UTC)
NOW = MADE + timedelta(days=1)


def problems(of: Node, name: str = "web", now: datetime = NOW) -> dict[str, list[str]]:
    """What is found about a service, by check."""
    found = {}
    for check in cis_containers.checks([of], now):
        if told := check.problems.get(name):
            found[check.name] = list(told)
    return found


ALONE = problems(node())
"""What the recorded service has: it is a test's, on no network of its own, without a health check
in its image, and the machine has no AppArmor."""


def test_a_service_of_ours_has_no_finding_but_those_of_the_recording():
    assert set(ALONE) == {"cis-4.6", "cis-5.2", "cis-5.30", "image-digest"}


def test_a_container_that_a_person_started_has_many():
    told = problems(node(), "stranger")
    assert told["cis-5.32"] == ["/var/run/docker.sock is mounted"]
    assert told["cis-5.9"] == ["it publishes port 8080"]
    assert {
        *("cis-4.1", "cis-5.4", "cis-5.6", "cis-5.9", "cis-5.11", "cis-5.12", "cis-5.13"),
        *("cis-5.14", "cis-5.16", "cis-5.27", "cis-5.29", "cis-5.30", "cis-5.32"),
    } <= set(told)


def host(**changes: Any) -> Callable[[Json], None]:
    return lambda parts: container(parts)["HostConfig"].update(changes)


def config(**changes: Any) -> Callable[[Json], None]:
    return lambda parts: container(parts)["Config"].update(changes)


def mounted(**mount: str) -> Callable[[Json], None]:
    base = {"Type": "bind", "Destination": "/x", "Propagation": "rprivate"}
    return lambda parts: container(parts)["Mounts"].append(base | mount)


def published(port: str) -> Callable[[Json], None]:
    def change(parts: Json) -> None:
        place = [{"HostIp": "127.0.0.1", "HostPort": port}]
        container(parts)["NetworkSettings"]["Ports"] = {"80/tcp": place}

    return change


WORSE: dict[str, tuple[Callable[[Json], object], str]] = {
    "cis-4.1 root": (config(User="0:0"), "it runs as 0:0"),
    "cis-4.1 nobody named": (config(User=""), "it runs as root"),
    "cis-5.4 not dropped": (host(CapDrop=[]), "not all are dropped"),
    "cis-5.4 added": (host(CapAdd=["CAP_NET_RAW"]), "it has CAP_NET_RAW"),
    "cis-5.5": (host(Privileged=True), "privileged"),
    "cis-5.6": (mounted(Source="/etc/ssh"), "/etc/ssh is mounted"),
    "cis-5.6 root": (mounted(Source="/"), "/ is mounted"),
    "cis-5.6 Docker": (mounted(Source="/var/lib/docker"), "/var/lib/docker is mounted"),
    "cis-5.10": (host(NetworkMode="host"), "NetworkMode is host"),
    "cis-5.11": (host(Memory=0), "no limit (Memory)"),
    "cis-5.12": (host(NanoCpus=0), "no limit (NanoCpus or CpuShares)"),
    "cis-5.13": (host(ReadonlyRootfs=False), "its root can be written"),
    "cis-5.15": (host(RestartPolicy={"Name": "always"}), "Docker restarts it (always)"),
    "cis-5.16": (host(PidMode="host"), "PidMode is host"),
    "cis-5.17": (host(IpcMode="host"), "IpcMode is host"),
    "cis-5.18": (host(Devices=[{"PathOnHost": "/dev/sda"}]), "/dev/sda is exposed"),
    "cis-5.20": (mounted(Source="/data", Propagation="rshared"), "/x is shared"),
    "cis-5.21": (host(UTSMode="host"), "UTSMode is host"),
    "cis-5.22": (host(SecurityOpt=["seccomp=unconfined"]), "off"),
    "cis-5.25": (host(CgroupParent="/mine"), "a cgroup of its own"),
    "cis-5.26": (host(SecurityOpt=["no-new-privileges=false"]), "it may gain privileges"),
    "cis-5.27": (config(Healthcheck={"Test": ["NONE"]}), "no health check"),
    "cis-5.29": (host(PidsLimit=None), "no limit (PidsLimit)"),
    "cis-5.31": (host(UsernsMode="host"), "UsernsMode is host"),
    "cis-5.9": (published("8080"), "it publishes port 8080"),
}


@pytest.mark.parametrize("case", WORSE)
def test_a_container_made_worse_fails_that_check_and_no_other(case: str):
    change, problem = WORSE[case]
    check = case.split()[0]
    found = problems(node(change))
    assert problem in found[check]
    assert set(found) == {*ALONE, check}


def test_low_ports_and_ports_on_every_address_are_the_gateways_too():
    def change(parts: Json) -> None:
        one = container(parts)
        one["Config"]["Labels"][cis_containers.SERVICE] = "sophia-prod-gateway"
        one["HostConfig"]["PortBindings"] = {"8443/tcp": [{"HostIp": "", "HostPort": "443"}]}

    told = problems(node(change), "sophia-prod-gateway")
    assert told["cis-5.8"] == ["port 443"]
    assert told["cis-5.14"] == ["port 443 on every address"]
    assert "cis-5.9" not in told


def test_what_the_recording_has_would_pass_if_it_were_otherwise():
    def change(parts: Json) -> None:
        container(parts)["NetworkSettings"]["Networks"] = {"services": {}}
        container(parts)["AppArmorProfile"] = "docker-default"
        parts["images"][0]["Config"]["Healthcheck"] = {"Test": ["CMD", "true"]}

    assert set(problems(node(change))) == {"image-digest"}


def test_dockers_socket_is_a_finding_of_its_own():
    found = problems(node(mounted(Source="/var/run/docker.sock")))
    assert found["cis-5.32"] == ["/var/run/docker.sock is mounted"]


def test_new_privileges_are_forbidden_by_docker_or_by_the_container():
    open = node(host(SecurityOpt=[]), daemon="{}")
    assert "cis-5.26" in problems(open)
    assert "cis-5.26" not in problems(node(host(SecurityOpt=[])))
    assert "cis-5.26" not in problems(
        node(host(SecurityOpt=["no-new-privileges=true"]), daemon="{}")
    )


def test_jobs_are_watched_by_their_exit_status():
    def change(parts: Json) -> None:
        config(Healthcheck={"Test": ["NONE"]})(parts)
        parts["services"][0]["Spec"]["Mode"] = {"ReplicatedJob": {}}

    found = problems(node(change))
    assert "cis-5.27" not in found
    assert "cis-4.6" not in found


def seen(change: Callable[[Json], object] = lambda parts: None) -> dict[str, list[str]]:
    """What is found of services that no container was seen of."""
    (check,) = [one for one in cis_containers.checks([node(change)], NOW) if one.name == "seen"]
    return {name: list(told) for name, told in check.problems.items() if told}


def test_a_service_that_nothing_is_seen_of_is_no_pass():
    unseen = ["no container of it was seen: nothing of it was checked"]

    def crashed(parts: Json) -> None:
        parts["containers"].remove(container(parts))

    assert seen() == {}
    assert seen(crashed) == {"web": unseen}
    assert seen(lambda parts: parts["services"].clear()) == {"the Swarm": ["it has no services"]}

    def of(**mode: Any) -> Callable[[Json], None]:
        def change(parts: Json) -> None:
            crashed(parts)
            parts["services"][0]["Spec"]["Mode"] = mode

        return change

    assert seen(of(Global={})) == {"web": unseen}
    assert seen(of(ReplicatedJob={"TotalCompletions": 1})) == {}
    assert seen(of(Replicated={"Replicas": 0})) == {}


def test_an_image_gets_old():
    assert "cis-4.4" not in problems(node(), now=MADE + timedelta(days=60))
    late = problems(node(), now=MADE + timedelta(days=61, hours=1))
    assert late["cis-4.4"] == [
        "its image is 61 days old: set images.refresh, or a newer one where it is not ours"
    ]
    unknown = problems(node(lambda parts: parts["images"].clear()))
    assert unknown["cis-4.4"] == ["nothing is known of its image"]


def test_an_image_without_a_digest_may_become_another_one():
    def change(parts: Json) -> None:
        spec = parts["services"][0]["Spec"]["TaskTemplate"]["ContainerSpec"]
        spec["Image"] = "registry.example/web:1@sha256:" + "0" * 64

    assert "image-digest" not in problems(node(change))
