"""The database with a standby: whatever ends one member, each acknowledged row is there afterwards.

Real etcd and Patroni; each test prints how long nothing could be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import docker
from tests.support.members import Members, Writer
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]


@pytest.fixture(scope="module")
def members(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    made = Members(image, Path(tmp_path_factory.mktemp("members")))
    try:
        made.start_all()
        yield made
    finally:
        made.remove()


@pytest.fixture(params=["killed", "cut off", "paused", "stopped"])
def loss(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_no_acknowledged_row_is_lost_with_the_primary(
    members: Members, loss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = members.primary()
    heir = members.other(lost)
    members.healthy(heir)
    with Writer(members.url(lost, heir)) as writer:
        match loss:
            case "killed":
                members.kill(lost)
            case "cut off":
                members.cut(lost)
            case "paused":
                docker("pause", members.running[lost])
            case "stopped":
                members.stop(lost)
        writer.more()
        if loss == "cut off":
            # Nobody decided yet by itself: it is the network that it lacks.
            until(lambda: members.is_primary(lost), lambda it: not it, f"{lost} has given up")
        match loss:
            case "killed" | "stopped":
                members.start(lost)
            case "cut off":
                members.mend(lost)
            case "paused":
                docker("unpause", members.running[lost])
        in_step(members, heir, lost)
        writer.more()
    assert members.primary() == heir
    assert writer.missing() == set()
    with capsys.disabled():
        print(
            f"\n{lost} {loss}: {len(writer.acknowledged)} rows, no write for {writer.pause():.1f} s"
        )


def in_step(members: Members, leader: str, follower: str) -> None:
    wanted = {leader: "leader, running", follower: "sync_standby, running"}
    until(lambda: members.state(leader), lambda seen: seen == wanted, "both are in step", 120)
