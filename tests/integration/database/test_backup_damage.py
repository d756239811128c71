"""What a restore that stops half-way, a hole in the archive and damaged pages do to backups."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from tests.integration.database.conftest import Failed
from tests.integration.database.test_backup import (
    backed_up,
    exit_status,
    insert,
    lose_the_volume,
    push,
    restored,
    rows,
    sql,
    sql_in,
    storage,
)
from tests.support.docker import docker
from tests.support.s3 import serving

pytestmark = [pytest.mark.containers, pytest.mark.slow]
__all__ = ["backed_up", "storage"]


@pytest.fixture
def database(backed_up):
    """With some rows, and one backup, after which its server has begun another WAL file."""
    backed_up.start()
    backed_up.ready()
    backed_up.query(
        "CREATE TABLE kept (id bigserial PRIMARY KEY, text text, at timestamptz DEFAULT now())"
    )
    insert(backed_up, 100)
    docker("exec", backed_up.name, *PGBACKREST, "stanza-create")
    docker("exec", backed_up.name, *PGBACKREST, "--type=full", "backup")
    return backed_up


PGBACKREST = ("pgbackrest", "--config=/tmp/pgbackrest.conf", "--stanza=database")


def archive(storage) -> list[str]:
    return [name for name, _ in storage.files() if "/archive/" in name]


def test_a_restore_that_does_not_take_its_place_leaves_nothing_that_later_ones_follow(
    database, storage
):
    moment = sql(database, "SELECT now()")
    insert(database, 10)
    push(database)
    # Nobody can be told how it went, so the start ends before anything takes a place.
    unwritable = database.data / ".restore-result.new"
    unwritable.mkdir()
    (database.data / ".restore").write_text(json.dumps({"at": moment}))
    docker("restart", "--time", "60", database.name)
    assert exit_status(database) == 1
    assert "on timeline 2" in database.logs()
    assert not [name for name in archive(storage) if "/00000002" in name]

    # The next try fails, and the database continues as it was.
    unwritable.rmdir()
    (database.data / ".restore").write_text(json.dumps({"at": "2001-01-01"}))
    docker("start", database.name)
    database.healthy()
    assert (
        "got '2001-01-01'" in json.loads((database.data / ".restore-result").read_text())["error"]
    )
    insert(database, 1000)
    push(database)
    newest = rows(database)
    lose_the_volume(database)
    database.start()
    database.ready()
    assert rows(database) == newest


def test_a_time_behind_a_hole_in_the_archive_is_refused_and_the_newest_state_says_so(
    database, storage
):
    """WAL is given up while S3 is away for long."""
    insert(database, 10)
    push(database)
    kept = rows(database)
    before = sql(database, "SELECT now()")
    hole = sql(database, "SELECT pg_walfile_name(pg_current_wal_lsn())")
    insert(database, 10)
    push(database)
    insert(database, 10)
    behind = sql(database, "SELECT now()")
    push(database)
    newest = rows(database)
    [name] = [name for name in archive(storage) if hole in name]
    with serving() as port:
        bucket = replace(storage.bucket, address=f"127.0.0.1:{port}")
        bucket.client.delete_object(Bucket=bucket.name, Key=name)

    told = restored(database, behind)
    assert (
        f"that time can't be restored: the repository has no WAL between {before_(hole)}"
        in (told["error"])
    )
    assert rows(database) == newest
    told = restored(database, "latest")
    assert "the repository has no WAL between" in told["lost"]
    assert rows(database) == kept
    refused = ("docker", "exec", database.name, "backup", "check")
    check = [*refused, json.dumps({"at": "latest", "timeline": "9"})]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert "got TIMELINE=9, expected one of 1" in done.stderr
    told = restored(database, before)
    assert "error" not in told, told
    assert rows(database) == kept


def before_(segment: str) -> str:
    return f"{segment[:8]}{int(segment[8:], 16) - 1:016X}"


def test_a_backup_of_damaged_pages_fails_and_costs_none_of_those_before(database):
    """The job notices pages that no query reads."""
    [good] = backups(database)
    file = database.data / "15" / sql_in(database, "SELECT pg_relation_filepath('kept_pkey')")
    database.stop()
    with file.open("r+b") as opened:
        opened.seek(8192 + 100)
        opened.write(b"damaged" * 50)
    # One full backup is kept: the next one would be in its place.
    database.repository = replace(database.repository, retention=1)
    database.start()
    database.healthy()

    with pytest.raises(
        Failed, match=r"damaged pages, named above, so backup .*D is not kept"
    ) as job:
        database.back_up()
    assert "invalid page checksum found in file" in str(job.value)
    assert backups(database) == [good]
    full = "from backup import make; make.kind = lambda *_: 'full'; make.run()"
    run = ["docker", "exec", "--env", "PYTHONPATH=/usr/local/lib/sophia", database.name]
    done = subprocess.run(
        [*run, "python3", "-c", full], capture_output=True, text=True, check=False
    )
    assert "damaged pages, named above" in done.stderr
    assert backups(database) == [good]


def backups(database) -> list[str]:
    told = docker("exec", database.name, *PGBACKREST, "info", "--output=json")
    return [one["label"] for one in json.loads(told)[0]["backup"]]
