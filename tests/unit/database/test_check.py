"""What a database of the operator's tells of its archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.plan import own_database
from images.database import check
from images.database.check import problem


@pytest.mark.parametrize(
    ("mode", "age", "failing", "told"),
    [
        ("on", 68, False, ""),
        ("always", 25 * 3600, False, ""),
        ("on", 68, True, "its last WAL could not be archived: see its server's log"),
        ("on", -1, False, "its WAL was never archived"),
        ("on", 30 * 3600, False, "its WAL was archived 30 hours ago"),
    ],
)
def test_an_archive_that_lags_is_a_problem(mode, age, failing, told):
    assert problem(mode, age, failing) == told


def test_without_an_archive_the_setting_that_helps_is_named():
    assert "set `database.backups`" in problem("off", -1, False)


def test_it_connects_as_servers_do_with_any_password(tmp_path: Path, monkeypatch, capsys):
    """Given CAs, libpq verifies a certificate whatever sslmode says. Servers have none, and accept
    one of a managed service's own CA."""
    (tmp_path / "psql").write_text(f"#!/bin/sh\nenv -0 >{tmp_path}/env; echo 'on|68|f'\n")
    (tmp_path / "psql").chmod(0o755)
    url = "postgresql://me:p%E2%80%A8%C2%85=%25@db/memories?sslmode=require"
    address = tmp_path / "address"
    address.write_text(own_database.parsed(url).variables)
    monkeypatch.setattr(check, "ADDRESS", address)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    check.main()
    assert capsys.readouterr().out.endswith("its WAL was archived 68 s ago\n")
    given = dict(one.split("=", 1) for one in (tmp_path / "env").read_text().split("\0") if one)
    assert {key: value for key, value in given.items() if key.startswith("PG")} == {
        "PGHOST": "db",
        "PGPORT": "5432",
        "PGDATABASE": "memories",
        "PGUSER": "me",
        "PGPASSWORD": "p\u2028\x85=%",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "10",
    }
