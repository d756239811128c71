"""The restore drill on real nodes: the whole platform and its state are lost at once, and come back
from S3. The tests run in this order, on one platform."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from ops.ci.drill import LONGEST, MOST_LOST
from providers.lambdalabs.client import LambdaClient
from simulator import cloud
from tests.support import docker, s3
from tests.support.certificates import issue
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.mcp_calls import connected
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

MEMORY = "zebra seen before everything was lost"
GROUP = {"role": "manager", "tier": "primary", "instanceTypes": ["cpu_4x_general"]}
GROUP |= {"name": "manager", "count": 1, "regions": ["us-east-1"]}


@dataclass
class Platform:
    """A small platform with backups. bucket: in an S3 that nodes reach by TLS.

    written: each row of the table `kept` that the database has confirmed, as text, in its order.
    """

    checkout: Checkout
    simulated: cloud.Cloud
    settings: dict[str, Any]
    written: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def configure(self, **changes: str) -> None:
        """Writes the setting `backup` into the stack, which is new."""
        self.checkout.run("toolchain", "ensure")
        self.checkout.pulumi("stack", "init")
        text = json.dumps(self.settings | changes)
        self.checkout.pulumi("config", "set", "--secret", "sophia:backup", text)

    def sql(self, text: str) -> str:
        """As the superuser, in the database's container."""
        ((node, task),) = docker.tasks(self.checkout.home, "sophia-dev-database")
        psql = ("psql", "--no-psqlrc", "-qAt", "--username=postgres", "--dbname=sophia", "-c")
        return docker.docker("exec", node, "docker", "exec", task, *psql, text)

    def rows(self) -> list[str]:
        """All of the table."""
        return self.sql("SELECT kept::text FROM kept ORDER BY id").splitlines()

    def write(self) -> None:
        """Inserts row after row, until the database is gone."""
        insert = "INSERT INTO kept (text) VALUES (md5(random()::text)) RETURNING kept::text"
        while not self.over.is_set():
            try:
                self.written.append(self.sql(insert))
            except (AssertionError, ValueError):
                return

    def lose_everything(self) -> float:
        """All machines die at once, are terminated behind the program's back, and nothing of the
        state is left. The moment, in Unix time."""
        home = self.checkout.home
        docker.docker("kill", *docker.nodes(home))
        lost = time.time()
        account = LambdaClient(self.simulated.url, self.simulated.api_key)
        for machine in account.machines():
            account.terminate(machine.id)
        until(lambda: list(account.machines()), lambda left: not left, "machines terminated", 120)
        # As docs/how-to/backends.md says of a state that is gone.
        for key in account.ssh_keys():
            account.delete_ssh_key(key.id)
        for ruleset in account.rulesets():
            account.delete_ruleset(ruleset.id)
        shutil.rmtree(home / "pulumi")
        return lost


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One manager with the database and ai_memory; S3 is this process."""
    checkout = copy_of_the_tree(tmp_path_factory.mktemp("restore"))
    file = checkout.root / "Pulumi.dev.yaml"
    values = yaml.safe_load(file.read_text())
    values["config"] |= {"sophia:servers": ["ai_memory"], "sophia:nodeGroups": [GROUP]}
    file.write_text(yaml.safe_dump(values))
    with ExitStack() as ends:
        simulated = cloud.up(checkout.home / "simulator")
        ends.callback(checkout.run, "ops", "down", seconds=300)
        place = str(simulated.settings.network[1])
        settings = ends.enter_context(storage(place, tmp_path_factory.mktemp("tls")))
        made = Platform(checkout, simulated, settings)
        made.configure()
        checkout.run("ops", "up")
        made.sql(
            "CREATE TABLE kept (id bigserial PRIMARY KEY, text text,"
            " at timestamptz DEFAULT clock_timestamp())"
        )
        ends.callback(made.over.set)
        yield made


@contextmanager
def storage(place: str, folder: Path) -> Iterator[dict[str, Any]]:
    """An S3 by TLS at an address of this machine, as the setting `backup` names it."""
    root = issue("S3's CA")
    # pgBackRest looks for the address among the DNS names, other clients don't.
    leaf = issue("S3", root, dns=(place,), addresses=(IPv4Address(place),))
    (folder / "chain.pem").write_text(leaf.chain)
    (folder / "key.pem").write_text(leaf.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    name = f"sophia-backups-{uuid4().hex[:8]}"
    with s3.serving() as plain:
        s3.Bucket(name, f"127.0.0.1:{plain}").client.create_bucket(Bucket=name)
    with s3.serving(place, tls=tls) as port:
        yield {
            "bucket": name,
            "endpoint": f"{place}:{port}",
            "ca": root.pem,
            "accessKey": "access-key-canary",
            "secretKey": "secret-key-canary",
        }


async def remember(platform: Platform) -> None:
    async with connected(platform.checkout.outputs(), "ai_memory") as client:
        stored = await client.call_tool("store_memory", {"content": MEMORY})
        assert not stored.is_error, stored


async def recall(platform: Platform) -> str:
    async with connected(platform.checkout.outputs(), "ai_memory") as client:
        found = await client.call_tool("search_memories", {"query": "zebra"})
        return json.dumps(found.structured_content)


def checksum(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def at_of(row: str) -> float:
    """When it was written, in Unix time: its last column."""
    text = row.rstrip(")").rpartition(",")[2].strip('"')
    return datetime.fromisoformat(text).timestamp()


def test_a_drill_restores_beside_the_platform_and_leaves_nothing(platform: Platform, capsys):
    """What the workflow `restore-drill` runs."""
    asyncio.run(remember(platform))
    platform.sql("INSERT INTO kept (text) SELECT md5(i::text) FROM generate_series(1, 1000) i")
    platform.checkout.run("ops", "backup")
    machines = docker.nodes(platform.checkout.home)
    said = platform.checkout.run("ops.ci", "drill", "--stack", "dev", seconds=1500)
    with capsys.disabled():
        print("\nbeside it:", [line for line in said.splitlines() if line.startswith("R")])
    assert "RTO " in said
    assert "RPO " in said
    assert docker.nodes(platform.checkout.home) == machines
    assert "sophia-dev-drill" not in platform.checkout.run("ops", "status")


def test_everything_is_lost_at_once_and_comes_back_from_s3(platform: Platform, capsys):
    kept = platform.checkout.outputs()["backup_passphrase"]
    platform.written = platform.rows()
    writer = threading.Thread(target=platform.write)
    writer.start()
    begun = platform.sql("SELECT clock_timestamp()")
    archived = f"SELECT last_archived_time > '{begun}' FROM pg_stat_archiver"
    until(lambda: platform.sql(archived), lambda told: told == "t", "WAL in S3", 300)
    count = len(platform.written)
    until(lambda: len(platform.written), lambda now: now > count + 5, "more rows", 120)

    lost = platform.lose_everything()
    writer.join()
    platform.configure(passphrase=kept)
    platform.checkout.run("ops", "up", seconds=1200)
    back = platform.rows()
    rto = time.time() - lost

    assert 1000 < len(back) <= len(platform.written) + 1, "the last one may not be confirmed"
    same = back[: len(platform.written)]
    assert checksum(same) == checksum(platform.written[: len(same)])
    missing = platform.written[len(back) :]
    rpo = max((lost - at_of(row) for row in missing), default=0.0)
    assert MEMORY in asyncio.run(recall(platform))
    with capsys.disabled():
        print(f"\nRTO {rto:.0f} s, RPO {rpo:.0f} s: {len(missing)} of {len(platform.written)} rows")
    assert rpo <= MOST_LOST
    assert rto <= LONGEST


def test_a_time_in_between_comes_back_in_place(platform: Platform):
    platform.over.clear()
    platform.written = platform.rows()
    writer = threading.Thread(target=platform.write)
    writer.start()
    count = len(platform.written)
    until(lambda: len(platform.written), lambda now: now > count + 5, "rows before", 60)
    before = len(platform.written)
    moment = platform.sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    after = len(platform.written) + 1
    until(lambda: len(platform.written), lambda now: now > after + 5, "rows after", 60)
    platform.over.set()
    writer.join()
    assert datetime.fromisoformat(moment).replace(tzinfo=UTC) < datetime.now(UTC)

    platform.checkout.run("ops", "restore", moment)
    back = platform.rows()
    assert before <= len(back) <= after
    assert checksum(back) == checksum(platform.written[: len(back)])
    assert MEMORY in asyncio.run(recall(platform))
