"""Runs the engine so that it never outlives the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)

INTERRUPT_GRACE = 60.0
"""Seconds for an interrupted engine to end its waits and write its state."""


def die_with_parent(signum: int) -> None:
    """Makes the kernel send `signum` to this process when its parent ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    *,
    quiet: bool = False,
    keep_errors: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Runs to the end; its output is shown, or returned if `quiet`. keep_errors: returns only
    errors.

    An interruption of this process is passed on as SIGINT, so that the engine stops cleanly.
    """
    stream = subprocess.PIPE if quiet else None
    process = subprocess.Popen(
        command,
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.PIPE if keep_errors else stream,
        text=True,
        start_new_session=True,
        preexec_fn=_ends_by_sigint,
    )
    try:
        out, err = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(INTERRUPT_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def _ends_by_sigint() -> None:
    # A script's background jobs ignore it, and children would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(signal.SIGINT)


def command_name(pid: int) -> str | None:
    """The name of a living process, or None; a zombie doesn't count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()  # proc(5): pid (name) state …
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return None if rest.split()[0] == "Z" else name


def ended(pid: int, patience: float) -> bool:
    """Whether a process ends within `patience` seconds."""
    deadline = time.monotonic() + patience
    while command_name(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def interrupted(signum: int, _frame: object) -> None:
    """A signal handler: SIGTERM works like ^C."""
    raise KeyboardInterrupt(signal.Signals(signum).name)


def end_on_sigterm() -> None:
    """Treats SIGTERM, and the death of the `make` that started us, as interruptions."""
    signal.signal(signal.SIGTERM, interrupted)
    die_with_parent(signal.SIGTERM)
    if os.getppid() == 1:
        raise KeyboardInterrupt("the parent is gone")
