"""What the database's image decides about backups: pgBackRest's configuration, when a full one is
due, and which restores are refused."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.plan import backup as plan
from components.plan import database
from components.plan.backup import Repository
from images.database.backup import choices, make, restore
from images.database.backup.content import Content, compared
from images.database.backup.places import Failed

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
KEYS = {"backup_access_key": "AKIA", "backup_secret_key": "a/b+c=", "backup_passphrase": "p" * 48}
REPOSITORY = Repository("sophia-backups", "eu-central-1", "", "/sophia-dev", 4)
ELSEWHERE = Repository("b", "us-east-1", "s3.example:9000", "/p", 4, authority="PEM")


def made(kind: str, ago: timedelta) -> dict:
    return {"type": kind, "timestamp": {"stop": (NOW - ago).timestamp()}}


def options(repository: Repository, **keys: str) -> dict[str, str]:
    env = plan.archiving(database.workload("database"), repository).env
    lines = choices.configuration(env, KEYS | keys).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_amazon_is_found_by_its_region_and_others_by_their_endpoint():
    amazon, other = options(REPOSITORY), options(ELSEWHERE)
    assert amazon["repo1-s3-endpoint"] == "s3.eu-central-1.amazonaws.com"
    assert (amazon["repo1-s3-uri-style"], "repo1-storage-ca-file" in amazon) == ("host", False)
    assert (other["repo1-s3-endpoint"], other["repo1-s3-uri-style"]) == ("s3.example:9000", "path")
    assert other["repo1-storage-ca-file"] == plan.AUTHORITY
    assert (amazon["repo1-cipher-type"], amazon["repo1-cipher-pass"]) == ("aes-256-cbc", "p" * 48)
    assert (amazon["repo1-s3-key-secret"], amazon["repo1-path"]) == ("a/b+c=", "/sophia-dev")


@pytest.mark.parametrize("value", ["", "two words", "one\nrepo1-path=/other"])
def test_a_secret_that_is_more_than_a_word_never_gets_into_the_configuration(value):
    with pytest.raises(Failed, match="backup_passphrase: expected one line") as failed:
        options(REPOSITORY, backup_passphrase=value)
    assert "other" not in str(failed.value)


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([], "full"),
        ([made("full", timedelta(days=1))], "diff"),
        ([made("full", timedelta(days=6)), made("diff", timedelta(days=1))], "diff"),
        ([made("full", timedelta(days=7, minutes=-5)), made("diff", timedelta(days=1))], "full"),
        ([made("full", timedelta(days=30)), made("full", timedelta(days=2))], "diff"),
    ],
)
def test_a_full_backup_is_made_once_a_week(before, kind):
    assert choices.kind(before, NOW) == kind


def test_a_restore_begins_with_the_newest_backup_before_its_time():
    old, new = made("full", timedelta(days=7)), made("diff", timedelta(days=1))
    assert choices.candidates("latest", [old, new]) == [new, old]
    assert choices.candidates("2026-11-26 12:00:00", [old, new]) == [new, old]
    assert choices.candidates("2026-11-26 11:59:59", [old, new]) == [old]


def test_a_restore_to_a_time_that_is_not_there_names_the_times_that_are():
    there = [made("full", timedelta(days=7)), made("diff", timedelta(days=1))]
    assert choices.refusal("latest", there, NOW) == ""
    assert choices.refusal("2026-11-20 12:00:00", there, NOW) == ""
    assert choices.refusal("2026-11-27T13:00:00+02:00", there, NOW) == ""
    expected = "expected latest, or a time from 2026-11-20 12:00:00 to now in UTC"
    for at in ("2026-11-20 11:59:59", "2026-11-27 12:00:01", "yesterday", "2026-11-20T12:00+02:00"):
        assert choices.refusal(at, there, NOW) == f"got {at!r}, {expected}"
    assert choices.refusal("latest", [], NOW) == "the repository has no backup"


@pytest.fixture
def volume(tmp_path: Path, monkeypatch) -> Path:
    """A volume with a cluster, and a request. Whatever is restored has a file `restored`."""
    names = ("REQUEST", "RESULT", "TOLD", "UNFINISHED", "FINISHED", "CLUSTER", "BEFORE", "ANOTHER")
    for name in names:
        monkeypatch.setattr(restore, name, tmp_path / name.lower())

    def restored(at: str, timeline: str = "") -> dict[str, str]:
        restore.UNFINISHED.mkdir()
        (restore.UNFINISHED / "restored").touch()
        return {"timeline": "2"}

    monkeypatch.setattr(restore, "restore", restored)
    monkeypatch.setattr(restore, "backups", lambda: [made("full", timedelta())])
    restore.CLUSTER.mkdir()
    restore.REQUEST.write_text(json.dumps({"at": "latest"}))
    return tmp_path


class Killed(BaseException):
    """Ends a start at once, as a signal that nobody handles."""


@pytest.mark.parametrize("possible", [True, False])
def test_a_restore_may_be_killed_at_each_step_and_nobody_is_told_what_is_not_so(
    volume, monkeypatch, possible
):
    """It is killed at its first change of a name, then at its second, and so on."""
    if not possible:
        monkeypatch.setattr(restore, "backups", list)
    changes = {name: getattr(Path, name) for name in ("rename", "unlink", "write_text")}

    def started(left: int) -> None:
        """A start that may make so many changes."""
        count = iter(range(left))

        def limited(name: str):
            def change(path: Path, *values: object, **more: object) -> object:
                if next(count, None) is None:
                    raise Killed
                return changes[name](path, *values, **more)

            return change

        with monkeypatch.context() as at_most:
            for name in changes:
                at_most.setattr(Path, name, limited(name))
            restore.asked()

    for left in range(20):
        shutil.rmtree(volume)
        volume.mkdir()
        restore.CLUSTER.mkdir()
        restore.REQUEST.write_text(json.dumps({"at": "latest"}))
        try:
            started(left)
        except Killed:
            if restore.RESULT.exists():
                # Now nothing may change any more.
                assert not restore.REQUEST.exists()
                assert (restore.CLUSTER / "restored").exists() == possible
        else:
            break
        shutil.rmtree(restore.UNFINISHED, ignore_errors=True)  # as `files` begins
        restore.asked()
        assert (restore.CLUSTER / "restored").exists() == possible
        assert ("error" in json.loads(restore.RESULT.read_text())) != possible
        assert restore.ANOTHER.exists() == possible
        assert not restore.REQUEST.exists()
    assert 2 < left < 19


def test_an_empty_volume_that_is_filled_is_not_another_cluster_at_its_next_start(
    volume, monkeypatch
):
    """Its standby is there by then, and etcd knows of both."""
    restore.CLUSTER.rmdir()
    monkeypatch.setattr(restore, "listed", lambda: [made("full", timedelta())])
    restore.fill()
    assert (restore.CLUSTER / "restored").exists()
    assert not restore.ANOTHER.exists()


def test_a_restore_that_fills_the_disk_is_one_that_failed(volume, monkeypatch):
    write = Path.write_text

    def full(path: Path, text: str) -> int:
        if restore.UNFINISHED.exists():
            raise OSError(28, "No space left on device")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", full)
    restore.asked()
    assert "No space left" in json.loads(restore.RESULT.read_text())["error"]
    assert not (restore.CLUSTER / "restored").exists()
    assert not restore.REQUEST.exists()


def test_a_timeline_that_is_not_there_is_refused_with_those_that_are():
    names = [f"000000{timeline}0000000100000009" for timeline in ("01", "0A")]
    assert choices.no_timeline("10", names) == ""
    assert choices.no_timeline("2", names) == "got TIMELINE=2, expected one of 1, 10"


def test_files_of_a_timeline_behind_the_one_at_which_a_recovery_ended_are_a_gap():
    names = [f"00000002000000010000{number:04X}" for number in (3, 4, 7, 8)]
    other = ["000000030000000100000009", "000000010000000100000009"]
    assert choices.after_a_gap(names[1], [*other, *names]) == names[2]
    assert choices.after_a_gap(names[3], [*other, *names]) == ""
    assert choices.after_a_gap("", names) == ""


@pytest.fixture(autouse=True)
def lock(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(make, "LOCK", tmp_path / "backup.lock")
    return make.LOCK


def test_of_two_jobs_on_a_volume_the_second_one_waits(lock, monkeypatch):
    """Swarm starts one while the other, which it replaces, has seconds to end."""
    monkeypatch.setattr(make, "PATIENCE_S", 0.0)
    monkeypatch.setattr(make, "is_standby", lambda: True)
    monkeypatch.setattr(make, "backups", list)
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Failed, match="another run on this volume has not ended"):
            make.run()
    make.run()


def test_what_a_killed_restore_beside_the_database_left_is_removed_by_the_next_run(
    tmp_path, monkeypatch
):
    """Else it would take the room without which none is tried."""
    monkeypatch.setattr(make, "DRILL", tmp_path / ".drill")
    monkeypatch.setattr(make, "is_standby", lambda: False)
    make.DRILL.mkdir()

    def away(*_: str) -> str:
        raise Failed("S3 is away")

    monkeypatch.setattr(make, "pgbackrest", away)
    with pytest.raises(Failed, match="S3 is away"):
        make.run()
    assert not make.DRILL.exists()


SERVER = """\
#!/bin/sh
trap 'exit 0' INT
echo 'LOG:  selected new timeline ID: 2' >&2
echo 'LOG:  database system is ready to accept connections' >&2
while :; do sleep 0.1; done
"""
"""Stands in for PostgreSQL's that has recovered, until it is asked to end."""


def test_a_restore_that_can_not_be_compared_is_one_all_the_same(tmp_path: Path, monkeypatch):
    """The database is as it was asked for; that it can't be compared is told."""
    (tmp_path / "postgres").write_text(SERVER)
    (tmp_path / "postgres").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def unreadable(_: str) -> Content:
        raise Failed("the database's content can't be read: invalid page")

    monkeypatch.setattr(restore, "content", unreadable)
    done = restore.recover(tmp_path, look=True, quiet=True)
    assert done.timeline == "2"
    assert isinstance(done.found, Failed)
    expected = {"at": "2026-11-27T03:00:07+00:00", "tables": {"public.a": [2, "1"]}}
    assert compared(expected, done.found)["differences"] == [str(done.found)]


def test_the_standbys_job_fails_while_nobody_makes_backups(monkeypatch, capsys):
    """Alerts are content when one of the two jobs succeeds."""
    now = datetime.now(UTC)
    made: list[timedelta] = []
    monkeypatch.setattr(make, "is_standby", lambda: True)
    monkeypatch.setattr(make, "PATIENCE_S", 0.0)
    monkeypatch.setattr(make, "backups", lambda: [
        {"timestamp": {"stop": (now - age).timestamp()}} for age in made
    ])  # fmt: skip
    make.run()
    made += [timedelta(days=9), timedelta(hours=25)]
    make.run()
    assert capsys.readouterr().out.count("the primary's job makes the backup") == 2
    made[-1] = timedelta(hours=27)
    with pytest.raises(Failed, match="the primary has made no backup since 20"):
        make.run()


def test_a_backup_of_damaged_pages_does_not_count():
    good, damaged = ({"label": label, "error": label == "b"} for label in "ab")
    assert choices.whole([good, damaged]) == [good]
