"""What `make sbom` reads from an image that this machine's Docker has."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.audit import sbom
from simulator import images
from tests.support.docker import docker
from toolchain import build

pytestmark = [pytest.mark.containers, pytest.mark.slow]


def containers(image: str) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}").split()


def actions(image: str, since: float) -> list[str]:
    """What Docker did with containers of an image, oldest first."""
    period = (f"--since={since:.6f}", f"--until={time.time():.6f}")
    chosen = ("--filter", "type=container", "--filter", f"image={image}")
    return docker("events", *period, *chosen, "--format", "{{.Action}}").split()


def test_an_image_is_read_with_the_release_that_it_stands_on():
    found = {(one.type, one.name): one for one in sbom.of_image(images.ensure_base(print))}
    assert found["deb", "libc6"].qualifiers["distro"] == "debian-12"


def test_an_image_that_is_not_here_is_not_pulled():
    with pytest.raises(sbom.NotHere, match=r"registry\.invalid/none:1.*docker pull"):
        sbom.of_image("registry.invalid/none:1")


SOURCES = {
    "go.mod": "module example.com/shop\n\ngo 1.21\n\n"
    "require (\n\texample.com/one v1.2.3\n\texample.com/old v1.0.0\n)\n\n"
    "replace example.com/old v1.0.0 => example.com/new/v2 v2.5.0\n",
    "main.go": "package main\n\nimport (\n"
    '\t_ "example.com/old"\n\t_ "example.com/one/deep"\n)\n\nfunc main() {}\n',
    "vendor/modules.txt": "# example.com/old v1.0.0 => example.com/new/v2 v2.5.0\n## explicit\n"
    "example.com/old\n# example.com/one v1.2.3\n## explicit\nexample.com/one/deep\n",
    "vendor/example.com/old/old.go": "package old\n",
    "vendor/example.com/one/deep/deep.go": "package deep\n",
    "Dockerfile": "ARG BASE\nFROM ${BASE}\nCOPY shop /usr/local/bin/\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An image with a program that Go builds, stripped as ours are; what Go tells of it."""
    for path, text in SOURCES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    go, base, tag = build.go(print), images.ensure_base(print), f"sbom-{secrets.token_hex(4)}"
    without_network = {"GOFLAGS": "-mod=vendor", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    folders = {"HOME": str(tmp_path), "GOCACHE": str(tmp_path / "cache"), "CGO_ENABLED": "0"}
    environment = {**os.environ, **without_network, **folders}
    built = [go, "build", "-ldflags", "-s -w", "-trimpath", "-o", "shop", "."]
    subprocess.run(built, cwd=tmp_path, env=environment, check=True)
    told = subprocess.run(
        [go, "version", "-m", "shop"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    shutil.rmtree(tmp_path / "cache")
    docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, str(tmp_path))
    yield tag, told.stdout.split()
    docker("rmi", tag)


def test_the_modules_of_a_program_are_those_that_go_tells_of(shop: tuple[str, list[str]]):
    image, told = shop
    found = {str(one) for one in sbom.of_image(image) if one.type == "golang"}
    assert {"example.com/one", "v1.2.3", "example.com/new/v2", "v2.5.0"} <= set(told)
    assert found == {
        f"pkg:golang/stdlib@{told[1].removeprefix('go')}",
        "pkg:golang/example.com/shop",
        "pkg:golang/example.com/one@v1.2.3",
        "pkg:golang/example.com/new/v2@v2.5.0",
    }


def test_an_image_is_read_without_running_it_and_leaves_no_container(shop: tuple[str, list[str]]):
    image, _ = shop  # this test's own: others use the base at the same time
    since = time.time()
    sbom.of_image(image)
    assert actions(image, since) == ["create", "export", "destroy"]
    assert containers(image) == []
