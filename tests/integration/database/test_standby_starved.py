"""The database's standby on machines that are as busy as can be: one failover after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.members import FIRST, Members, Writer

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

LOSSES = (
    *("frozen", "killed", "frozen", "cut off", "frozen"),
    *("stopped", "frozen", "killed", "cut off", "frozen"),
)
"""Half of them are frozen: that is what a member of a starved machine is, too. Patroni 3.0 took the
place of the new primary again in one of two of those, and what had been acknowledged was lost."""
IN_STEP_S = 90
"""Until the one that is back has each commit."""


@pytest.fixture
def members(image: str, tmp_path: Path) -> Iterator[Members]:
    made = Members(image, tmp_path)
    try:
        made.start_all()
        made.starve()
        yield made
    finally:
        made.remove()


def test_ten_failovers_in_a_row_lose_nothing_and_leave_two_members_in_step(
    members: Members, told: Callable[[str], None]
) -> None:
    lost = FIRST
    for number, loss in enumerate(LOSSES):
        members.in_step(lost, IN_STEP_S)
        heir = members.other(lost)
        url = members.url(lost, heir)
        with Writer(url, first=number * 1_000_000) as before:
            lose, bring_back = ways(members)[loss]
            lose(lost)
            began = time.monotonic()
            # A client of its own: that of the former primary may wait for its answer.
            with Writer(url, first=number * 1_000_000 + 500_000) as after:
                pause = after.acknowledged[0][1] - began
                bring_back(lost)
                back = time.monotonic()
                members.in_step(heir, IN_STEP_S)
                took = time.monotonic() - back
                after.more()
        assert before.missing() | after.missing() == set()
        rows = len(before.acknowledged) + len(after.acknowledged)
        told(f"{lost} {loss}: no write for {pause:.0f} s, in step after {took:.0f} s, {rows} rows")
        lost = heir


def ways(members: Members) -> dict[str, tuple[Callable[[str], None], Callable[[str], None]]]:
    """How each loss comes, and how it ends."""
    return {
        "frozen": (members.freeze, members.thaw),
        "killed": (members.kill, members.start),
        "cut off": (members.cut, members.mend),
        "stopped": (members.stop, members.start),
    }
