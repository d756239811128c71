"""Jobs and their schedules in `make status`: each one's last run, and its next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from providers.swarm.services import last_run
from providers.swarm.services.verdict import TERMINAL

Json = dict[str, Any]

LOOK = """\
jobs=$(docker service ls --quiet --filter mode=replicated-job) || exit
if [ "$jobs" ]; then
  docker service inspect $jobs
  docker inspect --type task $(docker service ps --quiet --no-trunc $jobs)
fi 2>/dev/null
systemctl show --property Id,Result,NextElapseUSecRealtime 'job-*'
"""
"""A script for a manager that prints its jobs and their tasks as JSON, then systemd's data on their
timers. Jobs that end between two of its lines are left out."""


def last(told: str, name: str) -> tuple[str, str]:
    """When the job of that service was started last, as the Swarm says it, and how it went; empty
    texts where there is none. told: by `LOOK`."""
    objects, _ = _parsed(told)
    tasks = [one for one in objects if "ServiceID" in one]
    for one in objects:
        if "JobStatus" in one and one["Spec"]["Name"] == name:
            return one["JobStatus"]["LastExecution"], _state(one, last_run.tasks_of(one, tasks))
    return "", ""


def lines(told: str, prefix: str) -> list[str]:
    """A line for each job and each schedule. told: the output of `LOOK`. prefix: of physical
    names."""
    return [line for line, _ in _judged(told, prefix)]


def broken(told: str, prefix: str) -> list[str]:
    """The lines of those that didn't do what they are for."""
    return [line for line, well in _judged(told, prefix) if not well]


def _judged(told: str, prefix: str) -> Iterator[tuple[str, bool]]:
    """Each one's line, and whether it did what it is for."""
    objects, units = _parsed(told)
    services = {one["Spec"]["Name"]: one for one in objects if "JobStatus" in one}
    tasks = [one for one in objects if "ServiceID" in one]
    timers = {id[4:-6]: unit for id, unit in units.items() if id.endswith(".timer")}
    for name in sorted(services | timers):
        if well := name in services:
            state = _state(services[name], last_run.tasks_of(services[name], tasks))
            well = not state.startswith(_FAILED)
        else:
            state = "is not in the Swarm: it failed in the `up` that created it; run that again"
        if name in timers:
            state += f"; next run {timers[name]['NextElapseUSecRealtime'] or 'never'}"
            if units.get(f"job-{name}.service", {}).get("Result", "success") != "success":
                well = False
                state += f"; could not be started: `sudo journalctl -u job-{name}` on a manager"
        yield f"{name.removeprefix(f'{prefix}-'):<12} {state}", well


_FAILED = "FAILED"


def _state(service: Json, tasks: list[Json]) -> str:
    begun = service["JobStatus"]["LastExecution"]
    when = f"on {begun[:10]} at {begun[11:19]} UTC"
    states = [task["Status"]["State"] for task in tasks]
    if states.count("complete") >= service["Spec"]["Mode"]["ReplicatedJob"]["TotalCompletions"]:
        return f"succeeded, started {when}"
    if running := [state for state in states if state not in TERMINAL]:
        return f"under way ({running[0]}), started {when}"
    failed = [task["Status"] for task in tasks if task["Status"]["State"] in last_run.FAILED]
    if failed:
        last = max(failed, key=lambda status: str(status.get("Timestamp")))
        return f"{_FAILED}, started {when}: {last.get('Err') or last['State']}"
    return f"has no task, started {when}"


def _parsed(told: str) -> tuple[list[Json], dict[str, dict[str, str]]]:
    """Parses the JSON objects at the beginning, and systemd's units by their names."""
    objects: list[Json] = []
    while told.startswith("["):
        some, end = json.JSONDecoder().raw_decode(told)
        objects += some
        told = told[end:].lstrip()
    units = [dict(_properties(block)) for block in told.split("\n\n") if block.strip()]
    return objects, {unit["Id"]: unit for unit in units}


def _properties(block: str) -> Iterator[tuple[str, str]]:
    for line in block.strip().splitlines():
        key, _, value = line.partition("=")
        yield key, value
