"""The job: makes a backup, verifies the repository, and restores a full one beside the database."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime

from .choices import ended, kind
from .places import DATA, DRILL, SOCKETS, Failed, say
from .repository import backups, pgbackrest
from .restore import files, recover


def run() -> None:
    if is_standby():
        say("this member is the standby: the primary's job makes the backup")
        return
    began = time.monotonic()
    pgbackrest("stanza-create")
    wanted = kind(backups(), datetime.now(UTC))
    pgbackrest(f"--type={wanted}", "backup")
    made, every = time.monotonic(), backups()
    newest, info = every[-1], every[-1]["info"]
    say(
        f"{newest['type']} backup {newest['label']}: {_size(info['size'])} of database,"
        f" {_size(info['repository']['delta'])} sent, {made - began:.0f} s"
    )
    # Its exit status is 0 in any case.
    told = pgbackrest("verify", "--output=text", "--verbose")
    if "status: ok" not in told:
        raise Failed(f"the repository is damaged, make another full backup elsewhere:\n{told}")
    since = min(map(ended, every))
    say(
        f"all of the repository was read and verified in {time.monotonic() - made:.0f} s;"
        f" it restores any time since {since:%Y-%m-%d %H:%M:%S} UTC"
    )
    if wanted == "full":
        drill(info["size"])


def is_standby() -> bool:
    """By the server's own word; one that says nothing fails later, with its reason."""
    asked = ["psql", "-XqAt", f"--host={SOCKETS}", "--username=postgres", "--dbname=postgres"]
    sql = "SELECT pg_is_in_recovery()"
    done = subprocess.run([*asked, "-c", sql], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "t"


def drill(size: int) -> None:
    """Restores the newest state beside the database and reads every page. size: its bytes."""
    began, free = time.monotonic(), shutil.disk_usage(DATA).free
    if free < 2 * size:
        say(f"no restore was tried: it needs {_size(2 * size)} of disk, and {_size(free)} are free")
        return
    try:
        files(DRILL)
        # Its timeline is nobody's: nothing of it goes to the archive.
        recover(DRILL, "archive_mode=off", "shared_buffers=32MB", quiet=True)
        check = ["pg_checksums", "--check", "--pgdata", str(DRILL)]
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"what was restored is damaged: {done.stderr.strip()}")
    finally:
        shutil.rmtree(DRILL, ignore_errors=True)
    took = time.monotonic() - began
    say(f"restored beside the database, recovered, every page read: {took:.0f} s")


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
