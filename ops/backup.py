"""`make backup` and `make restore AT=…`: the database's backups, by hand.

Both work without the engine. A backup is a run of the job that the schedule runs. A restore is
asked for by a file on the database's volume, which the next start of the server finds
(images/database/backup/restore.py).
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.plan import backup as plan
from components.plan import names, standby, workloads
from ops import jobs, members, nodes
from ops.members import Member
from ops.nodes import NotUp
from ops.progress import say

Json = dict[str, Any]

_LONGEST = 3600.0
"""Seconds that a backup is waited for."""


def make(outputs: Json, prefix: str) -> None:
    """Makes a backup now, and prints its size and how long it took. Raises NotUp if it fails."""
    _needed(outputs)
    if not are_own(outputs):
        raise NotUp("this stack reads the backups of another one, and makes none")
    service = names.physical(prefix, _job(outputs, prefix))
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

    begun, state = members.until(ended, "the backup", _LONGEST)
    told = nodes.asked(outputs, f"docker service logs --raw --since {begun} {service}")
    for line in told.splitlines():
        say(line)
    if not state.startswith("succeeded"):
        raise NotUp(f"the backup failed; {state}")


def restore(outputs: Json, prefix: str, at: str, timeline: str) -> Json:
    """Restores the database to a time, or to the newest state, where it is. How it went, as
    images/database/backup/restore.py tells it.

    at: `latest` or ISO 8601, in UTC without an offset. timeline: whose history to follow, "" for
    the newest. Raises NotUp with the reason if nothing was restored.
    """
    _needed(outputs)
    wanted = moment(at)
    request = json.dumps({"at": wanted, "timeline": _number(timeline)})
    every = members.of(outputs, prefix)
    member = _restored(outputs, every)
    node, folder = member.node, member.folder
    checked = member.inside(outputs, f"backup check {shlex.quote(request)}")
    if checked.returncode not in (0, members.NOT_RUNNING):
        raise NotUp(f"nothing was changed: {checked.stdout.strip().removeprefix('backup: ')}")
    began = time.monotonic()

    def result() -> Json | None:
        told = nodes.on(outputs, node, f"sudo cat {folder}/.restore-result 2>/dev/null")
        return json.loads(told.stdout) if told.returncode == 0 else None

    with _held(outputs, [one for one in every if one != member]) as hold:
        say(f"the database on {node} stops, and starts with what it restores to {at}")
        asked = nodes.on(outputs, node, _ask(member, request))
        if asked.returncode:
            raise NotUp(f"{node} does not take the request: {asked.stdout.strip()}")
        told = members.until(result, "the restore", plan.LONGEST_RESTORE_S)
        hold.restored = "error" not in told
        if told.get("at", wanted) != wanted:
            raise NotUp(
                f"somebody else asked for a restore to {told['at']} meanwhile, and that has ended:"
                " look at the database before you ask again"
            )
        if "error" in told:
            raise NotUp(f"nothing was restored, the database is as it was: {told['error']}")
        members.until(
            lambda: member.inside(outputs, "healthcheck.sh").returncode == 0 or None,
            "the database",
            120,
        )
    say(
        f"restored to {at} on timeline {told['timeline']}; the database answers again after"
        f" {time.monotonic() - began:.0f} s. What it had before is on {node} in"
        f" {folder}/15.before until the next restore"
    )
    if lost := told.get("lost"):
        say(f"not all is restored: {lost}")
    if there := told.get("content"):
        say(f"{there['rows']} rows in {there['tables']} tables were compared with what was noted")
        for line in there["differences"]:
            say(f"    differs: {line}")
    if are_own(outputs):
        # Older ones may be of a time that the restore left out.
        say("making a backup of it")
        make(outputs, prefix)
    return told


def _job(outputs: Json, prefix: str) -> str:
    """The one on the primary's volume: the other one would find a standby."""
    if not members.have_standby(outputs):
        return workloads.BACKUP
    on_second = members.primary(outputs, members.of(outputs, prefix)).name == standby.SECOND
    return workloads.STANDBY_BACKUP if on_second else workloads.BACKUP


def _restored(outputs: Json, every: Sequence[Member]) -> Member:
    """The member that is restored: the primary. If there is none, the one that a restore was asked
    of before, else the first one."""
    try:
        return members.primary(outputs, every)
    except NotUp:
        look = (nodes.on(outputs, one.node, f"sudo test -e {one.folder}/.restore") for one in every)
        asked = [one for one, told in zip(every, look, strict=True) if told.returncode == 0]
        return [*asked, *every][0]


def lines(outputs: Json, prefix: str) -> list[str]:
    """What `make status` says of backups: nothing for a stack without any."""
    if not _are_on(outputs):
        return []
    try:
        return described(state(outputs, prefix), time.time())
    except NotUp as failure:
        return [f"{'backups':<12} unknown: {failure}"]


def untried(outputs: Json, prefix: str) -> list[str]:
    """What a daily look says of backups: nothing if they were tried, or can't be asked, which shows
    elsewhere."""
    if not _are_on(outputs):
        return []
    try:
        return _untried(state(outputs, prefix))
    except NotUp:
        return []


def state(outputs: Json, prefix: str) -> Json:
    """What there is, as images/database/backup/state.py tells it. Raises NotUp."""
    _needed(outputs)
    member = members.primary(outputs, members.of(outputs, prefix))
    told = member.inside(outputs, "backup state")
    if told.returncode:
        said = told.stdout.strip().splitlines() or [f"the database does not run on {member.node}"]
        raise NotUp(said[-1])
    found: Json = json.loads(told.stdout.splitlines()[-1])
    return found


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
    return [f"{'backups':<12} {backups}", f"{'WAL':<12} {wal}", *_untried(state)]


def _untried(state: Mapping[str, Any]) -> list[str]:
    """A line if the job had no room to try whether the last full backup restores."""
    if not (why := state.get("untried")):
        return []
    return [f"{'restores':<12} NOT TRIED with the last full backup: {why}"]


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
    if timeline and not timeline.isdecimal():
        raise NotUp(f"make restore: got TIMELINE={timeline}, expected a number such as 1")
    # Postgres reads 010 as eight.
    return timeline and str(int(timeline))


def _are_on(outputs: Json) -> bool:
    return bool(outputs.get("backup_passphrase"))


def are_own(outputs: Mapping[str, Any]) -> bool:
    """Whether the stack makes backups: none if it reads those of another (`backup.restoreOnly`)."""
    return workloads.BACKUP in outputs.get("networks", {})


def _needed(outputs: Json) -> None:
    if not _are_on(outputs):
        raise NotUp("this stack has no backups: docs/how-to/backups.md tells how to turn them on")


def _ask(member: Member, request: str) -> str:
    """Leaves the request on the volume and stops the server, which Swarm starts anew. One that
    can't start finds it by itself."""
    folder, new = member.folder, f"{member.folder}/.restore.new"
    return (
        f"set -e\nsudo rm -f {folder}/.restore-result\n"
        f"echo {shlex.quote(request)} | sudo tee {new} >/dev/null\n"
        f"sudo chmod 0644 {new}\nsudo mv {new} {folder}/.restore\n"
        f"{member.stop}"
    )


@dataclass
class _Hold:
    """restored: whether the restore was done, None while nobody knows."""

    restored: bool | None = None


@contextmanager
def _held(outputs: Json, others: Sequence[Member]) -> Iterator[_Hold]:
    """Holds the other member until the restore has ended: it would take over, with what it has. It
    is copied anew then; after a failure it continues as it was."""
    for member in others:
        say(f"{member.name} on {member.node} waits meanwhile")
        member.on_node(outputs, f"set -e\nsudo touch {member.folder}/.hold\n{member.stop}")
    hold = _Hold()
    try:
        yield hold
    finally:
        for member in others:
            release = f"sudo rm -f {member.folder}/.hold"
            if hold.restored is None:
                say(
                    f"{member.name} still waits, since the restore may be under way: ask for it"
                    f" again, or, if the database is as it was, `{release}` on {member.node}"
                )
                continue
            rebuilt = f"sudo touch {member.folder}/.rebuild\n" if hold.restored else ""
            member.on_node(outputs, f"set -e\n{rebuilt}{release}")


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
