"""`make backup` and `make restore AT=…`: the database's backups, by hand.

Both work without the engine. A backup is a run of the job that the schedule runs. A restore is
asked for by a file on the database's volume, which the next start of the server finds
(images/database/backup/restore.py).
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from components.plan import backup as plan
from components.plan import database, names, workloads
from components.plan.workload import on_node
from ops import jobs, nodes
from ops.nodes import NotUp
from ops.progress import say

T = TypeVar("T")
Json = dict[str, Any]

_LONGEST = 3600.0
"""Seconds that a backup is waited for."""
_EVERY = 3.0
"""Seconds between two looks."""


def make(outputs: Json, prefix: str) -> None:
    """Makes a backup now, and prints its size and how long it took. Raises NotUp if it fails."""
    _needed(outputs)
    service = names.physical(prefix, workloads.BACKUP)
    before, state = jobs.last(nodes.asked(outputs, jobs.LOOK), service)
    if not state.startswith("under way"):
        nodes.asked(outputs, f"docker service update --quiet --force --detach {service}")
    else:
        say("a backup is under way: waiting for it")
        before = ""

    def ended() -> tuple[str, str] | None:
        begun, state = jobs.last(nodes.asked(outputs, jobs.LOOK), service)
        running = begun == before or state.startswith(("under way", "has no task"))
        return None if running else (begun, state)

    begun, state = _until(ended, "the backup", _LONGEST)
    told = nodes.asked(outputs, f"docker service logs --raw --since {begun} {service}")
    for line in told.splitlines():
        say(line)
    if not state.startswith("succeeded"):
        raise NotUp(f"the backup failed; {state}")


def restore(outputs: Json, prefix: str, at: str, timeline: str) -> None:
    """Restores the database to a time, or to the newest state, where it is.

    at: `latest` or ISO 8601, in UTC without an offset. timeline: whose history to follow, "" for
    the newest. Raises NotUp with the reason if nothing was restored.
    """
    _needed(outputs)
    request = json.dumps({"at": moment(at), "timeline": _number(timeline)})
    node, service = _home(outputs, prefix), names.physical(prefix, workloads.DATABASE)
    checked = nodes.on(
        outputs, node, _in_container(service, f"backup check {shlex.quote(request)}")
    )
    if checked.returncode not in (0, _NOT_RUNNING):
        raise NotUp(f"nothing was changed: {checked.stdout.strip().removeprefix('backup: ')}")
    began = time.monotonic()
    say(f"the database on {node} stops, and starts with what it restores to {at}")
    asked = nodes.on(outputs, node, _ask(service, request))
    if asked.returncode:
        raise NotUp(f"{node} does not take the request: {asked.stdout.strip()}")

    def result() -> Json | None:
        told = nodes.on(outputs, node, f"sudo cat {_FOLDER}/.restore-result 2>/dev/null")
        return json.loads(told.stdout) if told.returncode == 0 else None

    told = _until(result, "the restore", plan.LONGEST_RESTORE_S)
    if "error" in told:
        raise NotUp(f"nothing was restored, the database is as it was: {told['error']}")
    healthy = _in_container(service, "healthcheck.sh")
    _until(lambda: nodes.on(outputs, node, healthy).returncode == 0 or None, "the database", 120)
    say(
        f"restored to {at} on timeline {told['timeline']}; the database answers again after"
        f" {time.monotonic() - began:.0f} s. What it had before is on {node} in"
        f" {_FOLDER}/15.before until the next restore"
    )
    # Older ones may be of a time that the restore left out.
    say("making a backup of it")
    make(outputs, prefix)


def lines(outputs: Json, prefix: str) -> list[str]:
    """What `make status` says of backups: nothing for a stack without any."""
    if not _are_on(outputs):
        return []
    node, service = _home(outputs, prefix), names.physical(prefix, workloads.DATABASE)
    told = nodes.on(outputs, node, _in_container(service, "backup state"))
    if told.returncode:
        said = told.stdout.strip().splitlines() or [f"the database does not run on {node}"]
        return [f"{'backups':<12} unknown: {said[-1]}"]
    return described(json.loads(told.stdout.splitlines()[-1]), time.time())


_LATE = 300.0
"""Seconds after which WAL should be in the archive."""


def described(state: Mapping[str, Any], now: float) -> list[str]:
    """The same, of what `backup state` printed. now: Unix time. Pure."""
    if "error" in state:
        backups = f"UNKNOWN: {state['error']}"
    elif not state["count"]:
        backups = "NONE yet"
    else:
        size = state["database_bytes"] / 1_000_000
        backups = (
            f"{state['count']}, the last one {_age(now - state['last'])} ago ({size:.1f} MB),"
            f" the last full one {_age(now - state['last_full'])} ago;"
            f" any time since {datetime.fromtimestamp(state['first'], UTC):%Y-%m-%d %H:%M} UTC"
        )
    archived = state.get("archived")
    wal = f"archived {_age(now - archived)} ago" if archived else "never archived"
    if waiting := state.get("waiting"):
        wal += f"; waiting files: {waiting}, for {_age(now - state['waiting_since'])}"
    if state.get("failing") or (waiting and now - state["waiting_since"] > _LATE):
        wal = f"NOT ARCHIVED, see `make logs SERVICE={workloads.DATABASE}`; {wal}"
    return [f"{'backups':<12} {backups}", f"{'WAL':<12} {wal}"]


def moment(at: str) -> str:
    """`latest`, or a time in ISO 8601 with its offset. Raises NotUp for what is neither. Pure."""
    if at == "latest":
        return at
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        example = "latest, or a time in UTC such as '2026-11-27 12:00:00'"
        raise NotUp(f"make restore: got AT={at or '(nothing)'}, expected {example}") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _number(timeline: str) -> str:
    if timeline and not timeline.isdigit():
        raise NotUp(f"make restore: got TIMELINE={timeline}, expected a number such as 1")
    return timeline


def _are_on(outputs: Json) -> bool:
    return workloads.BACKUP in outputs.get("networks", {})


def _needed(outputs: Json) -> None:
    if not _are_on(outputs):
        raise NotUp("this stack has no backups: docs/how-to/backups.md tells how to turn them on")


def _home(outputs: Json, prefix: str) -> str:
    """The node that the database's volume is on."""
    look = "docker service inspect --format '{{json .Spec.TaskTemplate.Placement.Constraints}}'"
    service = names.physical(prefix, workloads.DATABASE)
    constraints: list[str] = json.loads(nodes.asked(outputs, f"{look} {service}"))
    known: list[str] = list(outputs["nodes"])
    return next(node for node in known if on_node(node) in constraints)


_FOLDER = database.VOLUME.path
_NOT_RUNNING = 64
"""Exit status where no container of the service runs on the node."""


def _in_container(service: str, command: str) -> str:
    """Runs a command in the service's container on this node."""
    return (
        f"container=$({nodes.containers(service)})"
        f' && [ "$container" ] || exit {_NOT_RUNNING}\n'
        f'exec docker exec "$container" {command}'
    )


def _ask(service: str, request: str) -> str:
    """Leaves the request on the volume and stops the server, which Swarm starts anew. One that
    can't start finds it by itself."""
    new = f"{_FOLDER}/.restore.new"
    return (
        f"set -e\nsudo rm -f {_FOLDER}/.restore-result\n"
        f"echo {shlex.quote(request)} | sudo tee {new} >/dev/null\n"
        f"sudo chmod 0644 {new}\nsudo mv {new} {_FOLDER}/.restore\n"
        f"{nodes.containers(service)} | xargs --no-run-if-empty docker stop --time 60 >/dev/null"
    )


def _until(look: Callable[[], T | None], what: str, seconds: float) -> T:
    """Waits until there is something to see. Raises NotUp."""
    ends, told = time.monotonic() + seconds, time.monotonic()
    while True:
        if (found := look()) is not None:
            return found
        if time.monotonic() > ends:
            raise NotUp(f"{what} has not ended within {seconds:.0f} s, and continues")
        if time.monotonic() - told > 15:
            told = time.monotonic()
            say(f"    waiting for {what}")
        time.sleep(_EVERY)


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
