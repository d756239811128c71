"""What a platform that is down leaves on the machine: lists and removes it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.needs import GIB
from ops.progress import say
from simulator import engine, images, packages, process
from simulator.docker import docker
from simulator.exceptions import DockerError
from toolchain import places

CACHE = Path.home() / ".cache" / "sophia"
"""Python packages of the images (components/images.py), and by default the toolchain."""


@dataclass(frozen=True)
class Left:
    """path: a file or folder that `make purge` removes. what: a description."""

    path: Path
    what: str


def listed(image_count: int | None) -> list[str]:
    """One line for each thing that is left. image_count: None if Docker could not be reached."""
    lines = [f"{left.path} ({_size(left.path)}): {left.what}" for left in _files()]
    if image_count:
        lines.append(f"images in Docker with the label {images.LABEL}: {image_count}")
    if others := other_stacks():
        lines.append(f"{places.state()}: passphrase and state of {', '.join(others)}")
    if installed := packages.installed():
        lines.append(f"Debian packages: {' '.join(installed)} (apt-get purge removes them)")
    return lines


def image_names() -> list[str] | None:
    """This project's images in Docker: their tags, or ids if untagged; None if no engine answers.
    Images that others tagged, or built on ours (labels are inherited), are theirs."""
    if not engine.answers():
        return None
    chosen = ("--all", "--filter", f"label={images.LABEL}", "--quiet", "--no-trunc")
    names = []
    for identity in sorted(set(docker("images", *chosen).split())):
        try:
            image = json.loads(docker("image", "inspect", "--format", "{{json .}}", identity))
        except DockerError as error:
            if "no such image" in str(error).lower():
                continue  # somebody removed it since it was listed
            raise
        label = image["Config"]["Labels"][images.LABEL]
        tags = image["RepoTags"] or []
        names += [tag for tag in tags if _title(tag.rpartition(":")[0]) == _title(label)]
        names += [] if tags else [identity]
    return names


def _title(name: str) -> str:
    """`ai-memory`, for registry.example:5000/sophia/ai-memory and for the label ai_memory."""
    return name.rpartition("/")[2].replace("_", "-")


def remove() -> None:
    """Removes everything that `listed` shows, except other stacks' state and Debian packages."""
    if engine.is_installed():
        with engine.kept(say):
            for name in image_names() or []:
                try:
                    docker("image", "rm", name)
                    say(f"    removed image {name}")
                except DockerError as error:
                    say(f"    kept: image {name}: {str(error).rpartition(' - ')[2]}")
    for left in _files():
        if left.path.is_dir():
            shutil.rmtree(left.path)
        else:
            left.path.unlink()
        say(f"    removed {left.path}")
    if others := other_stacks():
        say(f"    kept: {places.state()}, the passphrase and state of {', '.join(others)}")
    if installed := packages.installed():
        say(f"    kept: Debian packages; to remove them: apt-get purge {' '.join(installed)}")


def other_stacks() -> list[str]:
    """Stacks whose state is in the file backend: it may be the only record of rented machines."""
    stacks = (places.state() / "pulumi" / ".pulumi" / "stacks").glob("*/*.json")
    return sorted(f"{path.parent.name}/{path.stem}" for path in stacks)


def _files() -> Iterator[Left]:
    found = [
        Left(CACHE, "Python packages of images"),
        Left(places.cache(), "the Pulumi engine and its plugins"),
        Left(engine.LOG_FILE, "the log of dockerd"),
        Left(process.locks(), "locks"),
    ]
    if not other_stacks():
        found.append(Left(places.state(), "the passphrase of the stack's state"))
    # This process runs from the virtual environment: remove it last.
    found.append(Left(places.ROOT / ".cache", "what images were built from"))
    found.append(Left(places.ROOT / ".venv", "the Python packages of this checkout"))
    seen: list[Path] = []
    for left in found:
        inside = any(left.path.is_relative_to(other) for other in seen)
        if left.path.exists() and not inside:
            seen.append(left.path)
            yield left


def _size(path: Path) -> str:
    """Its size on disk; files with several names count once."""
    inodes: dict[int, int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            inodes[status.st_ino] = status.st_blocks * 512
    size = sum(inodes.values()) if path.is_dir() else path.lstat().st_size
    return f"{size / GIB:.1f} GiB" if size > GIB / 10 else f"{size / (1 << 20):.1f} MiB"
