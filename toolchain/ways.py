"""The ways to an engine, in order of preference, which is decided only here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from toolchain import build, cache, commands, places
from toolchain.choice import Way
from toolchain.commands import Say
from toolchain.errors import BuildFailed, Unavailable

INSTALLER = "https://get.pulumi.com"
PATIENCE = 4.0
"""Seconds for the vendor's installer to answer."""


@dataclass(frozen=True)
class Engine:
    """A folder with `pulumi`; `ours`: whether the host and the plugins are this project's."""

    bin: Path
    version: str
    ours: bool


def ways(say: Say) -> list[Way[Engine]]:
    """Every way to an engine, best first. A built one comes before the network."""
    return [
        Way("found on PATH", f"install Pulumi {build.ENGINE} or newer", on_path),
        Way("made by an earlier run", None, cached),
        Way("from the vendor's installer", f"allow this machine to reach {INSTALLER}", installed),
        Way(
            "built here from Go modules",
            "install Go, and allow the Go module proxy",
            lambda: Engine(build.engine(say), build.ENGINE, ours=True),
        ),
    ]


def on_path() -> Engine:
    """The user's own engine, if its Python language host is beside it or on PATH."""
    path = os.pathsep.join(
        entry
        for entry in os.environ.get("PATH", "").split(os.pathsep)
        if not Path(entry).is_relative_to(places.cache())
    )
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None:
        raise Unavailable("no pulumi on PATH")
    if shutil.which("pulumi-language-python", path=path) is None:
        raise Unavailable(f"{pulumi} has no pulumi-language-python on PATH")
    told = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=False)
    version = told.stdout.strip().removeprefix("v")
    if numbers(version) < numbers(build.ENGINE):
        raise Unavailable(f"{pulumi} is {version or 'unusable'}, {build.ENGINE} or newer is needed")
    return Engine(Path(pulumi).parent, version, ours=False)


def cached() -> Engine:
    """What an earlier run left in the cache."""
    if (vendor := places.cache() / _vendor_name()).is_dir():
        return Engine(vendor / "bin", build.ENGINE, ours=False)
    if (ours := places.cache() / build.engine_name()).is_dir():
        return Engine(ours, build.ENGINE, ours=True)
    raise Unavailable("none in the cache")


def installed() -> Engine:
    """The vendor's installer, into the cache. A refusal is quick and final."""
    try:
        with urllib.request.urlopen(INSTALLER, timeout=PATIENCE) as answer:
            script = answer.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"the vendor's installer can't be reached: {reason}") from None

    def make(folder: Path) -> None:
        (folder / "install.sh").write_bytes(script)
        commands.run(
            f"installing Pulumi {build.ENGINE}",
            [
                *("sh", "install.sh", "--no-edit-path"),
                *("--version", build.ENGINE, "--install-root", str(folder)),
            ],
            cwd=folder,
            environment=os.environ,
            say=lambda line: None,
            timeout=600.0,
        )

    try:
        folder = cache.made(places.cache(), _vendor_name(), make, lambda: None)
    except BuildFailed as failure:
        reason = str(failure).strip().splitlines()[-1]
        raise Unavailable(f"the vendor's installer failed: {reason}") from None
    return Engine(folder / "bin", build.ENGINE, ours=False)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, () when it has none: 3.259.0-dev is (3, 259, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _vendor_name() -> str:
    return f"vendor-{build.ENGINE}"
