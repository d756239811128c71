"""Backups of a database with a standby: after a failover the other job makes them and nothing is
missing from the archive; a restore takes both members; without a standby its data stay."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.plan import backup, database, standby
from components.plan.backup import Repository
from tests.integration.database.test_backup import HOST, PASSPHRASE, Storage, storage
from tests.support.docker import docker
from tests.support.members import FIRST, Members, Writer
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]
KEYS = ("BUCKET", "REGION", "ENDPOINT", "PATH")
__all__ = ["storage"]


@pytest.fixture
def members(image: str, tmp_path: Path, storage: Storage) -> Iterator[Members]:
    at = f"{HOST}:{storage.port}"
    repository = Repository(storage.bucket.name, "us-east-1", at, "/test", 4, storage.authority)
    made = Members(
        image,
        tmp_path,
        lambda server: backup.archiving(server, repository),
        {
            backup.ACCESS_KEY: "access-key-canary",
            backup.SECRET_KEY: "secret-key-canary",
            backup.PASSPHRASE: PASSPHRASE,
            Path(backup.AUTHORITY).name: storage.authority,
        },
        {HOST: storage.ip},
    )
    try:
        made.start_all()
        yield made
    finally:
        made.remove()


def test_backups_survive_a_failover_and_a_restore_takes_both_members(members: Members) -> None:
    assert members.primary() == FIRST
    assert "full backup" in job(members, FIRST)
    assert "is the standby" in job(members, standby.SECOND)
    with Writer(members.url(FIRST, standby.SECOND)) as writer:
        members.kill(FIRST)
        writer.more()
    kept = len(rows(members, standby.SECOND))
    assert kept >= len(writer.acknowledged) > 0
    members.start(FIRST)
    members.in_step(standby.SECOND)
    # Everything since the backup of the former primary is in the archive, too.
    moment = members.sql(standby.SECOND, "SELECT now()")
    members.sql(standby.SECOND, "DELETE FROM written", database.DATABASE)
    segment = members.sql(standby.SECOND, "SELECT pg_walfile_name(pg_switch_wal())")
    until(lambda: archived(members), lambda last: last >= segment, f"{segment} in the archive", 90)
    restore(members, standby.SECOND, moment)
    assert len(rows(members, standby.SECOND)) == kept
    assert len(rows(members, FIRST)) == kept
    assert "diff backup" in job(members, standby.SECOND)

    # Without a standby: refused before it was prepared, and then its data are there.
    members.inside(standby.SECOND, "member", "hand-over", FIRST)
    until(lambda: members.primary(), lambda it: it == FIRST, "the first one leads", 60)
    plain = members.change(database.workload(FIRST, 512))
    members.in_step(FIRST)
    members.stop(FIRST)
    members.start(FIRST, plain)
    assert docker("wait", members.running[FIRST]) == "1"
    assert "run `make alone` before" in members.logs(FIRST)
    members.start(FIRST)
    leader = members.primary()
    members.in_step(leader)
    if leader != FIRST:
        members.inside(leader, "member", "hand-over", FIRST)
        members.in_step(FIRST)
    members.inside(FIRST, "member", "alone")
    members.stop(FIRST)
    members.start(FIRST, plain)
    until(lambda: len(rows(members, FIRST)), lambda count: count == kept, "its rows", 60)
    assert not members.is_primary(standby.SECOND)
    members.sql(FIRST, "INSERT INTO written VALUES (0)", database.DATABASE)


def test_a_restore_that_fails_lets_nobody_forget_who_lacks_commits(members: Members) -> None:
    """The other member, held meanwhile, would be promoted without them."""
    first, second = FIRST, standby.SECOND
    members.sql(first, "CREATE TABLE written (number int)", database.DATABASE)
    members.stop(second)
    until(lambda: members.roles(first), lambda seen: seen == {first: "leader"}, "one is left", 60)
    members.sql(first, "INSERT INTO written VALUES (1)", database.DATABASE)
    folder = members.folder_of(first)
    (folder / ".restore").write_text(json.dumps({"at": "2001-01-01"}))
    members.stop(first)
    members.start(first)
    until((folder / ".restore-result").exists, bool, "a result of the restore", 60)
    members.kill(first)
    members.start(second)
    ends = time.monotonic() + 40
    while time.monotonic() < ends:
        assert not members.is_primary(second)
    members.start(first)
    members.in_step(first)
    assert rows(members, second) == ["1"]


def job(members: Members, name: str) -> str:
    """Runs the one of that member's volume."""
    env = members.plan[name].env
    repository = Repository(*(env[f"BACKUP_{key}"] for key in KEYS), 4, "PEM")
    return members.run_job(name, backup.job("backup", members.plan[name], repository))


def rows(members: Members, name: str) -> list[str]:
    return members.sql(name, "SELECT number FROM written", database.DATABASE).split()


def archived(members: Members) -> str:
    sql = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"
    return members.sql(standby.SECOND, sql)


def restore(members: Members, name: str, at: str) -> None:
    """What `make restore` does on the nodes."""
    other = members.other(name)
    (members.folder_of(other) / ".hold").touch()
    members.stop(other)
    members.start(other)
    folder = members.folder_of(name)
    (folder / ".restore").write_text(json.dumps({"at": at}))
    members.stop(name)
    members.start(name)
    until((folder / ".restore-result").exists, bool, "a result of the restore", 120)
    result = json.loads((folder / ".restore-result").read_text())
    assert "error" not in result, result
    members.healthy(name)
    (members.folder_of(other) / ".rebuild").touch()
    (members.folder_of(other) / ".hold").unlink()
    members.in_step(name)
