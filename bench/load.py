"""Where calls begin to fail, and what is full first: `python -m bench.load [SECONDS]`.

More and more callers at once call a tool that waits for nothing: first one replica directly, then
one, two and four of them through the gateway, with the limits that both have on the platform.
Each caller has a token of its own, and sends the next call when the last one is answered. A ramp
ends with the first call that fails, or above SLOWEST. SECONDS: what a step takes, 3 by default.
Two minutes altogether.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import behind
from bench.mcp import used
from components.plan import gateway as plan
from tests.support.docker import docker
from tests.support.killing import descendants
from tests.support.load import Call, Target, load
from tests.support.polling import eventually

REPLICAS = (1, 2, 4)
CALLERS = tuple(2**power for power in range(9))
SECONDS = 3.0
SLOWEST = 1.0
"""Seconds that 95 of 100 calls may take."""
CPUS = 0.25
"""Of a replica, as most servers of the catalog have."""
GATEWAY = plan.workload("gateway", "bench", plan.PORT, ()).resources.cpus


@dataclass(frozen=True)
class Step:
    """What so many callers got. p50, p95: seconds. failures: how often, by kind.

    cores: how many each part kept busy. memory_mb: resident, of `server` (each replica) and
    `gateway`.
    """

    callers: int
    calls_per_s: float
    p50: float
    p95: float
    failures: Mapping[str, int]
    cores: Mapping[str, float]
    memory_mb: Mapping[str, float]


def ends(step: Step) -> str:
    """Why a ramp ends with this step, or ""."""
    if step.failures:
        return f"{sum(step.failures.values())} calls failed"
    return f"p95 above {SLOWEST:g} s" if step.p95 > SLOWEST else ""


def best(ramp: Sequence[Step]) -> Step:
    """The step of most calls a second without a failure; of all, if there is none."""
    return max(
        [step for step in ramp if not step.failures] or ramp, key=lambda one: one.calls_per_s
    )


def fullest(step: Step, limits: Mapping[str, float]) -> tuple[str, float]:
    """The part that used most of what it may, and that share. limits: cores."""
    shares = {part: step.cores[part] / limit for part, limit in limits.items()}
    part = max(shares, key=lambda one: shares[one])
    return part, shares[part]


def kind(fault: str) -> str:
    """A status, or what the client raised."""
    return fault.partition(" ")[0].partition("(")[0]


@dataclass(frozen=True)
class Ramp:
    """limits: cores that each part may use."""

    way: str
    limits: Mapping[str, float]
    steps: Sequence[Step]


def main() -> None:
    """Prints a line for each step, and then what each ramp came to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # what runs is cleared away
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    tokens = [secrets.token_urlsafe(16) for _ in range(CALLERS[-1])]
    callers = {plan.digest(one): plan.Caller(f"caller-{n}") for n, one in enumerate(tokens)}
    limit = ("--cpus", str(GATEWAY))
    with (
        tempfile.TemporaryDirectory() as folder,
        behind.gateway(Path(folder), CPUS, callers=callers, options=limit) as stand,
    ):
        print(f"load average {os.getloadavg()[0]:.1f}, of all that runs on this machine")
        directly = [stand.replica()] * len(tokens)
        ramps = [_ramp(stand, "1 called directly", directly, {}, seconds)]
        through = [stand.through(token) for token in tokens]
        for count in REPLICAS:
            while len(stand.replicas) < count:
                stand.replica()
            way = f"{count} behind the gateway"
            ramps.append(_ramp(stand, way, through, {"gateway": GATEWAY}, seconds))
    print(f"\nload average {os.getloadavg()[0]:.1f}")
    for ramp in ramps:
        print(_outcome(ramp, best(ramps[0].steps).calls_per_s))


def _ramp(
    stand: behind.Behind,
    way: str,
    targets: Sequence[Target],
    limits: Mapping[str, float],
    seconds: float,
) -> Ramp:
    print(f"\n{way}\n{HEAD}", flush=True)
    steps: list[Step] = []
    for callers in CALLERS:
        steps.append(asyncio.run(_step(stand, targets[:callers], seconds)))
        print(_line(steps[-1]), flush=True)
        if ends(steps[-1]):
            break
    servers, machine = CPUS * len(stand.replicas), float(os.cpu_count() or 1)
    return Ramp(way, {"server": servers, "client": 1.0, "machine": machine, **limits}, steps)


HEAD = (
    f"{'callers':>8}{'calls/s':>9}{'p50 ms':>8}{'p95 ms':>8}   ms of a core a call:"
    f"{'server':>8}{'gateway':>9}{'client':>8}   MB:{'server':>8}{'gateway':>9}   failures"
)


def _line(step: Step) -> str:
    server, gateway, client = (
        step.cores[part] / step.calls_per_s * 1000 if step.calls_per_s else 0.0
        for part in ("server", "gateway", "client")
    )
    return (
        f"{step.callers:8}{step.calls_per_s:9.1f}{step.p50 * 1000:8.0f}{step.p95 * 1000:8.0f}"
        f"{'':23}{server:8.2f}{gateway:9.2f}{client:8.2f}{'':6}{step.memory_mb['server']:8.0f}"
        f"{step.memory_mb['gateway']:9.0f}   {_counted(step.failures)}"
    )


def _counted(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {what}" for what, count in failures.items())


def _outcome(ramp: Ramp, directly: float) -> str:
    step, last = best(ramp.steps), ramp.steps[-1]
    part, share = fullest(step, ramp.limits)
    return (
        f"{ramp.way}: {step.calls_per_s:.0f} calls/s with {step.callers} callers,"
        f" {step.calls_per_s / directly:.2f} of one called directly; fullest: {part},"
        f" {share:.0%} of {ramp.limits[part]:g} cores;"
        f" the last step, {last.callers} callers: {ends(last) or 'no failure'}"
    )


async def _step(stand: behind.Behind, targets: Sequence[Target], seconds: float) -> Step:
    """Measured from when each caller has had its first answer."""
    each: list[list[Call]] = []
    over = asyncio.Event()

    async def caller(target: Target) -> None:
        async with load(target, 1) as calls:
            each.append(calls)
            await over.wait()

    async def answered() -> int:
        return sum(map(bool, each))

    running = [asyncio.create_task(caller(target)) for target in targets]
    try:
        await eventually(answered, lambda seen: seen == len(running), "callers with an answer")
        began, before = time.monotonic(), _cores(stand)
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        cores = {part: (value - before[part]) / took for part, value in _cores(stand).items()}
        calls = [call for one in each for call in one if call.began + call.seconds >= began]
        memory = _memory(stand)
    finally:
        over.set()
        await asyncio.gather(*running)
    return _summed(len(targets), calls, took, cores, memory)


def _summed(
    callers: int,
    calls: Sequence[Call],
    took: float,
    cores: Mapping[str, float],
    memory_mb: Mapping[str, float],
) -> Step:
    good = [call.seconds for call in calls if not call.fault]
    percentiles = statistics.quantiles(good, n=20) if len(good) > 1 else [took] * 19
    failures = Counter(kind(call.fault) for call in calls if call.fault)
    rate = len(good) / took
    return Step(callers, rate, percentiles[9], percentiles[18], failures, cores, memory_mb)


def _cores(stand: behind.Behind) -> dict[str, float]:
    """Seconds of a processor that each part has used so far; of the machine, whoever used them."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle = ticks[3] + ticks[4]  # proc(5): idle and iowait
    return {
        "server": sum(seconds for _, seconds in used(stand.replicas).values()),
        "gateway": sum(seconds for _, seconds in used([stand.gateway.name]).values()),
        "client": time.process_time(),
        "machine": (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK"),
    }


def _memory(stand: behind.Behind) -> dict[str, float]:
    return {
        "server": statistics.mean(map(_resident_mb, stand.replicas)),
        "gateway": _resident_mb(stand.gateway.name),
    }


def _resident_mb(container: str) -> float:
    pid = int(docker("inspect", "--format", "{{.State.Pid}}", container))
    pages = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
