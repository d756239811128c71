#!/usr/bin/env python3
"""Who may log in to the database: each password has a role of its own, a member of the owner.

    roles admit   lets the role of /run/secrets/database_password in, beside those that there are
    roles revoke  waits for the others' sessions to end, then takes the others away: passwords,
                  sessions that are left, and the roles themselves
    roles again   prints SQL for a start: who was let in last, and nobody else
    roles monitor prints SQL for a start: the role that watches, where /run/secrets has its password

DATABASE: the database, and the role that owns it and everything in it.

The first two are jobs on the database's volume, where they meet the running server: no password
restarts it. Both may be killed anywhere and run again. What they leave is noted on the volume, as
a cluster that is restored from a backup has the roles of its time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

DATA = Path("/var/lib/postgresql/data")
SOCKETS = DATA / ".socket"
NOTED = DATA / ".roles"
"""A line for each role that may log in: its name, and what Postgres keeps of its password."""
PASSWORD = Path("/run/secrets/database_password")
MONITOR_PASSWORD = Path("/run/secrets/monitor_password")
_ROUNDS = 4096
PATIENCE_S = 130
"""Seconds for the others' sessions: a replaced server ends its calls first
(`components.catalog.loader.LONGEST_GRACE_S`, and some to stop)."""

_OF_OWNER = """
SELECT member.rolname FROM pg_auth_members
JOIN pg_roles member ON member.oid = member JOIN pg_roles owner ON owner.oid = roleid
WHERE owner.rolname = '{owner}' AND member.rolname ~ '^{owner}_[0-9a-f]{{8}}$'"""
"""Roles of passwords. A person's own may be a member, too, and is left alone."""


class Failed(Exception):
    """Why nothing was done."""


def role(owner: str, password: str) -> str:
    """The password's role. As in components/plan/database.py."""
    return f"{owner}_{hashlib.sha256(password.encode()).hexdigest()[:8]}"


def verifier(password: str, salt: bytes) -> str:
    """What Postgres keeps of a password (RFC 5803, ASCII only): no statement or log has itself."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ROUNDS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored, told, kept = (
        base64.b64encode(part).decode() for part in (hashlib.sha256(client).digest(), server, salt)
    )
    return f"SCRAM-SHA-256${_ROUNDS}:{kept}${stored}:{told}"


def admission(owner: str, name: str, kept: str) -> Iterator[str]:
    """Statements that let a role in with what is kept of its password. What it makes is the
    owner's."""
    yield (f"DO $$BEGIN IF to_regrole('{name}') IS NULL THEN CREATE ROLE \"{name}\"; END IF; END$$")
    yield f"ALTER ROLE \"{name}\" LOGIN PASSWORD '{kept}'"
    if name != owner:
        yield f'GRANT "{owner}" TO "{name}"'
        yield f'ALTER ROLE "{name}" SET role TO "{owner}"'


def removal(owner: str, *keep: str) -> str:
    """A statement that leaves only these passwords of the owner and the passwords' roles."""
    listed = ", ".join(f"'{name}'" for name in keep)
    return (
        "DO $$DECLARE one name; BEGIN"
        f" FOR one IN {_one_line(_OF_OWNER.format(owner=owner))} UNION SELECT '{owner}' LOOP"
        f" IF one NOT IN ({listed})"
        " THEN EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', one); END IF;"
        " END LOOP; END$$"
    )


def again(owner: str, noted: Mapping[str, str]) -> Iterator[str]:
    """The statements of a start, each in one line. noted: what is kept of passwords, by role."""
    for name, kept in noted.items():
        yield from admission(owner, name, kept)
    if noted:
        yield removal(owner, *noted)


def monitor(password: str) -> Iterator[str]:
    """The statements, each in one line, for the role that may read statistics, and no row of any
    table. password: "" for none."""
    if not password:
        # Whoever granted it more keeps the role, which can't log in any more.
        granted = (
            "SELECT FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid"
            " WHERE refclassid = 'pg_authid'::regclass AND rolname = 'monitor'"
        )
        yield (
            f"DO $$BEGIN IF EXISTS ({granted}) THEN ALTER ROLE monitor NOLOGIN PASSWORD NULL;"
            " ELSE DROP ROLE IF EXISTS monitor; END IF; END$$"
        )
        return
    yield "DO $$BEGIN IF to_regrole('monitor') IS NULL THEN CREATE ROLE monitor; END IF; END$$"
    yield "GRANT pg_monitor TO monitor"
    kept = verifier(password, secrets.token_bytes(16))
    yield f"ALTER ROLE monitor LOGIN CONNECTION LIMIT 4 PASSWORD '{kept}'"


def _script(statements: Iterator[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def _one_line(sql: str) -> str:
    return " ".join(sql.split())


def _run(owner: str, *statements: str) -> list[str]:
    """Rows of the server on this volume. All statements succeed, or none does. Raises Failed."""
    command = ["psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "--single-transaction"]
    command += [f"--host={SOCKETS}", "--username=postgres", f"--dbname={owner}"]
    sql = ";\n".join([*statements, ""])
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.splitlines()


def _note(owner: str) -> None:
    """Who may log in now. Complete or as it was before."""
    names = f"{_OF_OWNER.format(owner=owner)} UNION SELECT '{owner}'"
    rows = _run(
        owner,
        "SELECT rolname || ' ' || rolpassword FROM pg_authid"
        f" WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolname IN ({names})",
    )
    unfinished = NOTED.with_suffix(".new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{row}\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(NOTED)


def _is_standby(owner: str) -> bool:
    return _run(owner, "SELECT pg_is_in_recovery()") == ["t"]


def _until(owner: str, known: str, what: str) -> None:
    """Waits for the other member's job, which does it on the primary. known: SQL for a boolean."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while _run(owner, f"SELECT {known}") != ["t"]:
        if time.monotonic() > deadline:
            raise Failed(f"this is the standby, and {what} did not arrive from the primary")
        time.sleep(1)
    _note(owner)
    print(f"roles: this is the standby, {what} is here")


def admit(owner: str) -> None:
    password = _password()
    name = role(owner, password)
    if _is_standby(owner):
        may = f"EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}' AND rolcanlogin)"
        _until(owner, may, name)
        return
    _run(owner, *admission(owner, name, verifier(password, secrets.token_bytes(16))))
    _note(owner)
    print(f"roles: {name} may log in")


def revoke(owner: str) -> None:
    name = role(owner, _password())
    if _is_standby(owner):
        members = f"{_OF_OWNER.format(owner=owner)} UNION SELECT '{owner}'"
        others = f"SELECT FROM pg_roles WHERE rolname IN ({members}) AND rolcanlogin"
        _until(
            owner, f"NOT EXISTS ({others} AND rolname != '{name}')", f"the end of all but {name}"
        )
        return
    [known] = _run(owner, f"SELECT count(*) FROM pg_roles WHERE rolname = '{name}' AND rolcanlogin")
    if known != "1":
        raise Failed(f"{name} may not log in, so nobody could: nothing is taken away")
    former = [one for one in _run(owner, _OF_OWNER.format(owner=owner)) if one != name]
    sessions = ", ".join(f"'{one}'" for one in (owner, *former))
    sessions = f"FROM pg_stat_activity WHERE usename IN ({sessions})"
    deadline = time.monotonic() + PATIENCE_S
    while _run(owner, f"SELECT 1 {sessions}") and time.monotonic() < deadline:
        time.sleep(1)
    _run(owner, removal(owner, name))
    _note(owner)
    if ended := _run(owner, f"SELECT pg_terminate_backend(pid) {sessions}"):
        print(f"roles: {len(ended)} sessions were open after {PATIENCE_S} s, and are ended")
    for one in former:
        leftovers = f'REASSIGN OWNED BY "{one}" TO "{owner}"', f'DROP OWNED BY "{one}"'
        _run(owner, *leftovers, f'DROP ROLE "{one}"')
    print(f"roles: only {name} may log in; removed: {', '.join(former) or 'none'}")


def _password() -> str:
    password = PASSWORD.read_text().strip()
    if not password.isalnum() or not password.isascii():
        raise Failed(f"{PASSWORD}: expected letters and digits")
    return password


def main() -> None:
    owner = os.environ["DATABASE"]
    try:
        match sys.argv[1:]:
            case ["admit"]:
                admit(owner)
            case ["revoke"]:
                revoke(owner)
            case ["again"]:
                lines = NOTED.read_text().splitlines() if NOTED.exists() else []
                noted = dict(line.split(" ", 1) for line in lines)
                print(_script(again(owner, noted)))
            case ["monitor"]:
                there = MONITOR_PASSWORD.exists()
                print(_script(monitor(MONITOR_PASSWORD.read_text().strip() if there else "")))
            case _:
                sys.exit(__doc__)
    except (Failed, OSError) as failure:
        sys.exit(f"roles: {failure}")


if __name__ == "__main__":
    main()
