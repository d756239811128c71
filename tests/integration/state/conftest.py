"""A bucket of S3 (moto) as a backend, and a stack with a state in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolchain
from ops.stack import Stack
from tests.support import s3
from tests.support.checkout import ROOT

PROJECT = f"name: sophia\nruntime: {{name: python, options: {{virtualenv: {ROOT / '.venv'}}}}}\n"
PROGRAM = """\
import pulumi
group = pulumi.ComponentResource("sophia:index:Group", "group")
inside = pulumi.ResourceOptions(parent=group)
one = pulumi.ComponentResource("sophia:index:One", "one", None, inside)
pulumi.export("one", one.urn)
pulumi.export("token", pulumi.Config().require_secret("token"))
"""
SECRET = "correct-horse"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Stack]:
    """Stack prod in a folder, after an `up`."""
    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOPHIA_HOME", str(folder / "home"))
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "passphrase").write_text("of a test")
        environment = {
            **os.environ,
            **toolchain.environment(toolchain.ensure()),
            "PULUMI_BACKEND_URL": in_folder(folder, "old"),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        for command in (
            "stack init prod",
            f"config set --secret token {SECRET}",
            "up --yes --skip-preview",
        ):
            by_hand(f"pulumi --non-interactive {command}", environment, folder)
        yield Stack("prod", "sophia", environment, folder, ours=False)


def in_folder(folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return f"file://{folder / name}"


def by_hand(command: str, environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a separate bucket, as a Pulumi backend."""
    with s3.bucket() as made:
        yield made.backend
