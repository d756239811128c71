"""The reserved times to send at: in memory, or in a file that a host's processes share.

A shared file is locked while it is read and written (`flock`, released when its holder ends) and
belongs to this user alone. Losing it costs only pace: a damaged file, or one of an earlier boot,
counts as empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

LOCK_SECONDS = 2.0
"""How long another process may hold the lock; it needs microseconds, unless it was stopped."""

HORIZON = 86400.0
"""Seconds; times further ahead in a file mean that it is damaged."""

SIZE = 1 << 20
"""Bytes; a larger file is damaged."""


class Slot(NamedTuple):
    """A time (seconds of the monotonic clock) that a process has reserved, for a launch or not."""

    at: float
    launch: bool
    owner: int = 0


@dataclass
class Book:
    """Who sends when. held_until: nobody sends before, as the API asked."""

    slots: list[Slot] = field(default_factory=list)
    held_until: float = 0.0


class Memory:
    """The book of this process."""

    trouble: str | None = None

    def __init__(self) -> None:
        self._book = Book()
        self._lock = threading.Lock()

    def change(self, work: Callable[[Book], T]) -> T:
        """The result of `work`, which may change the book and has exclusive use of it."""
        with self._lock:
            return work(self._book)


class SharedFile:
    """The book of all processes that were given the same file.

    folders: where it may be, the preferred one first. If none is usable, the book is this
    process's own, and `trouble` says why.
    """

    def __init__(
        self, folders: Sequence[Path], name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._refused: list[str] = []
        self._folders = list(folders)
        self._name = name
        self._clock = clock
        self._own = Memory()
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str | None:
        """Why the book is not shared, or None."""
        if self._folders:
            return None
        return (
            "the pace of calls to Lambda Cloud is not shared with other processes of this host: "
            + "; ".join(self._refused)
        )

    def change(self, work: Callable[[Book], T]) -> T:
        """Like `Memory.change`."""
        with self._lock:
            while self._folders:
                try:
                    with _locked(self._folders[0], self._name) as handle:
                        book = _parsed(os.pread(handle, SIZE, 0), self._clock())
                        result = work(book)
                        raw = _written(book)
                        os.pwrite(handle, raw, 0)
                        os.ftruncate(handle, len(raw))
                        return result
                except OSError as error:
                    self._refused.append(str(error))
                    del self._folders[0]
            return self._own.change(work)


def shared(runtime: str, api_url: str, api_key: str) -> SharedFile:
    """The file of one account. runtime: XDG_RUNTIME_DIR; "" for a temporary folder."""
    account = hashlib.sha256(f"{api_url.rstrip('/')}\n{api_key}".encode()).hexdigest()[:32]
    folders = [Path(tempfile.gettempdir()) / f"sophia-{os.geteuid()}"]
    if runtime:
        folders.insert(0, Path(runtime) / "sophia")
    return SharedFile(folders, f"pace-{account}.json")


@contextlib.contextmanager
def _locked(folder: Path, name: str) -> Iterator[int]:
    """The file, opened and locked. Raises OSError if that fails, or the file must not be
    trusted."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user alone (mode 0700)")
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(folder / name, flags, 0o600)
    try:
        give_up = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{folder / name} stays locked") from None
                time.sleep(0.005)
        yield handle
    finally:
        os.close(handle)


def _parsed(raw: bytes, now: float) -> Book:
    try:
        data = json.loads(raw)
        if data["boot"] != _boot():
            return Book()
        slots = [Slot(float(at), bool(launch), int(owner)) for at, launch, owner in data["slots"]]
        book = Book(slots, float(data["held_until"]))
    except (ValueError, TypeError, KeyError, OverflowError):
        return Book()
    times = [book.held_until, *(slot.at for slot in slots)]
    if not all(math.isfinite(at) and at < now + HORIZON for at in times):
        return Book()
    # A process that has ended no longer sends.
    book.slots = [slot for slot in book.slots if slot.at <= now or _is_alive(slot.owner)]
    return book


def _written(book: Book) -> bytes:
    content = {"boot": _boot(), "held_until": book.held_until, "slots": book.slots}
    return json.dumps(content).encode()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _boot() -> str:
    """Distinguishes boots: the monotonic clock restarts with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
