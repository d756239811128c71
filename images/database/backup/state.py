"""What there is, for `make status`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .content import noted
from .make import UNTRIED
from .places import Failed
from .repository import backups


def state() -> None:
    """Prints times in Unix time: of the oldest backup, the newest one and the newest full one; of
    the last WAL that was archived, and of the oldest that waits for it. noted: the newest moment of
    which the content is known, ISO 8601. untried: why the restore of the last full one was not
    tried, None if it was."""
    sql = (
        "SELECT json_build_object("
        "'archived', extract(epoch FROM last_archived_time),"
        "'failing', coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),"
        "'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),"
        "'waiting_since', (SELECT extract(epoch FROM min(modification))"
        " FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')"
        ") FROM pg_stat_archiver"
    )
    asked = ["psql", "--no-psqlrc", "-qAt", "--username=postgres", "--dbname=postgres", "-c", sql]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    try:
        every = backups()
    except Failed as failure:
        told["error"] = str(failure).splitlines()[0]
    else:
        ends = [one["timestamp"]["stop"] for one in every]
        fulls = [one for one in every if one["type"] == "full"]
        full = [one["timestamp"]["stop"] for one in fulls]
        told |= {
            "first": min(ends, default=None),
            "last": max(ends, default=None),
            "last_full": max(full, default=None),
            "count": len(every),
            "noted": (noted(every) or {}).get("at"),
            "untried": (fulls[-1].get("annotation") or {}).get(UNTRIED) if fulls else None,
            "database_bytes": every[-1]["info"]["size"] if every else None,
        }
    print(json.dumps(told))
