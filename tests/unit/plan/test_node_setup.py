"""The files of every node."""

import json

import pytest

from components.plan.node_setup import files
from providers.swarm.docker_config import GPUS

CA = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n"
CA_FILE = "/etc/docker/certs.d/registry.example:5000/ca.crt"


def made(gpu=False, ca=CA, **more):
    return files(gpu=gpu, registry_server="registry.example:5000", registry_ca=ca, **more)


@pytest.mark.parametrize("gpu", [False, True])
def test_docker_caps_logs_and_knows_nvidia_only_where_there_are_gpus(gpu):
    daemon = json.loads(made(gpu)["/etc/docker/daemon.json"])
    assert daemon["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert ("nvidia" in daemon.get("runtimes", {})) == gpu
    assert (GPUS in daemon.get("node-generic-resources", [])) == gpu
    assert (daemon.get("exec-opts") == ["native.cgroupdriver=cgroupfs"]) == gpu


def test_a_registry_without_a_ca_of_its_own_adds_no_file():
    assert made()[CA_FILE] == CA
    assert CA_FILE not in made(ca="")


def test_sshd_takes_many_sessions_and_docker_is_not_upgraded_by_itself():
    assert "MaxSessions 200" in made()["/etc/ssh/sshd_config.d/10-sophia.conf"]
    assert '"docker"' in made()["/etc/apt/apt.conf.d/52-sophia"]


def test_a_service_keeps_containers_from_what_a_cloud_tells_the_machine():
    unit = made()["/etc/systemd/system/sophia-link-local.service"]
    assert "DOCKER-USER --destination 169.254.0.0/16" in unit
    assert "WantedBy=docker.service" in unit


def test_a_watched_node_reports_and_its_docker_tells_numbers_to_the_node_alone():
    watched, plain = made(watched=True), made()
    assert set(watched) - set(plain) == {
        "/usr/local/lib/sophia/node_report.py",
        "/etc/systemd/system/sophia-report.service",
    }
    assert json.loads(watched["/etc/docker/daemon.json"])["metrics-addr"] == "127.0.0.1:9323"
    assert "metrics-addr" not in json.loads(plain["/etc/docker/daemon.json"])
    program = "ExecStart=/usr/bin/python3 -I -S /usr/local/lib/sophia/node_report.py"
    assert program in watched["/etc/systemd/system/sophia-report.service"]
