"""Killing an `up` on its way, as a power cut would: whole and without a word."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.checkout import Checkout
from tests.support.polling import until


def killed_up(checkout: Checkout, begun: Callable[[Path], list[str]]) -> None:
    """An `ops up` that is killed as soon as `begun` sees something."""
    process = checkout.start("ops", "up")
    try:
        until(
            lambda: begun(checkout.home) or process.poll() is not None,
            bool,
            f"first of the {begun.__name__}",
            seconds=900,
        )
    finally:
        output = kill_everything(process)
    assert begun(checkout.home), f"none of the {begun.__name__}; ops up said:\n{output[-6000:]}"


def kill_everything(process: subprocess.Popen[str]) -> str:
    """SIGKILL to everything that `make up` started, whatever their sessions.

    Returns its output.
    """
    for pid in [process.pid, *descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return process.communicate()[0]


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process started, and those that they did: their command lines."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    children: dict[int, dict[int, str]] = {}
    for line in listed.stdout.splitlines():
        child, parent, command = line.split(maxsplit=2)
        children.setdefault(int(parent), {})[int(child)] = command
    found: dict[int, str] = {}
    family = [pid]
    while family:
        young = {
            child: command for one in family for child, command in children.get(one, {}).items()
        }
        found |= young
        family = list(young)
    return found
