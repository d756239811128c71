"""What the database's image decides about backups: pgBackRest's configuration, when a full one is
due, and which restores are refused."""

from __future__ import annotations

import json
import os
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


def test_a_restore_that_failed_is_not_tried_again_by_a_later_start(tmp_path: Path, monkeypatch):
    """Whoever asked is told that nothing was restored; the start may be killed right then."""
    for name in ("REQUEST", "RESULT", "UNFINISHED", "FINISHED"):
        monkeypatch.setattr(restore, name, tmp_path / f".{name.lower()}")
    restore.REQUEST.write_text(json.dumps({"at": "latest"}))
    monkeypatch.setattr(restore, "backups", list)

    def killed(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(restore.json, "dumps", killed)
    with pytest.raises(KeyboardInterrupt):
        restore.asked()
    assert not restore.REQUEST.exists()


SERVER = """\
#!/bin/sh
trap 'exit 0' INT
echo 'LOG:  selected new timeline ID: 2' >&2
echo 'LOG:  database system is ready to accept connections' >&2
while :; do sleep 0.1; done
"""
"""Stands in for PostgreSQL's that has recovered, until it is asked to end."""


def test_a_restore_that_can_not_be_compared_is_one_all_the_same(tmp_path: Path, monkeypatch):
    """The repository has its timeline by then: whoever restores the newest state later follows that
    one, without what the former cluster has done since."""
    (tmp_path / "postgres").write_text(SERVER)
    (tmp_path / "postgres").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def unreadable(_: str) -> Content:
        raise Failed("the database's content can't be read: invalid page")

    monkeypatch.setattr(restore, "content", unreadable)
    timeline, found = restore.recover(tmp_path, look=True, quiet=True)
    assert timeline == "2"
    assert isinstance(found, Failed)
    expected = {"at": "2026-11-27T03:00:07+00:00", "tables": {"public.a": [2, "1"]}}
    assert compared(expected, found)["differences"] == [str(found)]


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
