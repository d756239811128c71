"""The database's start: initialised once, killed anywhere, never over existing data."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from components.plan import database as plan
from tests.support.docker import docker
from tests.support.polling import until

pytestmark = pytest.mark.containers


def exit_status(database):
    return int(docker("wait", database.name))


def test_data_and_password_survive_restarts(database):
    database.start()
    database.ready()
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")

    until(
        lambda: docker("inspect", "--format", "{{.State.Health.Status}}", database.name),
        lambda status: status == "healthy",
        "the container's health",
        30,
    )
    # Only its role can connect over the network, only with the password, and is not a superuser.
    role = plan.role(database.password)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.query("SELECT 1", role, password="wrong")
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        database.query("SELECT 1", user="postgres")
    assert database.query("SHOW is_superuser") == [("off",)]
    assert database.query("SELECT '[1,2]'::vector <-> '[1,0]'") == [(2.0,)]
    assert database.query("SHOW shared_buffers") == [("128MB",)]
    assert database.query("SHOW password_encryption") == [("scram-sha-256",)]

    # A stop ends open connections at once; the next start finds a clean shutdown.
    database.stop()
    assert exit_status(database) == 0
    assert "database system is shut down" in database.logs()
    assert database.password not in database.logs()

    database.start()
    database.healthy()
    assert database.query("SELECT answer FROM kept") == [(42,)]
    assert "was shut down at" in database.logs()

    # A crash loses nothing that was committed.
    database.query("INSERT INTO kept VALUES (43)")
    docker("kill", database.name)
    # The number that the killed server left behind may be another process's in the next container.
    left = database.data / "15" / "postmaster.pid"
    left.write_text("\n".join(["1", *left.read_text().splitlines()[1:], ""]))
    database.start()
    database.ready()
    assert database.query("SELECT sum(answer) FROM kept") == [(85,)]


def test_the_role_that_watches_reads_statistics_and_no_row(database):
    database.watched = True
    for secret in ("it's one", "another"):  # the role is there at the second start
        database.keys = {plan.MONITOR_SECRET: secret}
        database.start()
        database.ready()
        if secret == "it's one":
            database.query("CREATE TABLE kept AS SELECT 42 AS answer")
        who = {"user": plan.MONITOR, "password": secret}
        assert database.query("SELECT count(*) FROM pg_stat_activity", **who) != [(0,)]
        assert database.query("SELECT archived_count FROM pg_stat_archiver", **who) == [(0,)]
        assert database.query("SHOW max_connections", **who)
        for forbidden in ("SELECT * FROM kept", "CREATE TABLE public.own ()", "CREATE ROLE own"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.query(forbidden, **who)
        assert secret not in database.logs()
        database.stop()
    database.watched, database.keys = False, {}
    database.start()
    database.ready()
    roles = database.query("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1")
    own = plan.role(database.password)
    assert roles == [("postgres",), (plan.DATABASE,), (own,)]


def test_a_role_that_watches_and_may_more_keeps_no_server_from_starting(database):
    """Monitoring was turned off, and somebody had let it read a table."""
    database.watched, database.keys = True, {plan.MONITOR_SECRET: "its own"}
    database.start()
    database.ready()
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")
    database.query(f"GRANT SELECT ON kept TO {plan.MONITOR}")
    database.stop()
    database.watched, database.keys = False, {}
    database.start()
    database.ready()
    may = f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{plan.MONITOR}'"
    assert database.query(may) == [(False,)]


def test_what_is_noted_of_a_table_is_all_of_it_whatever_its_columns_are_called(database):
    database.start()
    database.ready()
    database.query("CREATE TABLE odd AS SELECT 1 AS r, 2 AS s")
    code = "from backup.content import content as of; print(of('/var/lib/postgresql/data/.socket'))"
    noted = ("env", "PYTHONPATH=/usr/local/lib/sophia", "python3", "-c", code)
    before = docker("exec", database.name, *noted).partition("tables")[2]
    database.query("UPDATE odd SET s = 3")
    assert docker("exec", database.name, *noted).partition("tables")[2] != before
    assert "'public.odd': [1, " in before


@pytest.mark.parametrize("moment", ["PG_VERSION", "base/4", "base/5"])
def test_killed_while_it_is_made_it_is_made_again(database, moment):
    unfinished, cluster = database.data / ".initialising", database.data / "15"
    database.start()
    until(lambda: (unfinished / moment).exists() or cluster.exists(), bool, f"{moment} is there")
    docker("kill", database.name)
    # A quick machine may be done by then; what counts is that half a cluster is never taken.
    assert unfinished.exists() != cluster.exists()

    database.start()
    database.ready()
    assert not unfinished.exists()


def test_files_that_are_no_cluster_are_never_touched(database):
    stray = database.data / "precious"
    stray.write_text("data")
    database.start()

    assert exit_status(database) == 1
    assert "neither empty nor a cluster of PostgreSQL 15" in database.logs()
    assert stray.read_text() == "data"
    assert not (database.data / "15").exists()


def test_a_cluster_without_its_marker_is_not_made_again(database):
    database.start()
    database.ready()
    database.stop()
    (database.data / "15" / "PG_VERSION").unlink()
    database.start()

    assert exit_status(database) == 1
    assert (database.data / "15" / "base").is_dir()


def test_a_volume_that_has_lost_its_cluster_is_not_initialised_again(database):
    database.start()
    database.ready()
    database.stop()
    shutil.rmtree(database.data / "15")
    database.start()

    assert exit_status(database) == 1
    assert "the cluster of volume database-0a1b2c3d is gone: restore" in database.logs()


@pytest.mark.parametrize("marker", [None, "database-ffffffff\n"])
def test_it_starts_on_its_own_volume_only(database, marker):
    file = database.data / ".volume"
    file.unlink()
    if marker is not None:
        file.write_text(marker)
    database.start()

    assert exit_status(database) == 1
    assert "expected volume database-0a1b2c3d" in database.logs()
    assert not (database.data / "15").exists()


def test_two_servers_never_have_the_files_at_once(database):
    database.start()
    database.ready()
    first = database.name
    database.start()
    until(
        lambda: docker("top", database.name), lambda seen: "flock" in seen, "the second waits", 20
    )
    assert database.name != first

    docker("stop", first)
    database.ready()


def test_what_is_missing_is_said(database):
    shutil.chown(database.data, "root", "root")
    database.start()
    assert exit_status(database) == 1
    assert f"not writable for uid {plan.USER_ID}" in database.logs()
