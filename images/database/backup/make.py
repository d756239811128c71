"""The job: makes a backup, verifies the repository, and restores a full one beside the database."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import NoReturn

from .choices import ended, is_overdue, kind, whole
from .content import NOTE, Content, compared, content
from .places import DATA, DRILL, SOCKETS, Failed, say
from .repository import backups, listed, pgbackrest
from .restore import files, recover, until

UNTRIED = "untried"
"""A full backup's annotation: why no restore of it was tried."""
PATIENCE_S = 600.0
"""Seconds in which another run may end: the primary's, that was due at the same time, or this
volume's."""
LOCK = SOCKETS / ".backup.lock"


def run() -> None:
    with _alone():
        _run()


def _run() -> None:
    if is_standby():
        _await_the_primarys()
        say("this member is the standby: the primary's job makes the backup")
        return
    began = time.monotonic()
    # Of a run that was killed: it takes the room of the next one.
    shutil.rmtree(DRILL, ignore_errors=True)
    pgbackrest("stanza-create")
    wanted = kind(backups(), datetime.now(UTC))
    # What is to go goes at the end, when this one is known to be good.
    pgbackrest(f"--type={wanted}", "--no-expire-auto", "backup")
    made, found = time.monotonic(), listed()
    newest, info = found[-1], found[-1]["info"]
    if newest["error"]:
        _give_up(newest["label"])
    say(
        f"{newest['type']} backup {newest['label']}: {_size(info['size'])} of database,"
        f" {_size(info['repository']['delta'])} sent, {made - began:.0f} s"
    )
    # Its exit status is 0 in any case.
    told = pgbackrest("verify", "--output=text", "--verbose")
    if "status: ok" not in told:
        raise Failed(f"the repository is damaged, make another full backup elsewhere:\n{told}")
    since = min(map(ended, whole(found)))
    say(
        f"all of the repository was read and verified in {time.monotonic() - made:.0f} s;"
        f" it restores any time since {since:%Y-%m-%d %H:%M:%S} UTC"
    )
    there = note(newest["label"])
    if wanted == "full" and (why := drill(info["size"], there)):
        say(f"no restore was tried: {why}")
        pgbackrest("annotate", f"--set={newest['label']}", f"--annotation={UNTRIED}={why}")
    pgbackrest("expire")


def _give_up(label: str) -> NoReturn:
    """A full backup of damaged pages must not count as one: those before would go for it."""
    kept = (f"--repo1-retention-{what}=9999999" for what in ("full", "archive"))
    with suppress(Failed):  # the only full one can't be removed
        pgbackrest(*kept, f"--set={label}", "expire")
    raise Failed(
        f"the database has damaged pages, named above, so backup {label} is not kept. Those before"
        " are, however old they get: restore one"
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Waits for another run on this volume: one that is replaced has seconds to end, in which this
    one would take its unfinished backup for a leftover, and remove it."""
    deadline = time.monotonic() + PATIENCE_S
    with LOCK.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Failed("another run on this volume has not ended") from None
                time.sleep(1)
        yield


def _await_the_primarys() -> None:
    """If the last backup is too old, one should be in progress. Whoever watches the jobs is content
    when one of the two succeeds, so this one doesn't while there is none."""
    deadline = time.monotonic() + PATIENCE_S
    while is_overdue(every := backups(), datetime.now(UTC)):
        if time.monotonic() > deadline:
            last = f"{ended(every[-1]):%Y-%m-%d %H:%M:%S} UTC"
            raise Failed(f"this is the standby, and the primary has made no backup since {last}")
        time.sleep(5)


def is_standby() -> bool:
    """By the server's own word; one that says nothing fails later, with its reason."""
    asked = ["psql", "-XqAt", f"--host={SOCKETS}", "--username=postgres", "--dbname=postgres"]
    sql = "SELECT pg_is_in_recovery()"
    done = subprocess.run([*asked, "-c", sql], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "t"


def note(label: str) -> Content:
    """Notes with a backup what is in the database now, a moment that a restore can go to."""
    there = _quiet_moment()
    pgbackrest("annotate", f"--set={label}", f"--annotation={NOTE}={json.dumps(there)}")
    # Sends the WAL of that moment away, and waits until it has arrived.
    pgbackrest("check")
    return there


def _quiet_moment() -> Content:
    """What is there when no transaction is writing: a long one is waited for a few times."""
    for _ in range(4):
        try:
            return content(str(SOCKETS))
        except Failed as failure:
            say(f"not noted yet: {failure}")
            time.sleep(2)
    return content(str(SOCKETS))


def drill(size: int, expected: Content) -> str:
    """Restores to a moment beside the database, reads every page, and compares what is there. Why
    that wasn't tried, or "".

    size: of the database, in bytes.
    """
    began, free = time.monotonic(), shutil.disk_usage(DATA).free
    if free < 2 * size:
        return f"it needs {_size(2 * size)} of disk, and {_size(free)} are free"
    try:
        files(DRILL, *until(expected["at"]))
        # Its timeline is nobody's: nothing of it goes to the archive.
        alone = ("archive_mode=off", "shared_buffers=32MB")
        found = recover(DRILL, *alone, look=True, quiet=True).found
        check = ["pg_checksums", "--check", "--pgdata", str(DRILL)]
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"what was restored is damaged: {done.stderr.strip()}")
    finally:
        shutil.rmtree(DRILL, ignore_errors=True)
    assert found is not None, "it was looked at"
    told = compared(expected, found)
    if told["differences"]:
        raise Failed("what was restored differs:\n" + "\n".join(told["differences"]))
    say(
        f"restored beside the database, recovered, every page read, {told['rows']} rows in"
        f" {told['tables']} tables as they were: {time.monotonic() - began:.0f} s"
    )
    return ""


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
