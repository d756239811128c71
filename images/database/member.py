#!/usr/bin/env python3
"""One of the database's two members, of which Patroni makes one the primary.

    member elsewhere  ends with 0 if the cluster exists already, with 1 if it doesn't: whether an
                      empty volume is filled from the other member
    member begin      for a volume that hasn't been a member: forget, if etcd knows another cluster
    member forget     makes etcd forget what the cluster was like: there is another one here
    member run ARGS…  becomes Patroni. ARGS: those of the server, -c name=value …
    member roles …    what the primary's roles need, at each start of one and each promotion
    member healthy    ends with 0 while it is one: the container's health check
    member state      prints what Patroni knows of both, as JSON
    member hand-over X makes X the primary
    member alone      keeps this primary one, with nobody to take over: the standby is given up
    member primary    ends with 0 on the primary, with 1 elsewhere, with 2 if nobody knows

MEMBER is its name, MEMBERS both: `database=host,database-2=host`; QUORUM etcd's, see quorum.py.
/run/secrets/member_password: with which the members replicate from one another.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

VERSION = "15"
DATA = Path("/var/lib/postgresql/data")
CLUSTER, MARK = DATA / VERSION, DATA / ".member"
CONFIG, READY = Path("/tmp/patroni.json"), Path("/tmp/ready")
SECRETS = Path("/run/secrets")
AUTHORITY, PAIR = SECRETS / "quorum_authority", SECRETS / "quorum_pair"
SCOPE, REPLICATOR = "database", "replicator"
API, ETCD, POSTGRES = 8008, 2379, 5432

TTL_S, LOOP_S, RETRY_S = 20, 5, 5
"""A primary that nobody hears is one no longer after TTL_S. Patroni asks for LOOP_S + 2 RETRY_S or
more."""
SHARED = ("max_connections", "wal_keep_size", "max_worker_processes")
"""Settings that both members must have in common: Patroni reads them from etcd only."""

HBA = """\
local all postgres peer
local all all scram-sha-256
host replication replicator all scram-sha-256
host all postgres all reject
host all all all scram-sha-256
""".splitlines()


def parsed(members: str) -> dict[str, str]:
    """Hosts by name."""
    return dict(one.split("=", 1) for one in members.split(","))


def given(arguments: Iterable[str]) -> dict[str, str]:
    """The server's settings, of `-c name=value -c …`. Pure."""
    words = [word for word in arguments if word != "-c"]
    return dict(word.split("=", 1) for word in words)


def shared(settings: Mapping[str, str]) -> dict[str, Any]:
    """What both members have in common, kept in etcd. Pure."""
    return {
        "ttl": TTL_S,
        "loop_wait": LOOP_S,
        "retry_timeout": RETRY_S,
        # A commit is acknowledged when both have it. Only a member that has all of them can be
        # promoted; one that is away is left out first, with etcd's consent.
        "synchronous_mode": True,
        # While etcd is away, the primary stays one as long as the other member agrees.
        "failsafe_mode": True,
        # Seconds for a crashed server to recover, before the other member takes over.
        "primary_start_timeout": 30,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {
                "wal_keep_size": "512MB",
                **{name: value for name, value in settings.items() if name in SHARED},
            },
        },
    }


def configuration(
    name: str,
    hosts: Mapping[str, str],
    quorum: Iterable[str],
    password: str,
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """Patroni's. quorum: etcd's hosts. Pure."""
    own = {item: value for item, value in settings.items() if item not in SHARED}
    login = {"username": REPLICATOR, "password": password}
    restore = own.pop("restore_command", "")
    return {
        "scope": SCOPE,
        "name": name,
        "restapi": {
            "listen": f"0.0.0.0:{API}",
            "connect_address": f"{hosts[name]}:{API}",
            "certfile": str(PAIR),
            "cafile": str(AUTHORITY),
            # Servers share a network with it.
            "verify_client": "required",
        },
        "ctl": {"cacert": str(AUTHORITY), "certfile": str(PAIR)},
        "etcd3": {
            "hosts": [f"{host}:{ETCD}" for host in quorum],
            "protocol": "https",
            "cacert": str(AUTHORITY),
            "cert": str(PAIR),
            "key": str(PAIR),
        },
        "postgresql": {
            "listen": f"*:{POSTGRES}",
            "connect_address": f"{hosts[name]}:{POSTGRES}",
            "data_dir": str(CLUSTER),
            "bin_dir": f"/usr/lib/postgresql/{VERSION}/bin",
            "pgpass": "/tmp/pgpass",
            "use_unix_socket": True,
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": login,
                "rewind": login,
            },
            "parameters": {"password_encryption": "scram-sha-256", **own},
            "pg_hba": HBA,
            "recovery_conf": {"restore_command": restore} if restore else {},
            "basebackup": {"checkpoint": "fast"},
            "callbacks": dict.fromkeys(("on_start", "on_role_change"), "member roles"),
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
    }


def elsewhere() -> None:
    """Waits for etcd; the second member for the first one, too."""
    first = next(iter(parsed(os.environ["MEMBERS"])))
    told = ""
    while True:
        found = etcdctl("get", "--print-value-only", f"/service/{SCOPE}/initialize")
        if found is not None and found.strip():
            return
        if found is not None and os.environ["MEMBER"] == first:
            sys.exit(1)
        why = "etcd doesn't answer" if found is None else f"{first} has no cluster yet"
        if why != told:
            say(f"the volume is empty, and {why}: waiting")
        told = why
        time.sleep(1)


def begin() -> None:
    """etcd's volumes outlive a standby that is turned off. One that is turned on again may follow a
    database that has begun anew meanwhile."""
    if os.environ["MEMBER"] != next(iter(parsed(os.environ["MEMBERS"]))) or not CLUSTER.exists():
        return
    known = insisted("get", "--print-value-only", f"/service/{SCOPE}/initialize").strip()
    if known not in ("", identifier()):
        say(f"etcd knows another cluster, {known}, of a former standby: forgotten")
        forget()


def forget() -> None:
    """The other member is held meanwhile, or it would be promoted."""
    for key in ("leader", "sync", "status", "history", "failover", "failsafe"):
        insisted("del", f"/service/{SCOPE}/{key}")
    # Not deleted: the first member, if it is the other one, would make a cluster of its own.
    insisted("put", f"/service/{SCOPE}/initialize", identifier())


def identifier() -> str:
    """Of the cluster here."""
    told = subprocess.run(
        ["pg_controldata", CLUSTER],
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return told.split("Database system identifier:")[1].split()[0]


def run() -> NoReturn:
    name, hosts = os.environ["MEMBER"], parsed(os.environ["MEMBERS"])
    settings = given(sys.argv[2:])
    password = (SECRETS / "member_password").read_text().strip()
    quorum = parsed(os.environ["QUORUM"]).values()
    config = configuration(name, hosts, quorum, password, settings)
    with open(os.open(CONFIG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(config, file)
    READY.unlink(missing_ok=True)
    # As the image has it, not as it was written at the cluster's birth. Also ends a pause.
    if name == next(iter(hosts)):
        insisted("put", f"/service/{SCOPE}/config", json.dumps(shared(settings)))
    os.execvp("patroni", ["patroni", str(CONFIG)])


def roles() -> None:
    """Patroni's callback. Everything may be there already."""
    _, _, _, role, *_ = sys.argv
    if role not in ("master", "primary"):
        return
    # Patroni calls this when it has asked for the promotion; another change of role ends this.
    while not writable():
        time.sleep(0.5)
    database = os.environ.get("DATABASE", "sophia")
    password = (SECRETS / "member_password").read_text().strip().replace("'", "''")
    grants = "".join(
        f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {REPLICATOR};\n"
        for function in (
            "pg_ls_dir(text, boolean, boolean)",
            "pg_stat_file(text, boolean)",
            "pg_read_binary_file(text)",
            "pg_read_binary_file(text, bigint, bigint, boolean)",
        )
    )
    made = (
        f"SELECT 'CREATE ROLE {REPLICATOR} LOGIN REPLICATION'"
        f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{REPLICATOR}') \\gexec\n"
    )
    own = f"ALTER ROLE {REPLICATOR} PASSWORD '{password}';\n"
    watching = subprocess.run(["roles", "monitor"], check=True, stdout=subprocess.PIPE, text=True)
    psql("postgres", made + grants + own + watching.stdout)
    # Only a superuser may do this, and none can connect from outside.
    psql(database, "CREATE EXTENSION IF NOT EXISTS vector;\n")
    READY.touch()


def writable() -> bool:
    try:
        return psql("postgres", "SELECT pg_is_in_recovery();").strip() == "f"
    except subprocess.CalledProcessError:
        return False


def psql(database: str, sql: str) -> str:
    """What it prints. Raises CalledProcessError."""
    command = ["psql", "-XqAt", "--username=postgres", f"--dbname={database}"]
    # A password is never logged, and nothing here waits for the other member.
    quiet = "-c log_min_error_statement=panic -c synchronous_commit=local -c log_statement=none"
    return subprocess.run(
        [*command, "--set=ON_ERROR_STOP=1"],
        input=f"SET client_min_messages = warning;\n{sql}",
        env={**os.environ, "PGOPTIONS": quiet},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def healthy() -> None:
    """At first a primary with its roles, or a standby that has each commit; then alive. Patroni
    stops the server to demote, rewind or copy it: ending the container then would help nobody."""
    if not READY.exists():
        if asked("/sync") != 200:
            sys.exit("neither the primary nor a standby that has each commit")
        READY.touch()
    if (status := asked("/liveness")) != 200:
        sys.exit(f"patroni: {status}")


def primary() -> None:
    status = asked("/primary")
    sys.exit(0 if status == 200 else 1 if status == 503 else 2)


def hand_over() -> None:
    ctl("switchover", "--force", f"--candidate={sys.argv[2]}")


def alone() -> None:
    """Until it starts as a member again. The mark is what a server without a standby refuses."""
    if asked("/primary") != 200:
        sys.exit("it is not the primary")
    ctl("pause", "--wait")
    MARK.unlink(missing_ok=True)


def ctl(*arguments: str) -> None:
    """patronictl's, whose exit status is not always the truth."""
    subprocess.run(["patronictl", "-c", str(CONFIG), *arguments, SCOPE], check=True)


def state() -> None:
    print(json.dumps(json.loads(_get("/cluster")[1])))


def asked(path: str) -> int:
    """The status of Patroni's answer, 0 for none."""
    return _get(path)[0]


def _get(path: str) -> tuple[int, str]:
    trusted = ssl.create_default_context(cafile=AUTHORITY)
    trusted.load_cert_chain(PAIR)
    try:
        with urllib.request.urlopen(
            f"https://127.0.0.1:{API}{path}", context=trusted, timeout=10
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, ""
    except OSError:
        return 0, ""


def insisted(*arguments: str) -> str:
    """What etcdctl prints, once etcd answers."""
    while (told := etcdctl(*arguments)) is None:
        say("etcd doesn't answer: waiting")
        time.sleep(1)
    return told


def etcdctl(*arguments: str) -> str | None:
    """What it prints, or None if no member of etcd answers."""
    hosts = parsed(os.environ["QUORUM"]).values()
    done = subprocess.run(
        [
            "etcdctl",
            f"--endpoints={','.join(f'https://{host}:{ETCD}' for host in hosts)}",
            f"--cacert={AUTHORITY}",
            f"--cert={PAIR}",
            f"--key={PAIR}",
            "--command-timeout=5s",
            *arguments,
        ],
        env={**os.environ, "ETCDCTL_API": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def say(text: str) -> None:
    print(f"database: {text}", flush=True)


if __name__ == "__main__":
    every = (elsewhere, begin, forget, run, roles, healthy, primary, state, hand_over, alone)
    {one.__name__.replace("_", "-"): one for one in every}[sys.argv[1]]()
