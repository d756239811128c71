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
import secrets
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from components.image_cache import ImageCache, read
from components.plan import gateway as plan
from simulator import images
from tests.support.docker import docker, nodes
from tests.support.gateway import HOST, TOKEN, Gateway, platforms_certificate, trusting, write_files
from tests.support.killing import descendants
from tests.support.load import Target, load
from tests.support.mcp_process import free_port
from tests.support.polling import until
from toolchain import places

ROOT = Path(__file__).parents[1]
THROUGHPUT, SLOWEST = 0.9, 1.5
"""The gateway's targets, relative to the direct calls' rate and 99th percentile."""
CLIENTS, ROUNDS, SECONDS = 8, 5, 10.0
UNLIMITED = 1_000_000
"""Calls that one caller may make: here one client stands for many."""
IDLE = 30.0
"""Seconds for which an idle platform is watched."""


def main() -> int:
    """Prints everything; returns the exit status. Takes three minutes."""
    with tempfile.TemporaryDirectory() as folder, behind_a_gateway(Path(folder)) as targets:
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


@contextlib.contextmanager
def behind_a_gateway(folder: Path) -> Iterator[dict[str, Target]]:
    """A call's address, directly and through the gateway."""
    prefix = f"bench-{secrets.token_hex(4)}"
    network, base = f"{prefix}-net", images.ensure_base(print)
    pem, authority = platforms_certificate()
    write_files(folder, prefix, pem, [HOST, "127.0.0.1"], ["toy"], UNLIMITED)
    direct, through = free_port(), free_port()
    try:
        docker("network", "create", network)
        server = built(f"{prefix}-server", ROOT / "mcp_catalog" / "base", base, folder)
        image = built(f"{prefix}-gateway", ROOT / "images" / "gateway", base, folder)
        service = f"tasks.{prefix}-toy"
        docker(
            *("run", "--detach", "--init", "--name", f"{prefix}-toy", "--network", network),
            *("--network-alias", service, "--cpus", "0.5", "--memory", "192m"),
            *("--publish", f"127.0.0.1:{direct}:8000", "--env", "LOG_LEVEL=WARNING"),
            *("--env", f"MCP_ALLOWED_HOSTS={service},127.0.0.1"),
            *("--volume", f"{ROOT}/tests/unit/sophia_mcp/toy_server.py:/opt/toy_server.py:ro"),
            *(server, "python", "/opt/toy_server.py"),
        )
        published = ("--publish", f"127.0.0.1:{through}:{plan.PORT}")
        gateway = Gateway(
            prefix, network, image, base, folder, trusting(authority), options=published
        )
        gateway.start()
        until(gateway.healthy, lambda seen: seen == {"toy": 1}, "the replica")
        arguments = {"a": 1, "b": 2}
        yield {
            "direct": Target(f"http://127.0.0.1:{direct}/mcp", "add", arguments),
            "gateway": Target(
                f"https://127.0.0.1:{through}/mcp/toy", "add", arguments, authority, TOKEN
            ),
        }
    finally:
        left = docker("ps", "--all", "--quiet", "--filter", f"name={prefix}").split()
        docker("rm", "--force", *left, ok=False)
        docker("network", "rm", network, ok=False)
        docker("rmi", "--force", f"{prefix}-server", f"{prefix}-gateway", ok=False)


def built(tag: str, directory: Path, base: str, folder: Path) -> str:
    cache = ImageCache(folder / "contexts", places.cache() / "image-packages")
    context = cache.stage(read(directory, base))
    docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, str(context))
    return tag


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
