"""A job's timer on real machines: it runs the job again, is repaired, and leaves nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ops import jobs as shown
from providers.runtime.declare import Incomplete
from providers.swarm.errors import SwarmError
from providers.swarm.job import Job
from providers.swarm.schedule import Manager, Schedule, ScheduleInputs, ScheduleOutputs
from providers.swarm.services.model import JobOutputs, Mount, Placement
from providers.swarm.timer import Timer
from simulator.docker import docker
from tests.provider.swarm.services.samples import job
from tests.provider.swarm.services.test_job import iteration
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

ALWAYS, ONCE = "*:*:0/3", "2099-01-01"
RACED = f"""
import importlib, sys, time
sys.path.insert(0, '/usr/local/lib/sophia')
program = importlib.import_module('job-nightly')
program.still_runs = lambda id: time.sleep(2)
print(program.run('raced', '{ALWAYS} UTC'))
"""
"""The program of `nightly` on a manager, which takes its time between looking and deciding."""


def well(calendar: str) -> ScheduleOutputs:
    return ScheduleOutputs(Timer("nightly", calendar).fingerprint)


def schedule(swarm: Any, calendar: str, *nodes: str) -> ScheduleInputs:
    """Of the job `nightly`, on the nodes (default: both)."""
    host_key = swarm.config.managers[0].host_key
    managers = [
        Manager(
            node, node, swarm.docker("node", "inspect", node, "-f", "{{.Status.Addr}}"), host_key
        )
        for node in nodes or (swarm.manager, swarm.worker)
    ]
    return ScheduleInputs("nightly", calendar, managers)


def on(node: str, script: str) -> str:
    return docker("exec", "--user", "root", node, "sh", "-c", script).strip()


@contextlib.asynccontextmanager
async def away(pool: Any, inputs: ScheduleInputs) -> AsyncIterator[None]:
    """The last of its managers refuses all logins."""
    last = inputs.managers[-1]
    await pool.node(last.address, last.host_key).close()
    node = last.node
    on(node, "systemctl stop ssh")
    try:
        yield
    finally:
        on(node, "systemctl start ssh")


def traces(node: str) -> str:
    """Everything that exists of the timer."""
    found = on(node, "find / -xdev -name '*job-nightly*' 2>/dev/null; true")
    return found + on(node, "systemctl list-units --all --plain --no-legend 'job-nightly*'")


def status(swarm: Any) -> list[str]:
    """What `make status` says of it, asked by the user who logs in."""
    told = docker("exec", "--user", "ubuntu", swarm.manager, "bash", "-c", shown.LOOK)
    return [line for line in shown.lines(told, "") if line.startswith("nightly")]


async def test_a_schedule_over_its_life(swarm: Any, pool: Any, tell: Any) -> None:
    """One story, since it has to wait for its times: unreachable, running, failed, changed by hand,
    deleted."""
    jobs, schedules, told = Job(pool), Schedule(pool), tell("nightly")
    on_manager = Placement(["node.role == manager"])
    mounts = [Mount("bind", "/node", "/opt", read_only=True)]
    nightly = job(
        "nightly", "echo copied; [ ! -e /node/broken ]", mounts=mounts, placement=on_manager
    )
    raced = job("raced", "true")
    for inputs in (nightly, raced):
        await jobs.create(tell(inputs.name).context, inputs)
    first = iteration(swarm, "nightly")

    # What systemd refuses, and a schedule that no manager can take.
    for calendar, reason in (
        ("Fri..Mon", "Failed to parse"),
        ("*-02-30", "no time of '.*' is left"),
    ):
        with pytest.raises(Incomplete, match=reason):
            await schedules.create(told.context, schedule(swarm, calendar))
    only = schedule(swarm, ALWAYS, swarm.worker)
    async with away(pool, only):
        with pytest.raises(Incomplete, match="can't be reached by ssh"):
            await schedules.create(told.context, only)
    assert traces(swarm.manager) == traces(swarm.worker) == ""

    # One is unreachable: it is reported, and gets its timer from the next `up`.
    both = schedule(swarm, ALWAYS)
    async with away(pool, both):
        made = await schedules.create(told.context, both)
        assert made.outputs.differs == [swarm.worker]
        assert "is unreachable, and gets the timer of nightly" in told.warnings[-1]
        read = await schedules.read(told.context, "nightly", both, made.outputs)
        assert read.outputs == made.outputs, "believed"
    assert swarm.worker in str(Schedule.drifted(both, made.outputs))
    args = (told.context, "nightly", both)
    assert await schedules.update(*args, made.outputs, both) == well(ALWAYS)
    assert (await schedules.read(*args, well(ALWAYS))).outputs == well(ALWAYS)

    # Its time comes: the job runs again, which doesn't look like a change of the job.
    until(lambda: iteration(swarm, "nightly"), lambda seen: seen != first, "a scheduled run", 40)
    once = schedule(swarm, ONCE)
    assert await schedules.update(*args, well(ALWAYS), once) == well(ONCE)
    (line,) = until(lambda: status(swarm), lambda seen: "succeeded" in seen[0], "its end")
    assert line.endswith("; next run Thu 2099-01-01 00:00:00 UTC")
    assert "copied" in swarm.docker("service", "logs", "--tail", "100", "nightly")
    ran = iteration(swarm, "nightly")
    assert (await jobs.create(told.context, nightly)).outputs.exit_status == 0
    outputs = JobOutputs(0, [])
    assert await jobs.update(told.context, "nightly", nightly, outputs, nightly) == outputs
    assert iteration(swarm, "nightly") == ran

    # By hand: an edit, an override, a stopped timer, a deleted one.
    unit, path = Timer("nightly", ONCE).unit, f"/etc/systemd/system/{Timer('nightly', ONCE).unit}"
    override = "[Timer]\\nOnCalendar=minutely\\n"
    for change in (
        f"sed -i s/2099/2098/ {path}",
        f"mkdir {path}.d && printf '{override}' >{path}.d/x.conf && systemctl daemon-reload",
        f"systemctl disable --now {unit}",
        f"rm {path} && systemctl daemon-reload",
    ):
        on(swarm.manager, change)
        seen = await schedules.read(told.context, "nightly", once, well(ONCE))
        assert seen.outputs.differs == [swarm.manager], change
        await schedules.update(told.context, "nightly", once, seen.outputs, once)
        seen = await schedules.read(told.context, "nightly", once, seen.outputs)
        assert seen.outputs == well(ONCE), change

    # Several find it due at once, as managers do.
    done = on(swarm.manager, f'for _ in 1 2 3; do python3 -B -c "{RACED}" & done; wait')
    assert sorted(done.splitlines()) == [*["due, and started by another manager"] * 2, "started"]

    # A run that fails, and one that can't begin, are seen.
    on(swarm.manager, "touch /opt/broken")
    try:
        await schedules.update(told.context, "nightly", once, well(ONCE), both)
        until(lambda: status(swarm), lambda seen: "FAILED" in seen[0], "a failed run", 40)
        assert "non-zero exit (1)" in status(swarm)[0]
    finally:
        on(swarm.manager, "rm /opt/broken")
    swarm.docker("service", "rm", "nightly")
    until(lambda: status(swarm), lambda seen: "could not be started" in seen[0], "no job", 40)
    assert "is not in the Swarm" in status(swarm)[0]

    # A manager is removed from the list, and unreachable when everything is deleted.
    alone = schedule(swarm, ALWAYS, swarm.manager)
    await schedules.update(told.context, "nightly", both, well(ALWAYS), alone)
    assert traces(swarm.worker) == ""
    async with away(pool, both):
        await schedules.delete(told.context, "nightly", both, well(ALWAYS))
    assert "keeps the timer of nightly. If it comes back" in told.warnings[-1]
    assert traces(swarm.manager) == ""
    await schedules.delete(told.context, "nightly", both, well(ALWAYS))
    async with away(pool, only):
        with pytest.raises(SwarmError, match="not deleted: no manager answers"):
            await schedules.delete(told.context, "nightly", only, well(ALWAYS))
    for inputs in (nightly, raced):
        await jobs.delete(told.context, inputs.name, inputs, outputs)
