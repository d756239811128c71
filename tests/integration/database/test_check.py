"""The check of a database that isn't the platform's, against one with and without an archive."""

from __future__ import annotations

import subprocess
from urllib.parse import quote

import pytest

from components.plan import database as plan
from components.plan import own_database
from components.plan.workload import job_inputs
from tests.support.certificates import issue
from tests.support.docker import docker
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]
PASSWORD = "it's-a %\\ password"


def checked(database, elsewhere: str = "", **changes: str) -> tuple[int, str]:
    """Runs the job on the address of a database, with changes. Its exit status and words."""
    place = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = own_database.parsed(
        "postgresql://{user}:{password}@{host}:{port}/sophia?{options}".format(
            **{"user": "operator", "password": quote(PASSWORD), "options": "connect_timeout=3"}
            | {"host": docker("inspect", "--format", place, database.name), "port": plan.PORT}
            | changes
        )
    )
    folder = database.folder / "secrets"
    folder.mkdir(exist_ok=True)
    (folder / own_database.ADDRESS_SECRET).write_text(address.variables)
    planned = job_inputs(own_database.check("database-check", elsewhere), "test")
    env = [word for item in planned.env.items() for word in ("--env", "=".join(item))]
    command = ["docker", "run", "--rm", "--user", planned.user, "--read-only", "--cap-drop", "ALL"]
    command += ["--memory", f"{planned.resources.memory_mb}m", "--tmpfs", "/tmp", *env]
    command += ["--volume", f"{folder}:/run/secrets:ro", "--entrypoint", planned.command[0]]
    done = subprocess.run([*command, database.image], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert PASSWORD not in said
    return done.returncode, said


def started(database, *arguments: str) -> None:
    """With a role of the operator's. arguments: of the server."""
    database.start(*arguments)
    database.healthy()
    administer(database, "CREATE ROLE operator LOGIN PASSWORD $$" + PASSWORD + "$$")


def administer(database, sql: str) -> str:
    """As the superuser, who comes in by the socket only."""
    return docker("exec", database.name, "psql", "-qAt", "--username=postgres", "-c", sql)


def test_it_is_reached_or_the_reason_is_one_line(database):
    started(database)
    status, said = checked(database)
    assert status == 1
    assert "answers\n" in said
    assert "archive_mode is off" in said
    assert "set `database.backups` to where they are checked" in said
    status, said = checked(database, elsewhere="by the provider")
    assert (status, said.splitlines()[-1]) == (
        0,
        "database-check: its backups are checked elsewhere: by the provider",
    )

    status, said = checked(database, elsewhere="by the provider", password="wrong")
    assert (status, len(said.splitlines())) == (1, 1)
    assert 'password authentication failed for user "operator"' in said
    status, said = checked(database, port="5433")
    assert (status, len(said.splitlines())) == (1, 1)
    assert ":5433 can't be used from the cluster: " in said
    assert checked(database, host="db.invalid")[0] == 1


def test_the_age_of_its_archive_is_told(database):
    started(database, "-c", "archive_mode=on", "-c", "archive_command=true")
    assert "its WAL was never archived" in checked(database)[1]
    administer(database, "SELECT pg_switch_wal()")
    until(lambda: checked(database)[1], _archived, "the archive", 30)
    assert checked(database)[0] == 0


def _archived(said: str) -> bool:
    return "its WAL was archived" in said


def test_a_certificate_of_a_managed_services_own_ca_is_accepted_as_servers_do(database):
    started(database)
    issued = issue("db.example", issue("a CA that nobody else knows"), dns=("db.example",))
    write = 'umask 077; printf %s "$2" >"/var/lib/postgresql/data/15/server.$1"'
    for name, pem in (("crt", issued.chain), ("key", issued.key_pem)):
        docker("exec", database.name, "sh", "-c", write, "sh", name, pem)
    administer(database, "ALTER SYSTEM SET ssl = on")
    administer(database, "SELECT pg_reload_conf()")
    until(
        lambda: checked(database, "by the provider", options="sslmode=require"),
        lambda seen: seen[0] == 0,
        "it answers by TLS",
        30,
    )
    status, said = checked(database, "by the provider", options="sslmode=verify-full")
    assert (status, len(said.splitlines())) == (1, 1)
