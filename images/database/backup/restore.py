"""Restores: the one that was asked for, and the one that fills an empty volume.

A restore is made beside the cluster and takes its place when it is complete, so one that was killed
is simply done again, and one that fails changes nothing. The former cluster stays as `15.before`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .choices import after_a_gap, candidates, moment, no_timeline, refusal
from .content import Content, compared, content, noted
from .places import (
    ANOTHER,
    BEFORE,
    CLUSTER,
    FINISHED,
    READS_ONLY,
    REQUEST,
    RESULT,
    UNFINISHED,
    Failed,
    say,
)
from .repository import archived, backups, listed, pgbackrest

TOLD = RESULT.with_suffix(".new")
"""The result, until whoever asked may know it."""
NOTHING = 3
"""Exit status of `fill` where the repository has no backup."""


class OtherHistory(Failed):
    """A backup that the wanted timeline doesn't come from: it branched off before it."""


def asked() -> None:
    """The restore that was asked for. How it went is left for whoever asked, once it is so whatever
    is killed then."""
    if FINISHED.exists():
        take_place()
    if REQUEST.exists():
        _done_or_not()
    if TOLD.exists():
        TOLD.rename(RESULT)


def _done_or_not() -> None:
    began, result = time.monotonic(), dict[str, Any]()
    try:
        request = json.loads(REQUEST.read_text())
        result |= request
        _refuse(request)
        result |= restore(request["at"], request.get("timeline", ""))
        result["seconds"] = round(time.monotonic() - began, 1)
        TOLD.write_text(json.dumps(result))
    except (Failed, OSError, ValueError, KeyError, TypeError) as failure:
        say(f"not restored, the database is as it was: {failure}")
        # The disk may be full of it.
        shutil.rmtree(UNFINISHED, ignore_errors=True)
        TOLD.write_text(json.dumps(result | {"error": str(failure)}))
        REQUEST.unlink()
    else:
        UNFINISHED.rename(FINISHED)
        take_place()


def check() -> None:
    _refuse(json.loads(sys.argv[2]))


def _refuse(request: Mapping[str, str]) -> None:
    """Raises Failed where that can't be restored."""
    if why := refusal(request["at"], backups(), datetime.now(UTC)):
        raise Failed(why)
    wanted = request.get("timeline", "")
    if wanted and (why := no_timeline(wanted, archived())):
        raise Failed(why)


def fill() -> None:
    """Makes the newest state of the repository the cluster of an empty volume."""
    try:
        if not listed():
            sys.exit(NOTHING)
        say("the volume is empty, the repository is not: restoring its newest state")
        restore("latest")
    except Failed as failure:
        shutil.rmtree(UNFINISHED, ignore_errors=True)
        raise Failed(
            f"the volume is empty, and is filled from a backup or not at all: {failure}\n"
            "For an empty database choose another `backup.path`"
        ) from None
    UNFINISHED.rename(FINISHED)
    take_place()
    ANOTHER.unlink()  # there was none before


def restore(at: str, timeline: str = "") -> dict[str, Any]:
    """Restores and recovers beside the cluster.

    timeline: the new one's number. content: if the job noted what was there at that moment, how
    many tables and rows that are, and what differs from it now. lost: why the newest state is not
    all that was ever sent, if so.
    """
    options = [f"--target-timeline={timeline}"] if timeline else []
    began, every = time.monotonic(), backups()
    expected = noted(every, at) if at != "latest" else None
    for backup in candidates(at, every):
        files(UNFINISHED, f"--set={backup['label']}", *until(at), *options)
        say(f"{backup['label']} restored in {time.monotonic() - began:.0f} s, recovering to {at}")
        try:
            done = recover(UNFINISHED, *archiving(), look=expected is not None)
            break
        except OtherHistory as failure:
            say(f"an earlier restore left backup {backup['label']} out: {failure}")
    else:
        raise Failed("no whole backup belongs to that timeline's history")
    say(f"restored to {at} in {time.monotonic() - began:.0f} s, on timeline {done.timeline}")
    told: dict[str, Any] = {"timeline": done.timeline}
    if at == "latest" and (lost := missing(done.last_wal)):
        told["lost"] = lost
        say(f"not all is restored: {lost}")
    if expected and done.found:
        told["content"] = compared(expected, done.found)
        say(f"compared with what was noted then: {told['content']}")
    return told


def until(at: str) -> list[str]:
    """Options of pgBackRest's for a recovery to that moment, or `latest`."""
    if at == "latest":
        return []
    target = f"--target={moment(at):%Y-%m-%d %H:%M:%S.%f}+00"
    return ["--type=time", target, "--target-action=promote"]


def archiving() -> list[str]:
    """Settings of a server that keeps its new timeline for the archive, or doesn't. It goes there
    once it has taken its place: later restores follow the newest timeline that is there, also if
    this one never took its place."""
    return ["archive_mode=off"] if READS_ONLY else ["archive_mode=on", "archive_command="]


def files(cluster: Path, *options: str) -> None:
    """The files of the newest backup that serves, and how its server gets WAL."""
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    pgbackrest(f"--pg1-path={cluster}", *options, "restore")


@dataclass(frozen=True)
class Recovered:
    """timeline: the new one. last_wal: the file that was read last, "" for none. found: with
    `look`, what the server held before anybody changed it, or why that can't be read."""

    timeline: str
    last_wal: str
    found: Content | Failed | None


def recover(cluster: Path, *settings: str, look: bool = False, quiet: bool = False) -> Recovered:
    """Runs a server that nobody can reach until it has read all WAL it should. That its content
    can't be read is no failure: it is restored."""
    alone = (
        *("listen_addresses=", f"unix_socket_directories={cluster}", "hot_standby=off"),
        # A member's files name those of its own place, and its standby.
        *(f"{name}_file={cluster}/pg_{name}.conf" for name in ("hba", "ident")),
        "synchronous_standby_names=",
    )
    command = ["postgres", "-D", str(cluster)]
    for setting in (*alone, *settings):
        command += ["-c", setting]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    timeline, last_wal, fatal, over, found = "", "", "", False, None
    for line in server.stderr:
        if not quiet:
            print(line, end="", file=sys.stderr, flush=True)
        if match := re.search(r"selected new timeline ID: (\d+)", line):
            timeline = match[1]
        if match := re.search(r'restored log file "([0-9A-F]{24})"', line):
            last_wal = match[1]
        if match := re.search(r"(FATAL|PANIC): +(.*)", line):
            fatal = fatal or match[2]
        if "ready to accept connections" in line:
            found = _seen(cluster) if look else None
            over = True
            server.send_signal(signal.SIGINT)
    if server.wait() == 0 and over:
        return Recovered(timeline, last_wal, found)
    anywhere = "recovery_target_time="
    if "recovery ended before configured recovery target" in fatal and anywhere not in settings:
        if lost := missing(last_wal):
            raise Failed(f"that time can't be restored: {lost}")
        # Nothing was committed after that time, so the end is as it was then.
        return recover(cluster, *settings, anywhere, look=look, quiet=quiet)
    if "not a child of this server's history" in fatal or "required checkpoint record" in fatal:
        raise OtherHistory(fatal)
    raise Failed(f"the recovery failed: {fatal or f'exit status {server.returncode}'}")


def missing(last: str) -> str:
    """What the archive lacks after the WAL file that was read last, "" for nothing."""
    if not (there := after_a_gap(last, archived())):
        return ""
    return (
        f"the repository has no WAL between {last} and {there}, which was given up or lost. Times"
        " before, and after the next backup, can be restored"
    )


def _seen(cluster: Path) -> Content | Failed:
    try:
        return content(str(cluster))
    except Failed as failure:
        return failure


def take_place() -> None:
    """Puts the restored cluster in the place of the former one. It may be killed anywhere."""
    REQUEST.unlink(missing_ok=True)
    ANOTHER.touch()
    if CLUSTER.exists():
        shutil.rmtree(BEFORE, ignore_errors=True)
        CLUSTER.rename(BEFORE)
    FINISHED.rename(CLUSTER)
    os.sync()
