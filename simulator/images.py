"""Docker images made on this machine from Debian's packages, each once and then found by its tag.

The tag is a hash of the recipe: a changed recipe makes a new image, an unchanged one doesn't.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator import packages
from simulator.docker import docker, exists
from simulator.exceptions import DockerError, SimulatorError
from simulator.process import alone

Progress = Callable[[str], None]
SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Debian's keys, which apt of another distribution doesn't trust; mmdebstrap finds them itself only
where gpg is installed."""
PULLED_BASE = "python:3.11-slim-bookworm"
EVERY = 15.0
"""Seconds between two lines about the same work."""

LABEL = "sophia.image"
"""The label of every image of this project, including those that `pulumi up` builds."""

OPTIONS = (
    "--variant=minbase",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
)


@dataclass(frozen=True)
class Recipe:
    """Debian packages, and a shell script that finishes the file tree at its `$1`."""

    repository: str
    packages: tuple[str, ...]
    script: str = ""

    @property
    def tag(self) -> str:
        """`repository:<hash of everything that makes the image>`"""
        parts = (LABEL, *OPTIONS, SUITE, platform.machine(), *self.packages, self.script)
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"{self.repository}:{digest[:12]}"


BASE = Recipe("sophia-base", ("python3", "python3-venv", "ca-certificates"))
REGISTRY = Recipe("sophia-sim-registry", ("docker-registry", "ca-certificates"))


def base() -> str | None:
    """The base image that already exists, if any."""
    return next((name for name in (PULLED_BASE, BASE.tag) if exists("image", name)), None)


def ensure_base(progress: Progress) -> str:
    """The base of all other images: the official Python one if it can be pulled."""
    found = base()
    if found is not None:
        return found
    try:
        with telling(progress, f"pulling {PULLED_BASE}"):
            docker("pull", "--quiet", PULLED_BASE, timeout=300)
    except DockerError as error:
        progress(f"{PULLED_BASE} can't be pulled: {str(error).splitlines()[-1]}")
        return ensure(BASE, progress)
    return PULLED_BASE


def ensure(recipe: Recipe, progress: Progress) -> str:
    """The recipe's image, built with mmdebstrap unless it exists. Safe if two run at once."""
    tag = recipe.tag
    if not exists("image", tag):
        with alone(tag.replace(":", "-")):
            if not exists("image", tag):
                with telling(progress, f"building image {tag} with mmdebstrap (about a minute)"):
                    docker("tag", _build(recipe), tag)
    return tag


@contextmanager
def telling(progress: Progress, what: str) -> Iterator[None]:
    """Prints what is being done, and now and then that it still is."""
    began, over = time.monotonic(), threading.Event()

    def tell() -> None:
        while not over.wait(EVERY):
            progress(f"{what} … {time.monotonic() - began:.0f} s")

    teller = threading.Thread(target=tell, daemon=True)
    progress(what)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _build(recipe: Recipe) -> str:
    """Build and import; returns the image's id. An image gets a name only if everything
    succeeds."""
    packages.ensure(["mmdebstrap"], packages.LOG)
    with tempfile.TemporaryDirectory(prefix="sophia-image-") as folder:
        # Without root the hook runs as another user, in a user namespace.
        Path(folder).chmod(0o755)
        hook = Path(folder) / "finish"
        hook.write_text(f"#!/bin/sh\nset -eu\n{recipe.script}\n")
        hook.chmod(0o755)
        log = Path(folder) / "log"
        # Ends with this process, even if that is killed.
        command = [
            "setpriv",
            "--pdeathsig",
            "TERM",
            "mmdebstrap",
            *OPTIONS,
            f"--keyring={KEYRING}",
            f"--include={','.join(recipe.packages)}",
        ]
        command += [f"--customize-hook={hook}", SUITE, "-"]
        with log.open("wb") as errors:
            make = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            load = subprocess.run(
                ["docker", "import", "--change", f"LABEL {LABEL}={recipe.repository}", "-"],
                stdin=make.stdout,
                capture_output=True,
                check=False,
            )
            if make.stdout is not None:
                make.stdout.close()
            failed = make.wait()
        image = load.stdout.decode().strip()
        if failed:
            if image:
                docker("image", "rm", image)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SimulatorError(f"mmdebstrap could not make {recipe.tag} ({failed}):\n{tail}")
        if load.returncode:
            raise DockerError(f"docker import failed: {load.stderr.decode().strip()}")
        return image
