"""Passwords of the database change under load; whatever is killed, the next run ends it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from components.plan import database as plan
from tests.support.docker import docker
from tests.support.polling import until

pytestmark = pytest.mark.containers

FIRST, SECOND, THIRD = "a1B2" * 8, "c3D4" * 8, "e5F6" * 8
ADMINISTRATION = ("psql", "--username=postgres", "--dbname=sophia", "-qAt", "-v", "ON_ERROR_STOP=1")


class Calls:
    """A server's calls with one password: every other one on a new connection, until it drains."""

    def __init__(self, database, password: str, user: str = "") -> None:
        self.done, self.failed = 0, list[str]()
        self._connect: Callable[[], psycopg.Connection] = lambda: database.connect(user, password)
        self._draining = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        with self._connect() as kept:
            while not self._draining.wait(0.02):
                try:
                    kept.execute("INSERT INTO calls DEFAULT VALUES")
                    with self._connect() as another:
                        another.execute("INSERT INTO calls DEFAULT VALUES")
                    self.done += 2
                except psycopg.Error as error:
                    self.failed.append(str(error))

    def some_more(self) -> None:
        seen = self.done
        until(lambda: self.done, lambda done: done > seen + 20, f"calls (failed: {self.failed})")

    def drain(self) -> None:
        self._draining.set()
        self._thread.join()


def administer(database, sql: str) -> list[str]:
    return docker("exec", database.name, *ADMINISTRATION, "--command", sql).splitlines()


def who_may_log_in(database) -> set[str]:
    return set(administer(database, "SELECT rolname FROM pg_roles WHERE rolcanlogin")) - {
        "postgres"
    }


def test_a_password_changes_under_load_and_no_call_fails(database):
    database.password = FIRST
    database.start()
    database.ready()
    database.query("CREATE TABLE calls (id bigserial, by name DEFAULT session_user)")
    former = Calls(database, FIRST)
    try:
        former.some_more()
        database.admit(SECOND)
        newer = Calls(database, SECOND)
        newer.some_more()
        # A restart in between, as a backup's restore or a lost node costs one, keeps both.
        assert who_may_log_in(database) == {plan.role(FIRST), plan.role(SECOND)}
        with ThreadPoolExecutor() as pool:
            ending = pool.submit(database.revoke_others, SECOND)
            # What is replaced still ends its calls.
            until(lambda: database.made, lambda made: made[-1] != database.name, "the job")
            former.some_more()
            assert not ending.done()
            former.drain()
            told = ending.result(60)
        newer.some_more()
    finally:
        for calls in (former, newer):
            calls.drain()
    assert (former.failed, newer.failed) == ([], [])
    assert f"removed: {plan.role(FIRST)}" in told
    assert FIRST not in told + database.logs()
    assert SECOND not in told + database.logs()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.query("SELECT 1", password=FIRST)
    assert who_may_log_in(database) == {plan.role(SECOND)}
    count = former.done + newer.done
    assert database.query("SELECT count(*) FROM calls", password=SECOND) == [(count,)]
    # Whoever made it, the owner has it: the newer role may do anything with it.
    assert database.query("SELECT tableowner FROM pg_tables WHERE tablename = 'calls'",
                          password=SECOND) == [("sophia",)]  # fmt: skip
    database.query("DROP TABLE calls", password=SECOND)


def test_a_database_with_one_role_moves_to_a_password_of_its_own(database):
    """As the first version had it: the owner logs in."""
    database.start()
    database.healthy()
    administer(database, f"ALTER ROLE sophia LOGIN PASSWORD '{FIRST}'")
    database.query("CREATE TABLE calls (id bigserial)", "sophia", FIRST)
    former = Calls(database, FIRST, "sophia")
    try:
        database.admit(FIRST)
        # It restarts in the middle of it.
        former.some_more()
    finally:
        former.drain()
    database.stop()
    database.start()
    database.healthy()
    assert who_may_log_in(database) == {"sophia", plan.role(FIRST)}
    newer = Calls(database, FIRST)
    try:
        newer.some_more()
        database.revoke_others(FIRST)
        newer.some_more()
    finally:
        newer.drain()
    assert (former.failed, newer.failed) == ([], [])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.query("SELECT 1", "sophia", FIRST)
    assert database.query("SELECT count(*) FROM calls", password=FIRST) == [
        (former.done + newer.done,)
    ]


def test_a_persons_own_role_is_nobodys_former_password(database):
    """Which may do what the owner may."""
    database.password = FIRST
    database.start()
    database.ready()
    administer(database, f"CREATE ROLE alice LOGIN PASSWORD '{THIRD}' IN ROLE sophia")
    database.admit(SECOND)
    told = database.revoke_others(SECOND)
    assert f"removed: {plan.role(FIRST)}\n" in told
    database.stop()
    database.start()
    database.healthy()
    assert who_may_log_in(database) == {plan.role(SECOND), "alice"}
    assert database.query("SELECT 1", "alice", THIRD) == [(1,)]


def test_a_restored_cluster_knows_the_present_password_only(database):
    database.password = FIRST
    database.start()
    database.ready()
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")
    database.stop()
    cluster, backup = database.data / "15", database.data.parent / "backup"
    shutil.copytree(cluster, backup)
    database.start()
    database.healthy()
    database.admit(SECOND)
    database.revoke_others(SECOND)
    database.stop()
    shutil.rmtree(cluster)
    shutil.move(backup, cluster)
    for path in (cluster, *cluster.rglob("*")):
        shutil.chown(path, plan.USER_ID, plan.USER_ID)
    database.start()
    database.healthy()
    assert who_may_log_in(database) == {plan.role(SECOND)}
    assert database.query("SELECT answer FROM kept", password=SECOND) == [(42,)]


INTERRUPTED = """
import importlib.machinery, importlib.util, os, pathlib, sys
loader = importlib.machinery.SourceFileLoader("roles", "/usr/local/bin/roles")
roles = importlib.util.module_from_spec(importlib.util.spec_from_loader("roles", loader))
sys.dont_write_bytecode = True
loader.exec_module(roles)
roles.PASSWORD = pathlib.Path("/tmp/password")
roles.PASSWORD.write_text(sys.argv[3])
left, run = int(sys.argv[1]), roles._run
def counted(*arguments):
    global left
    left -= 1
    return run(*arguments) if left >= 0 else os._exit(9)
roles._run = counted
getattr(roles, sys.argv[2])("sophia")
"""
"""A job that is killed before its n-th statement: that number, the command, the password."""


def test_a_rotation_that_is_killed_anywhere_is_ended_by_the_next_one(database):
    database.password = FIRST
    database.start()
    database.ready()
    passwords = [SECOND, THIRD] * 10
    present = FIRST
    for command in ("admit", "revoke"):
        for step in range(20):
            killed = _killed(database, step, command, passwords[step])
            # What the servers have at that moment is still good.
            used = present if command == "admit" else passwords[step]
            assert database.query("SELECT 1", password=used) == [(1,)]
            database.admit(passwords[step])
            database.revoke_others(passwords[step])
            present = passwords[step]
            assert who_may_log_in(database) == {plan.role(present)}
            assert database.query("SELECT 1", password=present) == [(1,)]
            if not killed:
                break
        assert step > 1, "it was killed at every step"


def _killed(database, step: int, command: str, password: str) -> bool:
    """Runs the job up to that step. Whether it was killed there."""
    if command == "revoke":
        database.admit(password)
    run = ("exec", database.name, "python3", "-c", INTERRUPTED, str(step), command, password)
    told = docker(*run, ok=False)
    return "roles:" not in told


def test_nothing_is_taken_away_for_a_password_that_was_never_let_in(database):
    database.password = FIRST
    database.start()
    database.ready()
    with pytest.raises(Exception, match="may not log in, so nobody could"):
        database.revoke_others(SECOND)
    assert who_may_log_in(database) == {plan.role(FIRST)}
