"""The lines of a node's containers, from the files that Docker's driver json-file keeps.

Docker renames a full file and starts another; those that are open here are read to their end, even
after Docker has removed them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sophia_logs.lines import LONGEST, Line, Moments, nanoseconds

FOLDER = Path("/var/lib/docker/containers")
_MOST_BYTES = 1024 * 1024
"""Of one read, about."""
_SLICE = 64 * 1024
_MOST_FILES = 2000
_ID = re.compile(r"[0-9a-f]{64}")
DISORDER = 30 * 10**9
"""Nanoseconds by which lines may be in the wrong order: what is older than that before the newest
line of a store is there."""


@dataclass
class Had:
    """What a store has of a container. newest: moment of the last line, 0 for none. times: of the
    lines up to DISORDER before it."""

    newest: int = 0
    times: Moments = field(default_factory=Moments)
    _reached: bool = False

    def takes(self, at: int) -> bool:
        """Whether the next line, of that moment, is there; each counts once."""
        # What follows the newest line is new, though a clock that was set back dates it earlier.
        self._reached |= at >= self.newest
        return self.times.take(at) or (not self._reached and at < self.newest - DISORDER)


class _File:
    """An open file of a container."""

    def __init__(self, path: Path, container: str, service: str) -> None:
        self.container, self.service = container, service
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        about = os.fstat(self._descriptor)
        self.key, self._changed = (about.st_dev, about.st_ino), about.st_mtime_ns
        self._full = path.suffix != ".log"
        self.listed = self.fresh = True
        self.given_up = False
        self._rest = b""

    def skip(self, had: Had) -> None:
        """Nothing is new of a full file that was last written that long ago."""
        if self._full and self._changed < had.newest - DISORDER:
            os.lseek(self._descriptor, 0, os.SEEK_END)
        self.fresh = False

    def read(self) -> list[bytes]:
        """The next lines; [] at its present end."""
        while data := os.read(self._descriptor, _SLICE):
            *lines, self._rest = (self._rest + data).split(b"\n")
            if lines:
                return lines
        return []

    def rest(self) -> int:
        """How many lines are left. They can't be read afterwards."""
        count = 0
        while data := os.read(self._descriptor, _SLICE):
            count += data.count(b"\n")
        return count

    def close(self) -> None:
        os.close(self._descriptor)


class Follower:
    """Reads for one store. had: what it has of a container; may raise, then nothing is lost.
    dropped: lines that were never read, as too many files waited.

    One thread looks, another one reads: a store that answers late keeps nobody from opening files.
    """

    def __init__(self, had: Callable[[str], Had], folder: Path = FOLDER) -> None:
        self._ask, self._folder = had, folder
        self.dropped = 0
        self._had: dict[str, Had] = {}
        self._files: dict[tuple[int, int], _File] = {}
        self._begun: dict[tuple[str, str], tuple[int, str]] = {}
        self._found: list[Line] = []

    def look(self) -> None:
        """Opens what is new. What is open can be read, whatever becomes of it. Raises OSError: it
        can't be opened, though it is there."""
        listed = set()
        for container, path in _paths(self._folder):
            try:
                about = path.stat()
                key = (about.st_dev, about.st_ino)
                if key not in self._files:
                    file = _File(path, container[:12], _service(path.parent))
                    key = file.key
                    if self._files.setdefault(key, file) is not file:  # renamed meanwhile
                        file.close()
                listed.add(key)
            except FileNotFoundError:  # removed or renamed meanwhile: the next look sees it
                continue
        gone = [(key, file) for key, file in list(self._files.items()) if key not in listed]
        for place, (_, file) in enumerate(gone):
            file.listed, file.given_up = False, place < len(self._files) - _MOST_FILES

    def read(self) -> list[Line]:
        """The next lines that the store hasn't; [] if there are none now."""
        size = 0
        for key, file in list(self._files.items()):
            if file.given_up:
                self.dropped += file.rest()
                self._drop(key)
                continue
            last = not file.listed
            if file.container not in self._had:
                self._had[file.container] = self._ask(file.container)
            had = self._had[file.container]
            if file.fresh:
                file.skip(had)
            while size < _MOST_BYTES and (read := file.read()):
                size += sum(map(len, read))
                self._found += (line for line in self._lines(file, read) if not had.takes(line.at))
            if size < _MOST_BYTES and last:
                self._drop(key)
        found, self._found = self._found, []
        return found

    def _lines(self, file: _File, read: list[bytes]) -> Iterator[Line]:
        for raw in read:
            try:
                entry = json.loads(raw)
                text, stream, at = entry["log"], entry["stream"], nanoseconds(entry["time"])
            except (ValueError, KeyError, TypeError):  # cut when the machine lost power
                continue
            began, before = self._begun.pop((file.container, stream), (at, ""))
            text = before + text
            # Docker splits a line into pieces of 16 KiB.
            if text.endswith("\n") or len(text) >= LONGEST:
                text = text.removesuffix("\n")[:LONGEST]
                yield Line(file.container, file.service, began, stream, text)
            else:
                self._begun[file.container, stream] = (began, text)

    def _drop(self, key: tuple[int, int]) -> None:
        gone = self._files.pop(key)
        gone.close()
        if not any(file.container == gone.container for file in list(self._files.values())):
            self._had.pop(gone.container, None)
            for begun in [begun for begun in self._begun if begun[0] == gone.container]:
                del self._begun[begun]


def _paths(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each container's files, the oldest first."""
    for container in sorted(os.listdir(folder)):
        if not _ID.fullmatch(container):
            continue
        name = f"{container}-json.log"
        try:
            names = [found for found in os.listdir(folder / container) if found.startswith(name)]
        except OSError:
            continue
        for found in sorted(names, key=lambda found: (len(found), found), reverse=True):
            yield container, folder / container / found


def _service(folder: Path) -> str:
    """The Swarm service of the container with this folder, else the container's name."""
    try:
        about = json.loads((folder / "config.v2.json").read_bytes())
    except (OSError, ValueError):
        return ""
    labels = about.get("Config", {}).get("Labels") or {}
    return str(labels.get("com.docker.swarm.service.name") or about.get("Name", "")).lstrip("/")
