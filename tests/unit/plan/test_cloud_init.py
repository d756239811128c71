"""The text that a machine boots with, as cloud-init reads it."""

from pathlib import Path

import yaml

from components.plan.cloud_init import FirstBoot, render

SNAPSHOT = Path(__file__).parent / "cloud-init.snapshot.yaml"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----\n"
BOOT = FirstBoot(user="ubuntu", host_private_key=KEY, host_public_key="ssh-ed25519 AAAA")


def test_the_whole_text():
    """To accept a change: write the new text to the snapshot and read the difference. Machines
    that run never get it: anything that may change belongs to their setup."""
    assert render(BOOT) == SNAPSHOT.read_text()


def test_it_is_cloud_config_that_keeps_the_default_user_and_pins_the_host_key():
    text = render(BOOT)
    assert text.startswith("#cloud-config\n")
    content = yaml.safe_load(text)
    assert content["users"] == ["default"]
    assert content["ssh_keys"] == {"ed25519_private": KEY, "ed25519_public": "ssh-ed25519 AAAA"}
    assert "write_files" not in content
