"""The database with a standby: whatever ends one member, each acknowledged row is there afterwards.

Real etcd and Patroni. Each test prints how long nothing could be written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from components.plan import database, standby
from tests.integration.database.conftest import ROOT
from tests.support.members import FIRST, PASSWORD, Members, Writer
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

LIMIT_S = 45
"""Of a time without writes: Patroni's ttl of 20 s, its promotion, a client's connect_timeout, and
a busy machine."""

Told = Callable[[str], None]


@pytest.fixture(scope="module")
def members(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    made = Members(image, Path(tmp_path_factory.mktemp("members")))
    try:
        # One that was alone before.
        made.start(FIRST, database.workload(FIRST, 512))
        until(lambda: made.sql(FIRST, "SELECT 1", database.DATABASE), bool, "it serves", 60)
        made.sql(FIRST, "CREATE TABLE kept AS SELECT 'from before' AS text", database.DATABASE)
        made.stop(FIRST)
        made.start_all()
        yield made
    finally:
        made.remove()


def test_a_database_that_was_alone_keeps_its_rows_and_both_have_them(members: Members) -> None:
    for name in (FIRST, standby.SECOND):
        assert members.sql(name, "SELECT text FROM kept", database.DATABASE) == "from before"
        told = json.loads(members.inside(name, "member", "state"))
        assert {one["name"]: one["role"] for one in told["members"]} == members.roles(name)


def test_the_exporters_queries_tell_who_is_primary_and_whether_it_is_followed(
    members: Members,
) -> None:
    asked = yaml.safe_load((ROOT / "images" / "monitoring" / "database.yml").read_text())
    leader = members.primary()
    members.in_step(leader)

    def told(name: str, what: str) -> str:
        return members.sql(name, f"{before}; SET ROLE pg_monitor; {asked[what]['query']}")

    before = "SELECT"
    for name, is_primary, followed in ((leader, "1", "1"), (members.other(leader), "0", "")):
        assert told(name, "pg_member").strip() == is_primary
        assert told(name, "pg_standby").strip() == followed
        assert told(name, "pg_archive").strip() == "0"
    # What the exporter asks by itself fails on a standby that has a slot.
    before = "SELECT pg_create_physical_replication_slot('mine', true, true)"
    for name in (leader, members.other(leader)):
        assert "mine||t|" in told(name, "pg_replication_slots")


@pytest.mark.parametrize("loss", ["killed", "cut off", "stopped"])
def test_no_acknowledged_row_is_lost_with_the_primary(
    members: Members, loss: str, told: Told
) -> None:
    lost = members.primary()
    heir = members.other(lost)
    members.in_step(lost)
    with Writer(members.url(lost, heir)) as writer:
        {"killed": members.kill, "cut off": members.cut, "stopped": members.stop}[loss](lost)
        writer.more()
        if loss == "cut off":
            # It has given up by itself before anybody reaches it again.
            until(lambda: members.is_primary(lost), lambda it: not it, f"{lost} has given up")
            members.mend(lost)
        else:
            members.start(lost)
        members.in_step(heir)
        writer.more()
    assert members.primary() == heir
    assert writer.missing() == set()
    told(f"{lost} {loss}: no write for {writer.pause():.1f} s, {len(writer.acknowledged)} rows")
    assert writer.pause() < (15 if loss == "stopped" else LIMIT_S)


def test_a_primary_that_wakes_up_late_acknowledges_nothing_more(
    members: Members, told: Told
) -> None:
    late = members.primary()
    heir = members.other(late)
    members.in_step(late)
    with Writer(members.url(late, heir)) as before:
        members.freeze(late)
        began = time.monotonic()
        with Writer(members.url(late, heir), first=1_000_000) as after:
            pause = after.acknowledged[0][1] - began
            members.thaw(late)
            members.in_step(heir)
            before.more()
    assert before.missing() | after.missing() == set()
    told(f"{late} paused: no write for {pause:.1f} s")
    assert pause < LIMIT_S


def test_the_loss_of_the_standby_or_of_etcd_stops_writes_for_seconds_at_most(
    members: Members, told: Told
) -> None:
    leader = members.primary()
    spare = members.other(leader)
    members.in_step(leader)
    with Writer(members.url(leader, spare)) as writer:
        members.kill(spare)
        writer.more()
        members.start(spare)
        members.in_step(leader)
    told(f"the standby killed: no write for {writer.pause():.1f} s")
    assert writer.pause() < LIMIT_S
    with Writer(members.url(leader, spare)) as writer:
        for name in standby.QUORUM[1:]:
            members.kill(name)
        # As long as a primary without etcd may be one, and longer.
        began = time.monotonic()
        until(lambda: time.monotonic() - began, lambda it: it > 40, "40 s without etcd", 60)
        writer.more(5)
        assert members.is_primary(leader)
        for name in standby.QUORUM[1:]:
            members.start(name)
            members.healthy(name)
        members.in_step(leader)
        writer.more()
    told(f"two of etcd killed: no write for {writer.pause():.1f} s")
    assert writer.missing() == set()
    assert writer.pause() < 10


def test_a_password_changes_on_both_members_and_survives_a_failover(members: Members) -> None:
    leader = members.primary()
    heir = members.other(leader)
    members.in_step(leader)
    newer = "c3D4" * 8
    with Writer(members.url(leader, heir)) as former:
        for name in (leader, heir):
            members.admit(name, newer)
        members.kill(leader)
        former.more()
        members.start(leader)
        members.in_step(heir)
    assert former.missing() == set()
    url = database.url(newer, *(members.address(name) for name in (leader, heir)))
    with Writer(url, first=2_000_000) as writer:
        members.revoke_others(heir, newer)
        assert "this is the standby" in members.revoke_others(leader, newer)
        writer.more()
        assert writer.missing() == set()
    assert members.sql(heir, "SELECT rolname FROM pg_roles WHERE rolname ~ 'sophia_'") == (
        database.role(newer)
    )
    for name in (heir, leader):
        members.admit(name, PASSWORD)  # the next test writes with it


def test_members_without_their_disk_come_back(members: Members) -> None:
    leader = members.primary()
    members.in_step(leader)
    lost, gone = standby.QUORUM[0], members.other(leader)
    members.healthy(lost)
    before = number(members, lost)
    with Writer(members.url(leader, gone)) as writer:
        for name in (lost, gone):
            members.kill(name)
            members.empty(name)
            members.start(name)
        members.healthy(lost)
        members.healthy(gone)  # until the primary has noticed, all looks as before
        members.in_step(leader)
        members.stop(leader)
        writer.more()
        members.start(leader)
        members.in_step(gone)
    assert writer.missing() == set()
    members.healthy(lost)
    assert number(members, lost) != before


def number(members: Members, name: str) -> str:
    """What the others call this member of etcd: a new one after it lost its disk."""
    return (members.folder / name / "number").read_text()
