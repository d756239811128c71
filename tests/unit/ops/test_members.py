"""What `make status` says of the database's members."""

from __future__ import annotations

import json
import subprocess

import pytest

from ops import members, nodes
from ops.members import Member
from ops.nodes import NotUp

OUTPUTS = {
    "networks": {"database": ["data"], "database-2": ["data"]},
    "nodes": {"manager-1": {}, "manager-2": {}},
}
BOTH = [
    Member("database", "p-database", "manager-1", "/data/postgres"),
    Member("database-2", "p-database-2", "manager-2", "/data/postgres-2"),
]


def one(name: str, role: str, state: str = "running") -> dict[str, str]:
    return {"name": name, "role": role, "state": state}


@pytest.fixture
def answers(monkeypatch) -> dict[tuple[str, str], subprocess.CompletedProcess[str]]:
    """By node and by a part of the command, what nodes answer; others fail."""
    known: dict[tuple[str, str], subprocess.CompletedProcess[str]] = {}

    def on(_, node: str, command: str) -> subprocess.CompletedProcess[str]:
        found = [done for (its, part), done in known.items() if its == node and part in command]
        return found[0] if found else subprocess.CompletedProcess((), 1, "no answer")

    def asked(_, command: str) -> str:
        node = "manager-2" if command.endswith("database-2") else "manager-1"
        return json.dumps([f"node.labels.node == {node}"])

    monkeypatch.setattr(nodes, "on", on)
    monkeypatch.setattr(nodes, "asked", asked)
    return known


def done(said: str = "", status: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess((), status, said)


def test_each_member_is_shown_with_its_node_and_what_it_is():
    state = {"members": [one("database", "sync_standby"), one("database-2", "leader")]}
    assert members.described(state, BOTH) == [
        "database     on manager-1: standby, has each commit",
        "database-2   on manager-2: primary",
    ]
    state = {"members": [one("database-2", "leader")]}
    assert "LOST" in members.described(state, BOTH)[0]
    state = {
        "members": [one("database", "replica", "creating replica"), one("database-2", "leader")]
    }
    assert members.described(state, BOTH)[0].endswith(
        "standby, BEHIND: it can't be promoted yet (creating replica)"
    )


def test_nothing_is_said_without_a_standby(answers):
    assert members.lines({"networks": {"database": ["data"]}}, "p") == []


def test_any_member_that_answers_tells_of_both(answers):
    state = {"members": [one("database-2", "leader")]}
    answers["manager-2", "member state"] = done(json.dumps(state))
    assert len(members.lines(OUTPUTS, "p")) == 2
    answers.clear()
    assert members.lines(OUTPUTS, "p") == ["database     UNKNOWN: neither member answers"]


def test_the_primary_is_asked_for_wherever_it_is(answers):
    answers["manager-2", "member primary"] = done()
    assert members.primary(OUTPUTS, members.of(OUTPUTS, "p")) == Member(
        "database-2", "p-database-2", "manager-2", "/opt/sophia/data/postgres-2"
    )
    answers.clear()
    with pytest.raises(NotUp, match="no member of the database is the primary"):
        members.primary(OUTPUTS, members.of(OUTPUTS, "p"))


def test_the_first_member_is_left_alone_once_it_is_the_primary(answers, capsys):
    answers["manager-1", "member primary"] = done()
    answers["manager-1", "member alone"] = done()
    members.alone(OUTPUTS, "p")
    assert "set standby.enabled to false" in capsys.readouterr().out
    answers["manager-1", "member alone"] = done("it is not the primary", 1)
    with pytest.raises(NotUp, match="it is not the primary"):
        members.alone(OUTPUTS, "p")
