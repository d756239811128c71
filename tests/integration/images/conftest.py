"""A registry with TLS and a password, and a small Pulumi program that builds images into it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import images, network, registry
from toolchain import environment

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import pulumi
from components.handles import RegistryHandle
from components.images import Image, ImageArgs, ImageBuilder, ImageBuilderArgs

config = pulumi.Config()
builder = ImageBuilder("images", ImageBuilderArgs(
    registry=RegistryHandle(
        server=config.require("server"), repository="tests", username="sophia",
        password=config.require_secret("password"),
    ),
    private_ca=True,
    packages=Path("packages").absolute(),
))
base = Image("base", ImageArgs(builder, Path("sources/base"), config.require("base")))
pulumi.export("base", base.reference)
for name in ("one", "two"):
    image = Image(name, ImageArgs(builder, Path("sources") / name, base))
    pulumi.export(name, image.reference)
"""


class Program:
    """A project in a separate folder. Commands of the real engine, on a state in that folder."""

    def __init__(self, folder: Path, repository: str, env: dict[str, str]) -> None:
        self.folder, self.repository, self.env = folder, repository, env

    def pulumi(self, *arguments: str, ok: bool = True) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--color=never", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, f"pulumi {' '.join(arguments)}:\n{said}"
        return said

    def output(self, name: str) -> str:
        return self.pulumi("stack", "output", name).strip()

    def forget_images(self) -> None:
        """This machine's Docker no longer has what the program built, and no staged context."""
        shutil.rmtree(self.folder / ".cache", ignore_errors=True)
        listed = subprocess.run(
            ["docker", "images", "--quiet", "--filter", f"reference={self.repository}/*"],
            capture_output=True,
            text=True,
            check=True,
        )
        if identifiers := sorted(set(listed.stdout.split())):
            subprocess.run(
                ["docker", "rmi", "--force", *identifiers], check=True, capture_output=True
            )


@pytest.fixture(scope="module")
def served() -> Iterator[registry.Registry]:
    """The registry, trusted by this machine's Docker while the test runs."""
    name = f"gwtest-{secrets.token_hex(4)}"
    images.ensure_base(print)
    images.ensure(images.REGISTRY, print)
    subnet = network.ensure(f"{name}-net", name)
    with tempfile.TemporaryDirectory() as folder:
        made = registry.Registry(name, str(subnet[5]), secrets.token_hex(8), Path(folder))
        try:
            registry.ensure(made, f"{name}-net")
            registry.trust(made)
            yield made
        finally:
            registry.distrust(name)
            registry.remove(made.container)
            subprocess.run(["docker", "network", "rm", f"{name}-net"], check=True)


@pytest.fixture
def program(tmp_path: Path, served: registry.Registry) -> Iterator[Program]:
    folder = tmp_path / "project"
    (tmp_path / "state").mkdir()
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(
        f"name: images\nruntime: {{name: python, options: {{virtualenv: {ROOT / '.venv'}}}}}\n"
    )
    (folder / "__main__.py").write_text(PROGRAM.format(root=str(ROOT)))
    for name in ("base", "one", "two"):
        (folder / "sources" / name).mkdir(parents=True)
        (folder / "sources" / name / "Dockerfile").write_text(
            f"ARG BASE\nFROM ${{BASE}}\nCOPY text /{name}\n"
        )
        (folder / "sources" / name / "text").write_text(secrets.token_hex(8))
    env = environment() | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_ERROR_OUTPUT_STRING": "1",
    }
    env.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    made = Program(folder, f"{served.server}/tests", {**os.environ, **env})
    made.pulumi("stack", "init", "test")
    made.pulumi("config", "set", "server", served.server)
    made.pulumi("config", "set", "--secret", "password", served.password)
    made.pulumi("config", "set", "base", images.ensure_base(print))
    yield made
    made.forget_images()
