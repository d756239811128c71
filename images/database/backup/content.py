"""What the database holds at a moment: of each table the rows, and a checksum over all of them.

The job notes it with each backup, so that a restore to that moment can be compared.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from .choices import moment
from .places import Failed

Content = Mapping[str, Any]
"""at: the moment, ISO 8601. tables: by name, [rows, checksum]."""

_READABLY = (
    "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601';"
    " SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lock_timeout = '3s';\n"
)
"""A row's text depends on these."""
_TABLES = (
    "SELECT format('%I.%I', nspname, relname) FROM pg_class"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    # Not those that a restore leaves empty: temporary and unlogged ones.
    " WHERE relkind = 'r' AND relpersistence = 'p' AND nspname !~ '^(pg_|information_schema$)'"
    " ORDER BY 1;\n"
)
NOTE = "content"
"""A backup's annotation."""
_END = "END"
"""A line after the answer to everything so far."""


class _Session:
    """One session of the superuser, by the socket in a directory."""

    def __init__(self, sockets: str) -> None:
        database = os.environ.get("DATABASE", "sophia")
        command = ["psql", "--no-psqlrc", "-qAt", "--set=ON_ERROR_STOP=1", f"--host={sockets}"]
        self._psql = subprocess.Popen(
            [*command, "--username=postgres", f"--dbname={database}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.asked(_READABLY)

    def asked(self, sql: str) -> list[str]:
        """The lines of the answer. Raises Failed with what the server says."""
        sent, answer, errors = self._psql.stdin, self._psql.stdout, self._psql.stderr
        assert sent is not None
        assert answer is not None
        assert errors is not None
        with suppress(BrokenPipeError):
            sent.write(f"{sql}\\echo {_END}\n")
            sent.flush()
        lines = list[str]()
        for line in answer:
            if line.rstrip("\n") == _END:
                return lines
            lines.append(line.rstrip("\n"))
        raise Failed(f"the database's content can't be read: {errors.read().strip()}")

    def close(self) -> None:
        if self._psql.returncode is None:
            self._psql.kill()
            self._psql.communicate()


def content(sockets: str) -> Content:
    """What is in the database of the server with its socket in that directory.

    Writers wait for milliseconds: all that is committed before the moment is in it, and nothing
    else, as in a restore to it. Raises Failed.
    """
    holder, reader = _Session(sockets), _Session(sockets)
    try:
        tables = holder.asked(_TABLES)
        lock = f"LOCK TABLE {', '.join(tables)} IN SHARE MODE;\n" if tables else ""
        now = """to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')"""
        at, snapshot = holder.asked(f"BEGIN;\n{lock}SELECT {now};\nSELECT pg_export_snapshot();\n")
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"
        reader.asked(f"{begin}SET TRANSACTION SNAPSHOT '{snapshot}';\n")
        holder.close()
        return {"at": at, "tables": {table: _told(reader, table) for table in tables}}
    finally:
        holder.close()
        reader.close()


def _told(session: _Session, table: str) -> list[int | str]:
    """Its number of rows, and a sum in which their order doesn't matter."""
    # With a column `r`, plain `r` would be that.
    each = "('x' || left(md5((r.*)::text), 16))::bit(64)::bigint"
    [line] = session.asked(f"SELECT count(*), coalesce(sum({each}), 0) FROM {table} AS r;\n")
    count, total = line.split("|")
    return [int(count), total]


def differences(expected: Content, found: Content) -> list[str]:
    """What isn't the same, a line for each table. Pure."""
    lines = []
    for table in sorted({*expected["tables"], *found["tables"]}):
        wanted, got = (one["tables"].get(table) for one in (expected, found))
        if wanted == got:
            continue
        if wanted is None or got is None:
            lines.append(f"{table}: it is {'not there' if got is None else 'new'}")
        elif wanted[0] != got[0]:
            lines.append(f"{table}: got {got[0]} rows, expected {wanted[0]}")
        else:
            lines.append(f"{table}: the content of its {got[0]} rows differs")
    return lines


def noted(backups: Iterable[Mapping[str, Any]], at: str = "") -> Content | None:
    """What the job noted with the newest backup that it did so for, or for that moment; None for
    nothing. Pure."""
    texts = [(one.get("annotation") or {}).get(NOTE) for one in backups]
    found: list[Content] = [json.loads(text) for text in texts if text]
    wanted = [one for one in found if not at or moment(one["at"]) == moment(at)]
    return wanted[-1] if wanted else None


def compared(expected: Content, found: Content | Failed) -> dict[str, Any]:
    """How much was compared, and what differs. found: or why it can't be read. Pure."""
    if isinstance(found, Failed):
        return {"tables": 0, "rows": 0, "differences": [str(found)]}
    counts = [count for count, _ in expected["tables"].values()]
    return {
        "tables": len(counts),
        "rows": sum(counts),
        "differences": differences(expected, found),
    }
