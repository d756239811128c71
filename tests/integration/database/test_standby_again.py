"""A standby that is turned off, and on again: etcd's volumes still know the one of before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.plan import database, standby
from tests.support.members import FIRST, Members
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def members(image: str, tmp_path: Path) -> Iterator[Members]:
    made = Members(image, tmp_path)
    try:
        made.start_all()
        yield made
    finally:
        made.remove()


def test_a_standby_is_turned_off_and_on_again(members: Members) -> None:
    plain = database.workload(FIRST, 512)
    members.sql(FIRST, "CREATE TABLE kept (text text)", database.DATABASE)
    turn_off(members)
    members.start(FIRST, plain)
    keep(members, "alone")
    turn_on(members)
    assert kept(members, standby.SECOND) == "alone"

    # Its volume was given up meanwhile, and it has begun anew: another cluster.
    turn_off(members)
    shutil.rmtree(members.folder / FIRST)
    members.start(FIRST, plain)
    until(lambda: members.is_primary(FIRST), bool, "a new database", 60)
    members.sql(FIRST, "CREATE TABLE kept (text text)", database.DATABASE)
    keep(members, "anew")
    turn_on(members)
    assert kept(members, standby.SECOND) == "anew"


def turn_off(members: Members) -> None:
    """As `make alone` and an `up` do it. What they had stays on the nodes."""
    members.inside(FIRST, "member", "alone")
    for name in (standby.SECOND, FIRST, *standby.QUORUM):
        members.stop(name)


def turn_on(members: Members) -> None:
    """The second member's former directory was moved aside."""
    members.stop(FIRST)
    shutil.rmtree(members.folder / standby.SECOND)
    members.roll_out()


def keep(members: Members, text: str) -> None:
    def added() -> bool:
        members.sql(FIRST, f"INSERT INTO kept VALUES ('{text}')", database.DATABASE)
        return kept(members, FIRST) == text

    until(added, bool, f"{text} is kept", 60)


def kept(members: Members, name: str) -> str:
    return members.sql(name, "SELECT DISTINCT text FROM kept", database.DATABASE)
