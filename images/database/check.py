#!/usr/bin/env python3
"""database-check: whether a database that isn't the platform's is reached from here, and its WAL
archived. Ends with 1 and the reason if not.

/run/secrets/database_address: variables of PostgreSQL's clients (components/plan/own_database.py).
BACKUPS_ELSEWHERE: where its backups are checked, for a server that doesn't tell of them.

SQL tells of WAL only: whether there are base backups is known where they are made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ADDRESS = Path("/run/secrets/database_address")
LONGEST = 26 * 3600
"""Seconds without an archived file: a quiet database still has a checkpoint or a backup a day."""
SQL = (
    "SELECT current_setting('archive_mode'),"
    " coalesce(extract(epoch FROM now() - last_archived_time)::bigint, -1),"
    " coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)"
    " FROM pg_stat_archiver"
)


def main() -> None:
    # A password may have other ends of lines, of Unicode's.
    given = dict(line.split("=", 1) for line in ADDRESS.read_text().split("\n") if line)
    place = f"{given['PGHOST']}:{given['PGPORT']}"
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--no-password", "-qAt", "-c", SQL],
        env={**os.environ, "PGCONNECT_TIMEOUT": "10", **given},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        sys.exit(f"database-check: {place} can't be used from the cluster: {said}")
    mode, age, failing = done.stdout.strip().split("|")
    print(f"database-check: {place} answers")
    if elsewhere := os.environ.get("BACKUPS_ELSEWHERE"):
        print(f"database-check: its backups are checked elsewhere: {elsewhere}")
    elif wrong := problem(mode, int(age), failing == "t"):
        sys.exit(f"database-check: {place}: {wrong}")
    else:
        print(f"database-check: its WAL was archived {age} s ago")


def problem(mode: str, age: int, failing: bool) -> str:
    """What is wrong with its archive, "" for nothing. age: seconds, -1 for never. Pure."""
    if mode == "off":
        return (
            "archive_mode is off, so SQL doesn't tell of its backups: set `database.backups` to"
            " where they are checked"
        )
    if failing:
        return "its last WAL could not be archived: see its server's log"
    if age < 0:
        return "its WAL was never archived"
    return f"its WAL was archived {age // 3600} hours ago" if age > LONGEST else ""


if __name__ == "__main__":
    main()
