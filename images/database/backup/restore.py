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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .choices import candidates, moment, refusal
from .content import Content, compared, content, noted
from .places import (
    BEFORE,
    CLUSTER,
    CONFIG,
    FINISHED,
    READS_ONLY,
    REQUEST,
    RESULT,
    UNFINISHED,
    Failed,
    say,
)
from .repository import backups, pgbackrest

NOTHING = 3
"""Exit status of `fill` where the repository has no backup."""


class OtherHistory(Failed):
    """A backup that the wanted timeline doesn't come from: it branched off before it."""


def asked() -> None:
    """The restore that was asked for; how it went is left for whoever asked."""
    if FINISHED.exists():
        take_place()
    if not REQUEST.exists():
        return
    began, result = time.monotonic(), dict[str, Any]()
    try:
        request = json.loads(REQUEST.read_text())
        result |= request
        if why := refusal(request["at"], backups(), datetime.now(UTC)):
            raise Failed(why)
        result |= restore(request["at"], request.get("timeline", ""))
    except (Failed, OSError, ValueError, KeyError, TypeError) as failure:
        result["error"] = str(failure)
        say(f"not restored, the database is as it was: {failure}")
        # Before anybody is told so: a later start would try again, and perhaps succeed.
        REQUEST.unlink()
        shutil.rmtree(UNFINISHED, ignore_errors=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    unfinished = RESULT.with_suffix(".new")
    unfinished.write_text(json.dumps(result))
    unfinished.rename(RESULT)
    if "error" not in result:
        UNFINISHED.rename(FINISHED)
        take_place()


def check() -> None:
    request = json.loads(sys.argv[2])
    if why := refusal(request["at"], backups(), datetime.now(UTC)):
        raise Failed(why)


def fill() -> None:
    """Makes the newest state of the repository the cluster of an empty volume."""
    try:
        if not backups():
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


def restore(at: str, timeline: str = "") -> dict[str, Any]:
    """Restores and recovers beside the cluster.

    timeline: the new one's number. content: if the job noted what was there at that moment, how
    many tables and rows that are, and what differs from it now.
    """
    options = [f"--target-timeline={timeline}"] if timeline else []
    began, every = time.monotonic(), backups()
    expected = noted(every, at) if at != "latest" else None
    for backup in candidates(at, every):
        files(UNFINISHED, f"--set={backup['label']}", *until(at), *options)
        say(f"{backup['label']} restored in {time.monotonic() - began:.0f} s, recovering to {at}")
        try:
            number, found = recover(UNFINISHED, *archiving(UNFINISHED), look=expected is not None)
            break
        except OtherHistory as failure:
            say(f"an earlier restore left backup {backup['label']} out: {failure}")
    else:
        raise Failed("no backup belongs to that timeline's history")
    say(f"restored to {at} in {time.monotonic() - began:.0f} s, on timeline {number}")
    told: dict[str, Any] = {"timeline": number}
    if expected and found:
        told["content"] = compared(expected, found)
        say(f"compared with what was noted then: {told['content']}")
    return told


def until(at: str) -> list[str]:
    """Options of pgBackRest's for a recovery to that moment, or `latest`."""
    if at == "latest":
        return []
    target = f"--target={moment(at):%Y-%m-%d %H:%M:%S.%f}+00"
    return ["--type=time", target, "--target-action=promote"]


def archiving(cluster: Path) -> list[str]:
    """Settings of a server whose new timeline goes to the repository, or doesn't."""
    if READS_ONLY:
        return ["archive_mode=off"]
    push = f"pgbackrest --config={CONFIG} --stanza=database --pg1-path={cluster} archive-push %p"
    return ["archive_mode=on", f"archive_command={push}"]


def files(cluster: Path, *options: str) -> None:
    """The files of the newest backup that serves, and how its server gets WAL."""
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    pgbackrest(f"--pg1-path={cluster}", *options, "restore")


def recover(
    cluster: Path, *settings: str, look: bool = False, quiet: bool = False
) -> tuple[str, Content | Failed | None]:
    """Runs a server that nobody can reach until it has read all WAL it should.

    Its timeline; and with `look`, what it holds then, before anybody changes it, or why that can't
    be read. That is no failure: the repository has the new timeline by then, and later restores
    follow it.
    """
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
    timeline, fatal, over, found = "", "", False, None
    for line in server.stderr:
        if not quiet:
            print(line, end="", file=sys.stderr, flush=True)
        if match := re.search(r"selected new timeline ID: (\d+)", line):
            timeline = match[1]
        if match := re.search(r"(FATAL|PANIC): +(.*)", line):
            fatal = fatal or match[2]
        if "ready to accept connections" in line:
            found = _seen(cluster) if look else None
            over = True
            server.send_signal(signal.SIGINT)
    if server.wait() == 0 and over:
        return timeline, found
    anywhere = "recovery_target_time="
    if "recovery ended before configured recovery target" in fatal and anywhere not in settings:
        # Nothing was committed after that time, so the end is as it was then.
        return recover(cluster, *settings, anywhere, look=look, quiet=quiet)
    if "not a child of this server's history" in fatal or "required checkpoint record" in fatal:
        raise OtherHistory(fatal)
    raise Failed(f"the recovery failed: {fatal or f'exit status {server.returncode}'}")


def _seen(cluster: Path) -> Content | Failed:
    try:
        return content(str(cluster))
    except Failed as failure:
        return failure


def take_place() -> None:
    """Puts the restored cluster in the place of the former one. It may be killed anywhere."""
    REQUEST.unlink(missing_ok=True)
    if CLUSTER.exists():
        shutil.rmtree(BEFORE, ignore_errors=True)
        CLUSTER.rename(BEFORE)
    FINISHED.rename(CLUSTER)
    os.sync()
