"""Build contexts on this machine's disk: sources and Python packages, assembled once per
content.

Everything is written under a temporary name and renamed when complete, so a killed run leaves
nothing half-done behind, and two runs at once do no harm. No pulumi here.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.plan import image_context as plan


class ImageError(Exception):
    """An image that can't be built: its folder is wrong, or pip can't install its packages."""


def read(directory: Path, base: str, packages: Sequence[str] = ()) -> plan.BuildContext:
    """What an image is made of, on top of `base`: the sources below a folder with a Dockerfile, or
    a server of the catalog, whose Dockerfile is in `base/` beside it. A link stands for its file.
    packages: Debian packages, for a server.

    Raises ImageError with all errors at once.
    """
    sources = []
    faults = [] if directory.is_dir() else ["the folder doesn't exist"]
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory).as_posix()
        if not plan.is_source(relative):
            continue
        if path.is_symlink() and not _is_beside(path, directory):
            faults.append(f"{relative} is a link to no file of this folder or one beside it")
        elif path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            sources.append(plan.Source(relative, path.read_bytes(), executable))
    context = plan.BuildContext(tuple(sources), base)
    if (directory / "server.yaml").is_file():
        shared = directory.parent / "base" / plan.shared_dockerfile(sources)
        dockerfile = shared.read_bytes()
        context = plan.server_context(directory.name, sources, dockerfile, base, packages)
        if not any(source.path == "server.py" for source in sources):
            faults.append("there is no server.py")
    if faults := [*faults, *plan.faults(context)]:
        raise ImageError(f"no image can be built from {directory}: " + "; ".join(faults))
    return context


def _is_beside(link: Path, directory: Path) -> bool:
    return link.is_file() and link.resolve().is_relative_to(directory.parent.resolve())


@dataclass(frozen=True)
class Pull:
    """The credentials with which images are pulled from a registry."""

    server: str
    username: str
    password: str = field(repr=False)


class ImageCache:
    """contexts: staged build contexts, by tag. packages: installed Python packages."""

    def __init__(self, contexts: Path, packages: Path) -> None:
        self._contexts, self._packages = contexts, packages
        self._one_at_a_time = threading.Lock()

    def directory(self, context: plan.BuildContext) -> Path:
        """Where the context is once it is staged."""
        return self._contexts / plan.tag(context)

    def missing_packages(self, context: plan.BuildContext) -> bool:
        """Whether staging it needs a download."""
        return bool(context.requirements) and not self._packages_of(context).is_dir()

    def stage(self, context: plan.BuildContext) -> Path:
        """Assembles the context unless it exists. Blocks, for seconds if packages are fetched.

        Raises ImageError when they can't be fetched.
        """
        target = self.directory(context)
        with self._one_at_a_time:
            if target.is_dir():
                return target
            if self.missing_packages(context):
                _make(self._packages_of(context), lambda fresh: _install(context, fresh))
            _make(target, lambda fresh: self._fill(context, fresh))
        return target

    def have(self, reference: str, pull: Pull) -> None:
        """Pulls an image unless this machine's Docker has it. Blocks.

        Raises ImageError when that fails.
        """
        with self._one_at_a_time:
            if _docker("image", "inspect", reference).returncode == 0:
                return
            with tempfile.TemporaryDirectory() as folder:
                token = base64.b64encode(f"{pull.username}:{pull.password}".encode()).decode()
                config = {"auths": {pull.server: {"auth": token}}}
                (Path(folder) / "config.json").write_text(json.dumps(config))
                done = _docker("--config", folder, "pull", "--quiet", reference)
        if done.returncode != 0:
            raise ImageError(f"the base image {reference} can't be pulled: {done.stderr.strip()}")

    def _packages_of(self, context: plan.BuildContext) -> Path:
        return self._packages / plan.packages_key(context.requirements)

    def _fill(self, context: plan.BuildContext, directory: Path) -> None:
        for source in context.sources:
            path = directory / source.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.content)
            path.chmod(0o755 if source.executable else 0o644)
        if context.requirements:
            packages = directory / plan.SITE_PACKAGES
            shutil.copytree(self._packages_of(context), packages, copy_function=_link_or_copy)
        if any(source.path == plan.GO_MODULE for source in context.sources):
            _trusted(directory / plan.AUTHORITIES)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError("there is no docker command: install Docker's client") from None


def _make(target: Path, fill: Callable[[Path], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Even inside a repository, it is no part of it.
    (target.parent / ".gitignore").write_text("*\n")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as scratch:
        fresh = Path(scratch) / target.name
        fresh.mkdir()
        fill(fresh)
        _open_to_all(fresh)
        try:
            fresh.rename(target)
        except OSError:
            if not target.is_dir():  # else another run was faster, with the same content
                raise


def _open_to_all(folder: Path) -> None:
    """An image's processes are users of their own, whom a umask such as 077 or 027 keeps out."""
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)


def _install(context: plan.BuildContext, directory: Path) -> None:
    requirements = directory.parent / plan.REQUIREMENTS
    requirements.write_text(context.requirements)
    done = subprocess.run(
        [sys.executable, "-m", "pip", *plan.pip_install(str(requirements), str(directory))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise ImageError(
            f"pip could not install the packages (exit status {done.returncode}):\n{said}"
        )
    # Commands that packages bring start this machine's Python.
    shutil.rmtree(directory / "bin", ignore_errors=True)


def _trusted(target: Path) -> None:
    """The certificates that this machine trusts, as a company's proxy has its own."""
    known = ssl.get_default_verify_paths().cafile
    target.write_bytes(Path(known).read_bytes() if known else b"")


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
