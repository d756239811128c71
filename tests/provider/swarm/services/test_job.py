"""Jobs on a real Swarm: their end, their failure, and what must not run twice."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json

import pytest

from providers.runtime.declare import Incomplete
from providers.swarm.job import Job, JobFailed
from providers.swarm.services.model import JobOutputs, Placement, Registry
from providers.swarm.services.patience import Patience
from tests.provider.swarm.services.samples import IMAGE, job

pytestmark = [pytest.mark.containers, pytest.mark.slow]

NOTHING = JobOutputs(-1, [])


def started(swarm, name: str) -> int:
    """How many tasks of the job there have been."""
    services = swarm.docker("service", "ls", "-q", "--filter", f"name={name}").split()
    return len(swarm.docker("service", "ps", "-q", name).split()) if services else 0


def iteration(swarm, name: str) -> str:
    """Tells one run of a job from another."""
    (service,) = json.loads(swarm.docker("service", "inspect", name))
    return f"{service['ID']} {service['JobStatus']}"


async def test_a_job_runs_once_for_its_inputs_and_again_for_others(swarm, pool, tell) -> None:
    jobs, told = Job(pool), tell("once")
    inputs = job("once", "echo one; echo two")
    made = await jobs.create(told.context, inputs)
    assert made.id == "once"
    assert made.outputs == JobOutputs(0, ["one", "two"])
    assert any(line.startswith("tasks 0 of 1 done") for line in told.progress)
    first = iteration(swarm, "once")

    # A run that was killed before the engine recorded it, or `--replace`; and after a failed one.
    assert (await jobs.create(told.context, inputs)).outputs == made.outputs
    args = ("once", inputs, made.outputs)
    assert await jobs.update(told.context, *args, inputs) == made.outputs
    labelled = dataclasses.replace(inputs, labels={"a": "b"})
    assert await jobs.update(told.context, *args, labelled) == made.outputs
    assert (iteration(swarm, "once"), started(swarm, "once")) == (first, 1)

    # What it has done is done.
    swarm.docker("service", "rm", "once")
    assert await jobs.update(told.context, *args, labelled) == made.outputs
    assert started(swarm, "once") == 0

    again = dataclasses.replace(inputs, triggers={"day": "2"})
    assert await jobs.update(told.context, *args, again) == made.outputs
    assert iteration(swarm, "once") != first
    await jobs.delete(told.context, "once", again, made.outputs)
    assert not swarm.docker("service", "ls", "-q", "--filter", "name=once")
    await jobs.delete(told.context, "once", again, made.outputs)


async def test_new_registry_credentials_run_a_job_again_that_runs_later(swarm, pool, tell) -> None:
    """Swarm takes them with a run alone, and the old ones may be revoked before the next one."""
    jobs, told = Job(pool), tell("nightly")
    old = Registry("127.0.0.1:9", "me", "old-password")
    inputs = job("nightly", "sleep 2; echo done", registry=old, scheduled=True)
    made = await jobs.create(told.context, inputs)
    first = iteration(swarm, "nightly")
    args = ("nightly", inputs, made.outputs)
    assert await jobs.update(told.context, *args, inputs) == made.outputs
    assert iteration(swarm, "nightly") == first

    # What runs by its schedule just now ends before.
    swarm.docker("service", "update", "--detach", "--force", "nightly")
    new = dataclasses.replace(inputs, registry=Registry("127.0.0.1:9", "me", "new-password"))
    assert await jobs.update(told.context, *args, new) == made.outputs
    assert iteration(swarm, "nightly").split()[0] != first.split()[0], "a service with them"
    assert started(swarm, "nightly") == 1
    await jobs.delete(told.context, "nightly", new, made.outputs)

    once = dataclasses.replace(new, scheduled=False)
    made = await jobs.create(tell("nightly").context, once)
    first = iteration(swarm, "nightly")
    other = dataclasses.replace(once, registry=old)
    await jobs.update(told.context, "nightly", once, made.outputs, other)
    assert iteration(swarm, "nightly") == first, "it has no later run"
    await jobs.delete(told.context, "nightly", other, made.outputs)


async def test_a_job_that_fails_tells_why_and_is_not_tried_by_swarm_again(
    swarm, pool, tell
) -> None:
    jobs, told = Job(pool), tell("bad")
    inputs = job("bad", "echo no such table; exit 3")
    with pytest.raises(Incomplete) as failed:
        await jobs.create(told.context, inputs)
    assert failed.value.reasons[0].startswith("job bad: exited with code 3 on ")
    assert failed.value.reasons[1:] == ["its last 1 log lines:", "  no such table"]
    assert failed.value.outputs == JobOutputs(3, ["no such table"])
    assert not swarm.docker("service", "ls", "-q", "--filter", "name=bad")
    with pytest.raises(JobFailed, match="exited with code 3"):
        await jobs.update(told.context, "bad", inputs, failed.value.outputs, inputs)
    good = job("bad", "echo better")
    assert await jobs.update(told.context, "bad", inputs, NOTHING, good) == JobOutputs(
        0, ["better"]
    )
    await jobs.delete(told.context, "bad", good, NOTHING)


async def test_a_job_may_fail_as_often_as_it_is_allowed_to(swarm, pool, tell) -> None:
    inputs = job("flaky", "exit 4", retries=1)
    with pytest.raises(Incomplete, match=r"exited with code 4 .*\(2 tasks in a row\)"):
        await Job(pool).create(tell("flaky").context, inputs)
    assert not swarm.docker("service", "ls", "-q", "--filter", "name=flaky")


async def test_all_tasks_have_to_end_well(swarm, pool, tell) -> None:
    inputs = job("many", "echo done", tasks=3)
    made = await Job(pool).create(tell("many").context, inputs)
    assert made.outputs.exit_status == 0
    assert started(swarm, "many") == 3
    await Job(pool).delete(tell("many").context, "many", inputs, made.outputs)


async def test_an_interrupted_job_still_runs_and_is_waited_for(swarm, pool, tell) -> None:
    jobs, told = Job(pool), tell("long")
    inputs = job("long", "sleep 8; echo at last")
    running = asyncio.create_task(jobs.create(told.context, inputs))
    while not any("running" in line for line in told.progress):
        await asyncio.wait([running], timeout=0.1)
        assert not running.done()
    told.context.cancelled.set()
    with pytest.raises(Incomplete, match="interrupted"):
        await running
    first = iteration(swarm, "long")
    short = dataclasses.replace(tell("long").context, timeout=0.5)
    with pytest.raises(JobFailed, match=r"not ended within 0 s and still runs: tasks 0 of 1 done"):
        await jobs.update(short, "long", inputs, NOTHING, inputs)
    outputs = await jobs.update(tell("long").context, "long", inputs, NOTHING, inputs)
    assert outputs == JobOutputs(0, ["at last"])
    assert (iteration(swarm, "long"), started(swarm, "long")) == (first, 1)
    await jobs.delete(tell("long").context, "long", inputs, outputs)


async def test_a_job_that_fits_nowhere_fails_with_what_nobody_fulfils(swarm, pool, tell) -> None:
    inputs = job("lost", "true", placement=Placement(["node.labels.tier == gold"]))
    with pytest.raises(Incomplete, match=r"no ready node fulfils node\.labels\.tier == gold"):
        await Job(pool, Patience(pending=1.0)).create(tell("lost").context, inputs)
    assert not swarm.docker("service", "ls", "-q", "--filter", "name=lost")


async def test_somebody_elses_service_of_that_name_stays(swarm, pool, tell) -> None:
    swarm.docker("service", "create", "-d", "--name", "theirs", IMAGE, "/bin/sleep", "600")
    with contextlib.ExitStack() as ended:
        ended.callback(swarm.docker, "service", "rm", "theirs")
        inputs = job("theirs", "true")
        with pytest.raises(Exception, match="was not made by this resource"):
            await Job(pool).create(tell("theirs").context, inputs)
        await Job(pool).delete(tell("theirs").context, "theirs", inputs, NOTHING)
        assert swarm.docker("service", "ls", "-q", "--filter", "name=theirs")
