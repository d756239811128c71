"""Debian packages that the simulator and the tests need, installed if that is allowed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulator.exceptions import SimulatorError
from simulator.process import alone

NEEDED_FOR = {
    "dockerd": (("docker.io",), "the Docker engine"),
    "docker": (("docker-cli", "docker.io"), "the Docker client"),
    "mmdebstrap": (("mmdebstrap", "debian-archive-keyring"), "building images"),
    "newuidmap": (("uidmap",), "building images without root"),
    "chromium": (("chromium",), "tests of pages"),
}
"""By command: Debian packages and their purpose. Since Debian 13 `docker-cli` is separate."""

OPTIONAL = frozenset({"docker-cli"})
"""Left out if the distribution has no such package."""

OF_ROOT = "/usr/sbin:/sbin"
"""Folders that Debian leaves out of a user's PATH; dockerd is there."""

RECORD = Path("/var/lib/sophia/packages")
"""The Debian packages that were installed for this project, one per line."""

LOG = RECORD.with_name("packages.log")
"""What apt-get printed."""


def installed() -> list[str]:
    """What was installed for this project on this machine."""
    with contextlib.suppress(OSError):
        return sorted(set(RECORD.read_text().split()))
    return []


def providing(commands: Iterable[str]) -> list[str]:
    """The packages to install for these commands on this distribution, without those it has."""
    named = {package for command in commands for package in NEEDED_FOR[command][0]}
    return sorted(
        package
        for package in named
        if (package not in OPTIONAL or _tells("apt-cache", "show", package))
        and "ok installed" not in _tells("dpkg-query", "--show", "--showformat=${Status}", package)
    )


def _tells(*command: str) -> str:
    """The command's output; empty if it fails or doesn't exist."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def missing(commands: Iterable[str]) -> list[str]:
    """Those of the commands that this machine lacks."""
    return [command for command in commands if where(command) is None]


def where(command: str) -> str | None:
    """The command's path, None if there is none."""
    return shutil.which(command) or shutil.which(command, path=OF_ROOT)


def ensure(commands: Iterable[str], log: Path) -> None:
    """Install what provides the commands, unless all exist. Safe if two run at once.

    Raises SimulatorError with everything that is missing if installing is forbidden or fails.
    """
    commands = list(commands)
    if missing(commands):
        with alone("packages"):
            _install(missing(commands), log)


def _install(absent: Sequence[str], log: Path) -> None:
    if not absent:
        return
    listed = ", ".join(f"{command} ({NEEDED_FOR[command][1]})" for command in absent)
    by_hand = f"install it (apt-get install {' '.join(providing(absent))}) and run this again"
    if os.geteuid() != 0:
        raise SimulatorError(f"missing: {listed}; not root, so it can't be installed: {by_hand}")
    if shutil.which("apt-get") is None:
        raise SimulatorError(f"missing: {listed}; there is no apt-get to install it: {by_hand}")
    log.parent.mkdir(parents=True, exist_ok=True)
    why = f"missing: {listed}"
    _apt(("update",), log, why, by_hand)
    # The distribution's packages are known only after the update.
    wanted = providing(absent)
    _apt(("install", "--yes", "--no-install-recommends", *wanted), log, why, by_hand)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    with RECORD.open("a") as record:
        record.write("".join(f"{package}\n" for package in wanted))


def _apt(words: Sequence[str], log: Path, why: str, by_hand: str) -> None:
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300")
    with log.open("ab") as output:
        done = subprocess.run(
            [*apt, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        raise SimulatorError(
            f"{why}; `apt-get {words[0]}` failed ({done.returncode}), see {log}: {by_hand}"
        )
