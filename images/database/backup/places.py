"""Where things are in the container and on the volume; how a failure and a line are told."""

from __future__ import annotations

import os
from pathlib import Path

VERSION = "15"
DATA = Path("/var/lib/postgresql/data")
CLUSTER, BEFORE = DATA / VERSION, DATA / f"{VERSION}.before"
UNFINISHED, FINISHED = DATA / ".restoring", DATA / ".restored"
DRILL = DATA / ".drill"
REQUEST, RESULT = DATA / ".restore", DATA / ".restore-result"
ANOTHER = DATA / ".another"
"""Tells the start (entrypoint.sh) that there is another cluster than before."""
SOCKETS = DATA / ".socket"
"""Where the job meets the server: it is on the same volume, and on no network of the server's."""
SECRETS = Path("/run/secrets")
CONFIG = Path("/tmp/pgbackrest.conf")
READS_ONLY = os.environ.get("BACKUP_RESTORE_ONLY") == "true"
"""Whether nothing may be written to the repository: another database's backups are in it."""


class Failed(Exception):
    """Something that can't be done, and why."""


def say(line: str) -> None:
    print(f"backup: {line}", flush=True)
