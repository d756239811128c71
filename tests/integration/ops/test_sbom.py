"""What `make sbom` reads from an image that this machine's Docker has."""

from __future__ import annotations

import subprocess

import pytest

from ops.audit import sbom
from simulator import images

pytestmark = [pytest.mark.containers, pytest.mark.slow]


def containers(image: str) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={image}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_an_image_is_read_without_running_it_and_leaves_no_container():
    base = images.ensure_base(print)
    before = containers(base)
    found = {(one.type, one.name): one for one in sbom.of_image(base)}
    assert found["deb", "libc6"].qualifiers["distro"] == "debian-12"
    assert containers(base) == before


def test_an_image_that_is_not_here_is_not_pulled():
    with pytest.raises(sbom.NotHere, match=r"registry\.invalid/none:1.*docker pull"):
        sbom.of_image("registry.invalid/none:1")
