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
from .places import (
    BEFORE,
    CLUSTER,
    CONFIG,
    FINISHED,
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
        result["timeline"] = restore(request["at"], request.get("timeline", ""))
    except (Failed, OSError, ValueError, KeyError, TypeError) as failure:
        result["error"] = str(failure)
        say(f"not restored, the database is as it was: {failure}")
        shutil.rmtree(UNFINISHED, ignore_errors=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    unfinished = RESULT.with_suffix(".new")
    unfinished.write_text(json.dumps(result))
    unfinished.rename(RESULT)
    if "error" in result:
        REQUEST.unlink()
    else:
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


def restore(at: str, timeline: str = "") -> str:
    """Restores and recovers beside the cluster. The new timeline's number."""
    options = [f"--target-timeline={timeline}"] if timeline else []
    if at != "latest":
        target = f"--target={moment(at):%Y-%m-%d %H:%M:%S.%f}+00"
        options += ["--type=time", target, "--target-action=promote"]
    began = time.monotonic()
    push = f"pgbackrest --config={CONFIG} --stanza=database --pg1-path={UNFINISHED} archive-push %p"
    for backup in candidates(at, backups()):
        files(UNFINISHED, f"--set={backup['label']}", *options)
        say(f"{backup['label']} restored in {time.monotonic() - began:.0f} s, recovering to {at}")
        try:
            number = recover(UNFINISHED, "archive_mode=on", f"archive_command={push}")
            break
        except OtherHistory as failure:
            say(f"an earlier restore left backup {backup['label']} out: {failure}")
    else:
        raise Failed("no backup belongs to that timeline's history")
    say(f"restored to {at} in {time.monotonic() - began:.0f} s, on timeline {number}")
    return number


def files(cluster: Path, *options: str) -> None:
    """The files of the newest backup that serves, and how its server gets WAL."""
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    pgbackrest(f"--pg1-path={cluster}", *options, "restore")


def recover(cluster: Path, *settings: str, quiet: bool = False) -> str:
    """Runs a server that nobody can reach until it has read all WAL it should. Its timeline."""
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
    timeline, fatal, over = "", "", False
    for line in server.stderr:
        if not quiet:
            print(line, end="", file=sys.stderr, flush=True)
        if found := re.search(r"selected new timeline ID: (\d+)", line):
            timeline = found[1]
        if found := re.search(r"(FATAL|PANIC): +(.*)", line):
            fatal = fatal or found[2]
        if "ready to accept connections" in line:
            over = True
            server.send_signal(signal.SIGINT)
    if server.wait() == 0 and over:
        return timeline
    anywhere = "recovery_target_time="
    if "recovery ended before configured recovery target" in fatal and anywhere not in settings:
        # Nothing was committed after that time, so the end is as it was then.
        return recover(cluster, *settings, anywhere)
    if "not a child of this server's history" in fatal or "required checkpoint record" in fatal:
        raise OtherHistory(fatal)
    raise Failed(f"the recovery failed: {fatal or f'exit status {server.returncode}'}")


def take_place() -> None:
    """Puts the restored cluster in the place of the former one. It may be killed anywhere."""
    REQUEST.unlink(missing_ok=True)
    if CLUSTER.exists():
        shutil.rmtree(BEFORE, ignore_errors=True)
        CLUSTER.rename(BEFORE)
    FINISHED.rename(CLUSTER)
    os.sync()
