"""Debian packages that the simulator needs, installed where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from simulator.exceptions import SimulatorError

NEEDED_FOR = {
    "dockerd": ("docker.io", "the Docker engine"),
    "docker": ("docker.io", "the Docker engine"),
    "mmdebstrap": ("mmdebstrap", "building images"),
}


def missing(commands: Iterable[str]) -> list[str]:
    """Those of the commands that are not on PATH."""
    return [command for command in commands if shutil.which(command) is None]


def ensure(commands: Iterable[str], log: Path) -> None:
    """Install what provides the commands; a no-op where all are there.

    Raises SimulatorError naming all that is missing when this may not or can't be done.
    """
    absent = missing(commands)
    if not absent:
        return
    wanted = sorted({NEEDED_FOR[command][0] for command in absent})
    listed = ", ".join(f"{command} ({NEEDED_FOR[command][1]})" for command in absent)
    by_hand = f"install it (apt-get install {' '.join(wanted)}) and run this again"
    if os.geteuid() != 0:
        raise SimulatorError(f"missing: {listed}; not root, so it can't be installed: {by_hand}")
    if shutil.which("apt-get") is None:
        raise SimulatorError(f"missing: {listed}; there is no apt-get to install it: {by_hand}")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        for words in (("update",), ("install", "--yes", "--no-install-recommends", *wanted)):
            done = subprocess.run(
                [*apt, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
            if done.returncode:
                raise SimulatorError(
                    f"missing: {listed}; `apt-get {words[0]}` failed ({done.returncode}), "
                    f"see {log}: {by_hand}"
                )
