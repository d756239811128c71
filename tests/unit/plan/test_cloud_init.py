"""The text that makes a machine ready, as cloud-init and Docker read it."""

import json
from pathlib import Path

import pytest
import yaml

from components.plan.cloud_init import FirstBoot, render

SNAPSHOT = Path(__file__).parent / "cloud-init.snapshot.yaml"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----\n"
CA = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n"


def boot(**changes) -> FirstBoot:
    values = {
        "user": "ubuntu",
        "host_private_key": KEY,
        "host_public_key": "ssh-ed25519 AAAA",
        "registry_server": "registry.example:5000",
        "registry_ca": CA,
        "gpu": False,
    }
    return FirstBoot(**{**values, **changes})


def test_the_whole_text():
    """To accept a change: write the new text to the snapshot and read the difference."""
    assert render(boot()) == SNAPSHOT.read_text()


def files(text):
    return {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}


def test_it_is_cloud_config_that_keeps_the_default_user_and_pins_the_host_key():
    text = render(boot())
    assert text.startswith("#cloud-config\n")
    content = yaml.safe_load(text)
    assert content["users"] == ["default"]
    assert content["ssh_keys"] == {"ed25519_private": KEY, "ed25519_public": "ssh-ed25519 AAAA"}


@pytest.mark.parametrize("gpu", [False, True])
def test_docker_caps_logs_and_knows_nvidia_only_where_there_are_gpus(gpu):
    daemon = json.loads(files(render(boot(gpu=gpu)))["/etc/docker/daemon.json"])
    assert daemon["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert ("nvidia" in daemon.get("runtimes", {})) == gpu
    assert (daemon.get("exec-opts") == ["native.cgroupdriver=cgroupfs"]) == gpu


def test_a_registry_without_a_ca_of_its_own_adds_no_file():
    path = "/etc/docker/certs.d/registry.example:5000/ca.crt"
    assert files(render(boot()))[path] == CA
    assert path not in files(render(boot(registry_ca="")))
