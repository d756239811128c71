"""SIGKILL during an `up` of six nodes, then another `up`: `python -m bench.kill`.

Machines are only entries of the simulated cloud, as in bench.graph. Each run has its own project
and account. Exits with 1 unless every run leads to exactly six machines, all of them in the state,
and the state has none that the account doesn't.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.killing import descendants
from tests.support.node_stack import NODES, Stack, stack_of

COUNT = 6
LAUNCH_INTERVAL = 0.3
"""Seconds between two launches, so that a kill fits between them."""
PATIENCE = 60.0
"""Seconds to wait for a moment, and for an engine whose provider is dead to end."""

PROVIDER = "providers/lambdalabs"
CREATED = re.compile(r"^ \+ +lambdalabs:index:(\w+) .* created ")


@dataclass(frozen=True)
class Moment:
    """victim: engine or provider. what: an operation of the API, counted by the simulator, or a
    kind of resource that the engine reports as created. number: how many."""

    victim: str
    what: str
    number: int

    def __str__(self) -> str:
        kind = "call" if self.what[0].islower() else "created"
        return f"{self.what} {kind} {self.number}"


MOMENTS = (
    Moment("engine", "listInstanceTypes", 1),
    Moment("engine", "addSSHKey", 1),
    Moment("engine", "InstanceName", 3),
    Moment("engine", "launchInstance", 1),
    Moment("engine", "launchInstance", 3),
    Moment("engine", "launchInstance", 6),
    Moment("engine", "InstanceReady", 3),
    Moment("provider", "listSSHKeys", 1),
    Moment("provider", "launchInstance", 1),
    Moment("provider", "launchInstance", 3),
    Moment("provider", "launchInstance", 6),
    Moment("provider", "InstanceReady", 3),
)


@dataclass(frozen=True)
class Result:
    """known, rented: machines in the state and in the account after the kill. launches: of both
    runs.
    violations: broken promises."""

    known: int
    rented: int
    launches: int
    violations: tuple[str, ...]


HEAD = ("killed", "at", "in the state", "rented", "launches", "then up")
WIDTHS = (10, 28, 14, 8, 10, 0)


def main() -> int:
    """Prints one line for each moment; returns the exit status. Takes a few minutes."""
    _row(HEAD)
    violated = 0
    for moment in MOMENTS:
        result = run(moment)
        violated += bool(result.violations)
        verdict = "; ".join(result.violations) or f"{COUNT} machines, no orphan"
        numbers = map(str, (result.known, result.rented, result.launches))
        _row((moment.victim, str(moment), *numbers, verdict))
    print(f"{len(MOMENTS)} runs, {violated} of them violate it", flush=True)
    return 1 if violated else 0


def run(moment: Moment) -> Result:
    """One `up` whose engine or provider is killed at that moment, and the next one."""
    with tempfile.TemporaryDirectory() as folder, stack_of(Path(folder), NODES) as stack:
        stack.sshds.listen(2 * COUNT)
        stack.cloud.control(
            "PUT", "/capacity", instance_type="gpu_1x_a10", region="us-east-1", count=2 * COUNT
        )
        stack.wanted |= {"count": COUNT, "launch_interval": LAUNCH_INTERVAL}
        stack.calls()
        missed = killed(stack, moment)
        known, rented = len(recorded(stack)), len(stack.rented())
        told = ""
        try:
            stack.up()
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            told = str(failure).strip().splitlines()[-1]
        launches = stack.calls().get("launchInstance", 0)
        promises = {
            f"the moment was missed: {missed}": bool(missed),
            f"up failed: {told}": bool(told),
            **broken(set(stack.rented()), recorded(stack)),
        }
        violations = tuple(text for text, violated in promises.items() if violated)
        return Result(known, rented, launches, violations)


def broken(rented: set[str], known: set[str]) -> dict[str, bool]:
    """Violations among the machines that are billed and those in the state."""
    return {
        f"{len(rented)} machines, expected {COUNT}": len(rented) != COUNT,
        f"orphans: {sorted(rented - known)}": bool(rented - known),
        f"in the state and gone: {sorted(known - rented)}": bool(known - rented),
    }


def recorded(stack: Stack) -> set[str]:
    """Ids of the machines in the state."""
    exported = json.loads(stack("stack", "export"))
    resources = exported["deployment"].get("resources") or []
    return {one["id"] for one in resources if one["type"] == "lambdalabs:index:Instance"}


def killed(stack: Stack, moment: Moment) -> str:
    """Kills at the moment; returns why that was impossible, or "". Leaves the stack unlocked."""
    process = stack.start("up", "--yes", "--skip-preview")
    created: Counter[str] = Counter()
    listening = threading.Thread(target=_listen, args=(process, created))
    listening.start()

    def seen() -> int:
        calls: dict[str, int] = stack.cloud.control("GET", "/calls")
        return calls.get(moment.what, 0) + created[moment.what]

    missed = _strike(process, moment, seen)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        missed = missed or f"the engine continued for {PATIENCE:.0f} s without its provider"
        process.kill()
    listening.join()
    if not missed and process.returncode == 0:
        missed = "the run succeeded"
    if process.returncode == -signal.SIGKILL:
        stack("cancel", "--yes")
    return missed


def _strike(process: subprocess.Popen[str], moment: Moment, seen: Callable[[], int]) -> str:
    deadline = time.monotonic() + PATIENCE
    victims: list[int] = []
    while seen() < moment.number:
        if process.poll() is not None:
            return "the run was over before"
        if time.monotonic() > deadline:
            process.kill()
            return f"not in {PATIENCE:.0f} s"
        # Find them before the moment comes: it is too short to search then.
        victims = victims or _victims(process, moment)
        time.sleep(0.002)
    victims = victims or _victims(process, moment)
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return "" if victims else "no provider ran"


def _victims(process: subprocess.Popen[str], moment: Moment) -> list[int]:
    if moment.victim == "engine":
        return [process.pid]
    return [pid for pid, line in descendants(process.pid).items() if PROVIDER in line]


def _listen(process: subprocess.Popen[str], created: Counter[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if found := CREATED.match(line):
            created[found[1]] += 1


def _row(cells: tuple[str, ...]) -> None:
    print("".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
