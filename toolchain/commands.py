"""Runs commands that may take minutes, with a progress line now and then."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolchain.errors import BuildFailed

Say = Callable[[str], None]

EVERY = 30.0
"""Seconds between two lines about the same command."""


def run(
    what: str,
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    say: Say,
    timeout: float = 3600.0,
) -> str:
    """Runs to the end and returns its standard output.

    what: for example "building the Pulumi engine"; shown every half minute with the elapsed time.
    Raises BuildFailed with the last lines of its output.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        try:
            while True:
                left = timeout - (time.monotonic() - began)
                try:
                    process.wait(max(0.0, min(EVERY, left)))
                    break
                except subprocess.TimeoutExpired:
                    if left <= 0:
                        raise BuildFailed(f"{what}: not done after {clock(timeout)}") from None
                    say(f"{what} … {clock(time.monotonic() - began)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        if process.returncode:
            last = "\n".join((out.read() + err.read()).strip().splitlines()[-20:])
            raise BuildFailed(f"{what}: {command[0]} exited with {process.returncode}:\n{last}")
        return out.read()


def clock(seconds: float) -> str:
    """Elapsed time such as 4m30s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
