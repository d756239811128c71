"""The restore drill: a database and its volume are lost, and come back from S3, by TLS."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from components.plan import backup
from components.plan import database as plan
from components.plan.backup import Repository
from tests.integration.database.conftest import VOLUME
from tests.support.certificates import issue
from tests.support.docker import docker
from tests.support.polling import until
from tests.support.s3 import Bucket, serving

pytestmark = [pytest.mark.containers, pytest.mark.slow]
HOST = "storage"
PASSPHRASE = "correct horse battery staple".replace(" ", "-")
COPY = "COPY (SELECT * FROM kept ORDER BY id) TO STDOUT"


@dataclass
class Storage:
    """An S3 that containers call `storage`. It may be away; what it holds stays."""

    ip: str
    tls: ssl.SSLContext
    authority: str
    bucket: Bucket = field(init=False)
    port: int = 0
    running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self.port = self.running.enter_context(serving(self.ip, self.port, self.tls))

    def stop(self) -> None:
        self.running.close()

    def files(self) -> list[tuple[str, bytes]]:
        """All that is in the bucket, by its names."""
        with serving() as port:
            bucket = replace(self.bucket, address=f"127.0.0.1:{port}")
            names, read = bucket.files(), bucket.client.get_object
            assert len([name for name in names if name.endswith(".info")]) == 2
            return [(one, read(Bucket=bucket.name, Key=one)["Body"].read()) for one in names]


@pytest.fixture
def storage(tmp_path) -> Iterator[Storage]:
    # Docker that was started again doesn't say the bridge's own address, which is its first.
    subnet = "{{(index .IPAM.Config 0).Subnet}}"
    bridge = ipaddress.ip_network(docker("network", "inspect", "bridge", "--format", subnet))
    made_at = str(bridge[1])
    root = issue("S3's CA")
    leaf = issue(HOST, root, dns=(HOST, made_at))
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(leaf.chain)
    key.write_text(leaf.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    made = Storage(made_at, tls, root.pem)
    # Buckets are made from this process, which calls it by address.
    with serving() as port:
        made.bucket = Bucket(f"sophia-backups-{uuid4().hex[:8]}", f"127.0.0.1:{port}")
        made.bucket.client.create_bucket(Bucket=made.bucket.name)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def backed_up(database, storage):
    """The database with backups on."""
    database.repository = Repository(
        storage.bucket.name,
        "us-east-1",
        f"{HOST}:{storage.port}",
        "/sophia-test",
        4,
        storage.authority,
    )
    database.keys = {
        backup.ACCESS_KEY: "access-key-canary",
        backup.SECRET_KEY: "secret-key-canary",
        backup.PASSPHRASE: PASSPHRASE,
    }
    database.hosts = {HOST: storage.ip}
    return database


def rows(database) -> str:
    """The table, byte by byte."""
    return docker("exec", database.name, *_psql(plan.DATABASE), COPY)


def _psql(name: str) -> tuple[str, ...]:
    return ("psql", "--no-psqlrc", "-qAt", "--username=postgres", f"--dbname={name}", "-c")


def sql(database, text: str) -> str:
    """As the superuser, who comes in by the socket only."""
    return docker("exec", database.name, *_psql("postgres"), text)


def make_stanza(database) -> None:
    """What the first run of the job does, without the seconds of a backup."""
    config = ("pgbackrest", "--config=/tmp/pgbackrest.conf", "--stanza=database")
    docker("exec", database.name, *config, "stanza-create")


def insert(database, count: int) -> None:
    database.query(
        f"INSERT INTO kept (text) SELECT md5(random()::text) FROM generate_series(1, {count})"
    )


@contextmanager
def writing(database) -> Iterator[None]:
    """Rows are inserted all the time, each in its own transaction."""
    over, server = threading.Event(), copy(database)

    def write() -> None:
        while not over.is_set():
            server.query("INSERT INTO kept (text) VALUES (md5(random()::text))")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def count_until(database, moment: str) -> int:
    """How many rows were written before a moment."""
    return int(sql_in(database, f"SELECT count(*) FROM kept WHERE at <= '{moment}'"))


def sql_in(database, text: str) -> str:
    """As the superuser, in the database that has the rows."""
    return docker("exec", database.name, *_psql(plan.DATABASE), text)


def push(database) -> float:
    """Sends the current WAL away, as `archive_timeout` does after two minutes. Seconds."""
    began = time.monotonic()
    segment = sql(database, "SELECT pg_walfile_name(pg_switch_wal())")
    until(
        lambda: sql(database, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"),
        lambda archived: archived >= segment,
        f"WAL {segment} in the archive",
        60,
    )
    return time.monotonic() - began


def lose_the_volume(database) -> None:
    docker("kill", database.name)
    shutil.rmtree(database.data)
    make_volume(database)


def make_volume(database) -> None:
    database.data.mkdir(mode=0o700)
    os.chown(database.data, plan.USER_ID, plan.USER_ID)
    (database.data / ".volume").write_text(VOLUME + "\n")


def restored(database, at: str) -> dict:
    """What `make restore` does on the node; how it went."""
    result = database.data / ".restore-result"
    result.unlink(missing_ok=True)
    (database.data / ".restore").write_text(json.dumps({"at": at}))
    docker("restart", "--time", "60", database.name)
    until(result.exists, bool, f"a result of the restore to {at}", 60)
    database.ready()
    return json.loads(result.read_text())


def exit_status(database) -> int:
    return int(docker("wait", database.name))


def test_a_lost_database_comes_back_as_it_was_and_as_it_was_at_a_time(backed_up, storage, capsys):
    database = backed_up
    database.start()
    database.ready()
    database.query(
        "CREATE TABLE kept (id bigserial PRIMARY KEY, text text, at timestamptz DEFAULT now())"
    )
    database.query("CREATE UNLOGGED TABLE passing AS SELECT 1")
    insert(database, 10_000)
    with writing(database):
        said = database.back_up()
    assert "full backup" in said
    assert "was read and verified" in said
    assert "restored beside the database, recovered, every page read" in said
    assert re.search(r"read, 1\d{4} rows in 1 tables as they were", said)
    assert not (database.data / ".drill").exists()

    insert(database, 100)
    earlier, moment = rows(database), sql(database, "SELECT now()")
    insert(database, 100)
    pushed = push(database)
    newest = rows(database)
    state = json.loads(docker("exec", database.name, "backup", "state"))
    assert (state["count"], state["failing"], state["waiting"]) == (1, False, 0)
    assert time.time() - state["archived"] < 60
    noted = state["noted"]
    assert 10_000 < count_until(database, noted) < count_until(database, "now")
    shown = docker("inspect", database.name) + database.logs() + said
    assert not [key for key in database.keys.values() if key in shown]
    for name, content in storage.files():
        assert content.startswith(b"Salted__"), f"{name} is not encrypted"

    lose_the_volume(database)
    began = time.monotonic()
    database.start()
    database.ready()
    rto = time.monotonic() - began
    assert rows(database) == newest
    with capsys.disabled():
        print(f"\nRTO {rto:.1f} s, RPO {120 + pushed:.1f} s (two minutes and {pushed:.1f} s)")

    # To a time, in place; the former cluster stays beside it.
    told = restored(database, moment)
    assert "error" not in told, told
    assert rows(database) == earlier
    assert (database.data / "15.before" / "PG_VERSION").exists()
    # The new timeline is archived like the first. Nothing is committed after that time, so that
    # the state of the end is the one of then.
    insert(database, 1)
    newest, now = rows(database), sql(database, "SELECT now()")
    told = restored(database, now)
    assert told["timeline"] == "4"
    assert rows(database) == newest

    # To the moment that the job noted, while rows were written: it compares by itself.
    told = restored(database, noted)
    assert told["content"]["differences"] == []
    assert told["content"]["rows"] == int(sql_in(database, "SELECT count(*) FROM kept"))

    refused = ("docker", "exec", database.name, "backup", "check", '{"at": "2001-01-01"}')
    done = subprocess.run(refused, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "got '2001-01-01', expected latest, or a time from 20" in done.stderr


def test_who_only_reads_the_backups_of_another_changes_nothing_there(backed_up, storage, reader):
    database = backed_up
    database.start()
    database.ready()
    database.query("CREATE TABLE kept (id bigserial PRIMARY KEY, text text)")
    insert(database, 100)
    database.back_up()
    state = json.loads(docker("exec", database.name, "backup", "state"))
    before = {name: hash(content) for name, content in storage.files()}

    by_address = f"{storage.ip}:{storage.port}"
    reader.repository = replace(database.repository, restore_only=True, endpoint=by_address)
    reader.keys, reader.hosts = database.keys, database.hosts
    reader.start()
    reader.ready()
    assert rows(reader) == rows(database)
    told = restored(reader, state["noted"])
    assert told["content"] == {"tables": 1, "rows": 100, "differences": []}
    insert(reader, 1)
    sql(reader, "SELECT pg_switch_wal()")
    reader.stop()
    assert {name: hash(content) for name, content in storage.files()} == before


def test_a_wrong_passphrase_is_one_clear_error(backed_up):
    database = backed_up
    database.start()
    database.ready()
    make_stanza(database)
    lose_the_volume(database)
    database.keys[backup.PASSPHRASE] = "another-passphrase-of-some-length"
    database.start()

    assert exit_status(database) == 1
    expected = "filled from a backup or not at all: pgbackrest info: the repository was encrypted"
    assert expected in database.logs()
    assert not (database.data / "15").exists()


def test_without_s3_the_database_serves_and_says_so(backed_up, storage):
    database = backed_up
    database.start()
    database.ready()
    make_stanza(database)
    database.query("CREATE TABLE kept (id bigserial PRIMARY KEY, text text)")
    database.stop()
    storage.stop()
    began = time.monotonic()
    database.start()
    database.healthy()
    assert time.monotonic() - began < 15
    insert(database, 10)
    sql(database, "SELECT pg_switch_wal()")
    state = json.loads(docker("exec", database.name, "backup", "state"))
    assert state["waiting"] >= 1
    assert state["error"].startswith("pgbackrest info: [HostConnectError] unable to connect to")

    # Whether there is a backup can't be told, so an empty volume isn't made anew.
    kept = rows(database)
    docker("kill", database.name)
    shutil.move(database.data, database.folder / "kept")
    make_volume(database)
    database.start()
    assert exit_status(database) == 1
    assert "the volume is empty, and is filled from a backup or not at all" in database.logs()
    assert not (database.data / "15").exists()

    # What waited arrives.
    storage.start()
    shutil.rmtree(database.data)
    shutil.move(database.folder / "kept", database.data)
    database.start()
    database.ready()
    assert rows(database) == kept
    push(database)
