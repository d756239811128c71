"""Measures what the gateway costs per call, and an idle platform's load: `python -m bench.mcp`.

The same clients call one replica of a small server, limited to half a core, directly and through
the gateway in turn. Prints calls per second and their 99th percentile, as medians of the rounds.
If the platform is up, it then prints the processor time of its idle machines, by program. Exits
with 1 below THROUGHPUT or above SLOWEST.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench import behind
from tests.support.docker import docker, nodes
from tests.support.killing import descendants
from tests.support.load import Target, load
from toolchain import places

THROUGHPUT, SLOWEST = 0.9, 1.5
"""The gateway's targets, relative to the direct calls' rate and 99th percentile."""
CLIENTS, ROUNDS, SECONDS = 8, 5, 10.0
UNLIMITED = 1_000_000
"""Calls that one caller may make: here one client stands for many."""
IDLE = 30.0
"""Seconds for which an idle platform is watched."""


def main() -> int:
    """Prints everything; returns the exit status. Takes three minutes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        behind.gateway(Path(folder), cpus=0.5, rate=UNLIMITED) as stand,
    ):
        targets = {"direct": stand.replica(), "gateway": stand.through()}
        rounds = [{name: measured(one) for name, one in targets.items()} for _ in range(ROUNDS)]
    rate, slowest = (
        {name: statistics.median(one[name][part] for one in rounds) for name in rounds[0]}
        for part in (0, 1)
    )
    for name in rate:
        print(f"{name:>8}: {rate[name]:7.1f} calls/s, p99 {slowest[name] * 1000:6.1f} ms")
    throughput = rate["gateway"] / rate["direct"]
    latency = slowest["gateway"] / slowest["direct"]
    print(f"gateway / direct: {throughput:.2f} of the calls, {latency:.2f} of the p99")
    if machines := nodes(places.state()):
        print(f"\nidle for {IDLE:.0f} s: per cent of a core")
        spent = idle(machines)
        for program in sorted(spent, key=lambda one: -spent[one])[:12]:
            print(f"{spent[program]:8.2f}  {program}")
    return 0 if throughput >= THROUGHPUT and latency <= SLOWEST else 1


def measured(target: Target) -> tuple[float, float]:
    """Calls per second, and the 99th percentile of their seconds. Raises if one failed."""
    return asyncio.run(_measured(target))


async def _measured(target: Target) -> tuple[float, float]:
    async with load(target, CLIENTS) as calls:
        await asyncio.sleep(SECONDS)
        done = list(calls)
    if faults := [call.fault for call in calls if call.fault]:
        raise RuntimeError(f"{len(faults)} calls failed, the first with {faults[0]}")
    return len(done) / SECONDS, statistics.quantiles((call.seconds for call in done), n=100)[-1]


def idle(machines: list[str]) -> dict[str, float]:
    """Per cent of a core that each program takes on all machines together. A program that ends
    during the measurement, such as a health check, counts for its parent.
    """
    before = used(machines)
    time.sleep(IDLE)
    after = used(machines)
    spent: dict[str, float] = defaultdict(float)
    for pid, (program, seconds) in after.items():
        if pid in before:
            spent[program] += (seconds - before[pid][1]) / IDLE * 100
    spent["altogether"] = sum(spent.values())
    return spent


def used(machines: list[str]) -> dict[int, tuple[str, float]]:
    """Name and processor seconds of each process, including those of ended children."""
    found = {}
    for machine in machines:
        pid = int(docker("inspect", "--format", "{{.State.Pid}}", machine))
        for one in (pid, *descendants(pid)):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{one}/stat").read_text()
                name, _, rest = text.partition("(")[2].rpartition(")")
                ticks = sum(map(int, rest.split()[11:15]))  # proc(5): utime, stime and children's
                found[one] = (name, ticks / os.sysconf("SC_CLK_TCK"))
    return found


if __name__ == "__main__":
    sys.exit(main())
