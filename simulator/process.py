"""The serving process of a state folder: found by its command line, started, stopped.

It is found in /proc rather than by a pid file, so a lost or damaged folder hides none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 5


def find(folder: Path, revision: str | None = None) -> list[int]:
    """Process ids of the folder's servers, or of those that serve this revision of its settings."""
    wanted = [*_options(folder), *([] if revision is None else [revision])]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if words[1 : len(wanted) + 1] == wanted:
                    found.append(int(entry.name))
    return found


def start(folder: Path, revision: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a server that outlives this process."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *_options(folder), revision],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=Path(__file__).parent.parent,
        )


def stop(folder: Path) -> int:
    """Stop the folder's servers; returns how many there were."""
    running = find(folder)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in find(folder):
            with contextlib.suppress(ProcessLookupError):
                # Killed together with the docker commands that it waits for.
                (os.kill if number == signal.SIGTERM else os.killpg)(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while find(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
    return len(running)


def locks() -> Path:
    """The folder of this user's locks: in memory, if the machine has such a folder."""
    runtime = Path("/run" if os.geteuid() == 0 else f"/run/user/{os.geteuid()}")
    if os.access(runtime, os.W_OK):
        return runtime / "sophia"
    return Path(tempfile.gettempdir()) / f"sophia-{os.geteuid()}"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold a lock of this user; it is released when the process ends, however it ends."""
    folder = locks()
    folder.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
    handle = os.open(folder / f"{name}.lock", flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _options(folder: Path) -> list[str]:
    return ["-m", "simulator", "serve", "--state", str(folder), "--revision"]
