"""What people are told when something breaks on real nodes: the right alert, no other, how soon.

Each fault is provoked on a platform with real nodes, and healed. `ALERTS_HOME=DIR` keeps the
platform in a folder, so that `-k` can run a part of them again; `ops down` there removes it.
`ALERTS_QUIET_S=3600` watches an hour of quiet first.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import docker
from tests.support.certificates import issue
from tests.support.mcp_calls import connected
from tests.support.polling import until
from tests.support.watched_platform import Watched, watched

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

PATIENCE = 600.0
"""Seconds for an alert to be delivered, and to be over: five servers' worth of load is no fault."""
TOOK: dict[str, float] = {}
MACHINES = "DiskFilling"
"""All simulated nodes have this machine's disk, which may really be filling."""
HOME = os.environ.get("ALERTS_HOME")
LINGERING: set[str] = {MACHINES, *(["AlertsUndelivered"] if HOME else [])}
"""Alerts that may still be there during the next fault: those that look back over minutes, and
what could not be told while no test ran."""

_FILL = """
import time
def read(*names):
    for name in names:
        try: return open("/sys/fs/cgroup/" + name).read()
        except OSError: pass
limit = int(read("memory.max", "memory/memory.limit_in_bytes"))
def used():
    stats = dict(line.split() for line in read("memory.stat", "memory/memory.stat").splitlines())
    cached = sum(int(stats.get("total_" + name, stats.get(name)))
                 for name in ("inactive_file", "active_file"))
    return int(read("memory.current", "memory/memory.usage_in_bytes")) - cached
kept = []
while SHARE * limit > used():
    kept.append(b"x" * (1 << 20))
time.sleep(900)
"""
_CONNECT = """
import socket, struct, time
kept = []
for _ in range(COUNT):
    one = socket.socket(socket.AF_UNIX)
    one.connect("/tmp/.s.PGSQL.5432")
    words = b"user\\0postgres\\0database\\0sophia\\0\\0"
    one.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
    kept.append(one)
time.sleep(900)
"""
_HOLD_PORT = """
import socket, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try: one.bind(("0.0.0.0", 8443)); break
    except OSError: time.sleep(0.005)
one.listen()
time.sleep(900)
"""
_ODD = "memories_odd"


@dataclass(frozen=True)
class Fault:
    """alert: that people are told of. also: its consequences, of which they may be told, too.

    prepare: what comes before, and may itself be noticed. wanted: seconds until they are told.
    lingers: it is over minutes after the fault is.
    """

    alert: str
    provoke: Callable[[Watched], object]
    heal: Callable[[Watched], object]
    also: frozenset[str] = field(default_factory=frozenset)
    prepare: Callable[[Watched], object] | None = None
    wanted: float = PATIENCE
    lingers: bool = False


def scaled(service: str, replicas: int) -> Callable[[Watched], object]:
    return lambda on: on.swarm("service", "scale", "--detach", f"sophia-dev-{service}={replicas}")


def python(service: str, script: str) -> Callable[[Watched], object]:
    return lambda on: on.inside(service, "python3", "-c", script, detached=True)


def filler_ended(on: Watched) -> None:
    """That process alone: the server in the container runs on."""
    node, _ = on.task("lambda_labs_cli")
    # The last letter in brackets: the search doesn't find itself.
    found = "grep -q 'kept.appen[d]' $one/cmdline 2>/dev/null && kill -9 ${one#/proc/}"
    docker.docker("exec", node, "sh", "-c", f"for one in /proc/[0-9]*; do {found}; done; true")


def by_sql(on: Watched, statement: str) -> str:
    return on.inside("database", "psql", "-qtAU", "postgres", "-d", "sophia", "-c", statement)


def fill_connections(on: Watched) -> None:
    told = by_sql(on, "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL")
    python("database", _CONNECT.replace("COUNT", str(58 - int(told))))(on)


def release_connections(on: Watched) -> None:
    idle = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'"
    by_sql(on, f"{idle} AND pid <> pg_backend_pid()")


def small_disk(on: Watched) -> None:
    """Where Docker has its containers on the worker is a file system of 256 MB from now on."""
    on.on("worker-1", "systemctl", "stop", "docker.socket", "docker")
    on.on("worker-1", "mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", DISK)
    on.on("worker-1", "systemctl", "start", "docker")
    until(
        lambda: docker.tasks(on.checkout.home, "sophia-dev-node-exporter"),
        lambda found: on.node("worker-1") in [node for node, _ in found],
        "the worker's exporter",
        300,
    )


DISK = "/var/lib/docker/containers"


def fail_a_job(on: Watched) -> None:
    image = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    image = on.swarm("service", "inspect", "--format", image, "sophia-dev-gateway")
    on.swarm("service", "create", "--detach", "--mode", "replicated-job", "--quiet",
             "--restart-condition", "none", "--constraint", "node.role == manager",
             "--no-resolve-image", "--entrypoint", "false", "--name", "sophia-dev-broken",
             image)  # fmt: skip


def end_soon(on: Watched) -> None:
    """The gateway gets a certificate of one's own that ends in two days."""
    own = issue("gateway", issue("ca"), dns=("gateway.test",),
                ends=datetime.now(UTC) + timedelta(days=2))  # fmt: skip
    (on.checkout.home / "own.pem").write_text(own.chain)
    (on.checkout.home / "own.key").write_text(own.key_pem)
    files = {
        "SOPHIA_GATEWAY_CERTIFICATE": str(on.checkout.home / "own.pem"),
        "SOPHIA_GATEWAY_PRIVATE_KEY": str(on.checkout.home / "own.key"),
    }
    on.checkout.pulumi("config", "set", "--path", f"{HOSTS}[0]", "gateway.test")
    replace(on.checkout, variables=files).pulumi("up", "--yes", "--skip-preview")


HOSTS = "sophia:gateway.hosts"
"""A pair is refused that isn't valid for the names that clients are given."""


def own_again(on: Watched) -> None:
    on.checkout.pulumi("config", "rm", "--path", HOSTS)
    on.checkout.pulumi("up", "--yes", "--skip-preview")


def crash_calls(on: Watched) -> None:
    """The database refuses what it always took, for a reason that the server doesn't know."""
    by_sql(on, f"ALTER TABLE memories ADD CONSTRAINT {_ODD} CHECK (false) NOT VALID")

    async def calls(outputs: dict[str, Any]) -> None:
        async with connected(outputs, "ai_memory") as client:
            for _ in range(20):
                await client.call_tool("store_memory", {"content": "never kept"})
                await asyncio.sleep(2)

    asyncio.run(calls(on.checkout.outputs()))


def heal_calls(on: Watched) -> None:
    by_sql(on, f"ALTER TABLE memories DROP CONSTRAINT {_ODD}")


def upstream_fails(on: Watched) -> None:
    on.cloud.control("POST", "/faults", operation="listInstanceTypes", effect="error",
                     status=500, times=10_000)  # fmt: skip


def hold_gateways_port(on: Watched) -> None:
    on.on(
        "manager-2", "sh", "-c", f"python3 -c '{_HOLD_PORT}' >/dev/null 2>&1 & echo $! >/run/held"
    )
    name = "label=com.docker.swarm.service.name=sophia-dev-gateway"
    on.on("manager-2", "sh", "-c", f"docker kill $(docker ps -q --filter {name})")


def power(name: str, *, on: bool) -> Callable[[Watched], object]:
    if on:
        return lambda at: at.restart(name)
    return lambda at: at.cloud.control("POST", f"/instances/{at.machine(name)}/power-off")


def on_gpus(script: str) -> Callable[[Watched], object]:
    return lambda on: on.inside("gpu-exporter", "sh", "-c", script)


NODE_GONE = frozenset({"NodeLost", "GpuLost", "ServiceDown", "TaskMissing", "ProbeFails"})
FAULTS = {
    "a server ends and stays so": Fault(
        "ServiceDown", scaled("lambda_labs_cli", 0), scaled("lambda_labs_cli", 1), wanted=60
    ),
    "a process takes more memory than its container may": Fault(
        "OutOfMemory",
        python("ai_memory", _FILL.replace("SHARE", "2")),
        lambda _: None,
        lingers=True,
    ),
    "a container's memory is nearly full": Fault(
        "ContainerMemory",
        python("lambda_labs_cli", _FILL.replace("SHARE", "0.95")),
        filler_ended,
    ),
    "the database is down": Fault(
        "DatabaseDown",
        scaled("database", 0),
        scaled("database", 1),
        also=frozenset({"ServerDegraded", "ProbeFails"}),
    ),
    "most connections of the database are used": Fault(
        "DatabaseConnections", fill_connections, release_connections
    ),
    "a GPU reports an error": Fault(
        "GpuError", on_gpus("echo 79 >/tmp/xid"), on_gpus("rm /tmp/xid")
    ),
    "a GPU is gone": Fault("GpuLost", on_gpus("touch /tmp/lost"), on_gpus("rm /tmp/lost")),
    "a job fails": Fault(
        "JobFailed", fail_a_job, lambda on: on.swarm("service", "rm", "sophia-dev-broken")
    ),
    "a service outside fails": Fault(
        "ServerDegraded",  # which says the same as ProbeFails, and sooner
        upstream_fails,
        lambda on: on.cloud.control("DELETE", "/faults"),
        also=frozenset({"UpstreamAway", "ProbeFails"}),
    ),
    "a gateway is down on one manager": Fault(
        "TaskMissing",
        hold_gateways_port,
        lambda on: on.on("manager-2", "sh", "-c", "kill $(cat /run/held)"),
    ),
    "a tool crashes": Fault("ErrorsAtServer", crash_calls, heal_calls, lingers=True),
    "the certificate ends in two days": Fault("CertificateEndsNow", end_soon, own_again),
    "a disk is full": Fault(
        "DiskFull",
        lambda on: on.on("worker-1", "sh", "-c", f"head -c 250M /dev/zero >{DISK}/full || true"),
        lambda on: on.on("worker-1", "rm", f"{DISK}/full"),
        also=frozenset({"DiskFilling"}),
        prepare=small_disk,
    ),
    "a node is switched off": Fault(
        "NodeLost",
        power("worker-1", on=False),
        power("worker-1", on=True),
        also=NODE_GONE,
        wanted=60,
    ),
    "a manager of three is switched off": Fault(
        "QuorumAtRisk",
        power("manager-3", on=False),
        power("manager-3", on=True),
        also=NODE_GONE | {"DatabaseDown", "ServerDegraded"},
        wanted=60,
    ),
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = Path(HOME) if HOME else tmp_path_factory.mktemp("alerts")
    with watched(folder) as made:
        try:
            yield made
        finally:
            for name, seconds in TOOK.items():
                print(f"{seconds:7.1f} s  {FAULTS[name].alert:20} {name}")
            if not HOME:
                made.checkout.run("ops", "down", seconds=300)


def test_nothing_is_wrong_in_a_time_of_quiet(platform: Watched):
    platform.quiet(PATIENCE, but=frozenset(LINGERING))
    told, end = len(platform.told), time.monotonic() + float(os.environ.get("ALERTS_QUIET_S", "60"))
    until(lambda: time.monotonic() > end, bool, "the end of it", 1e5)
    assert [one for one in platform.told[told:] if one.alert not in LINGERING] == []


@pytest.mark.parametrize("name", FAULTS)
def test_people_are_told_of_it_and_of_its_end(platform: Watched, name: str):
    fault = FAULTS[name]
    if fault.prepare:
        fault.prepare(platform)
    platform.quiet(PATIENCE, but=frozenset(LINGERING))
    before, begun = len(platform.told), time.monotonic()
    fault.provoke(platform)
    try:
        until(lambda: platform.open(), lambda wrong: fault.alert in wrong, fault.alert, PATIENCE)
    finally:
        fault.heal(platform)
    found = [one for one in platform.told[before:] if one.alert == fault.alert and not one.over]
    TOOK[name] = found[0].when - begun
    print(f"{TOOK[name]:.1f} s from the fault to {fault.alert}: {found[0].text}")
    if fault.lingers:
        LINGERING.add(fault.alert)
    else:
        platform.quiet(PATIENCE, but=frozenset(LINGERING))
    right = {fault.alert, *fault.also, *LINGERING}
    assert {one.alert for one in platform.told[before:]} <= right, platform.told[before:]


def test_all_of_it_is_over(platform: Watched):
    looks_back = {MACHINES, "AlertsUndelivered"} if HOME else {MACHINES}
    platform.quiet(PATIENCE, but=frozenset(looks_back))
    assert len(TOOK) == len(FAULTS) or HOME, "each was provoked"
    late = {name: seconds for name, seconds in TOOK.items() if seconds > FAULTS[name].wanted}
    if late:
        print(f"later than wanted: {late}")
