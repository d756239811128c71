"""What the gateway costs a call, and what an idle platform costs: `python -m bench.mcp`.

One replica of a small server, held to half a core, is called directly and through the gateway, in
turn, by the same clients. Prints calls a second and their 99th percentile, as medians of the
rounds. If the platform is up, the processor time of its machines while nobody calls comes next, by
program. Ends with exit status 1 below THROUGHPUT or above SLOWEST.
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
"""What the gateway has to reach, of the direct calls' rate and 99th percentile."""
CLIENTS, ROUNDS, SECONDS = 8, 5, 10.0
UNLIMITED = 1_000_000
"""Calls a caller may make: one client stands for many."""
IDLE = 30.0
"""Seconds that an idle platform is watched."""


def main() -> int:
    """Prints all of it; the exit status. Takes three minutes."""
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
    """Calls a second, and the 99th percentile of their seconds. Raises where one failed."""
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
    meanwhile counts for the one that started it, as with a health check.
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
    """Name and seconds of a processor, those of ended children included, of each process."""
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
