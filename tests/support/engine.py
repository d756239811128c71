"""The real engine, as an operator or a runner calls it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """The output of `pulumi …` in that folder; if the engine fails, this fails with the output."""
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
