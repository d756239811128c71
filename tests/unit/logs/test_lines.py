"""What the store gets of a line, and which lines are the audit log."""

from __future__ import annotations

import json

import pytest
from sophia_logs.lines import LONGEST, Line, moment, nanoseconds

from components.plan import logs as plan

AT = 1_795_791_600_123_456_789
TEXT = "2026-11-27T15:00:00.123456789Z"
CALL = '{"logger": "sophia_mcp.audit", "caller": "ci", "request_id": "r1", "tool": "add"}'
REQUEST = '{"logger": "sophia_mcp.app", "caller": "ci", "request_id": "r1"}'
GATEWAY = '{"time":"x","id":"r1","caller":"ci","status":200}'


def line(text: str, service: str = "sophia-dev-slack") -> Line:
    return Line("abc", service, AT, "stdout", text)


def stored(text: str) -> dict[str, str]:
    return json.loads(line(text).stored("manager-1"))


def test_moments_are_exact():
    assert (moment(AT), nanoseconds(TEXT)) == (TEXT, AT)
    assert nanoseconds("2026-11-27T15:00:00Z") == AT - AT % 10**9
    assert nanoseconds("2026-11-27T15:00:00.5Z") % 10**9 == 500_000_000


def test_a_line_is_kept_as_it_was_with_where_it_is_from():
    assert stored("plain é") == {
        "_time": TEXT,
        "_msg": "plain é",
        "service": "sophia-dev-slack",
        "node": "manager-1",
        "container": "abc",
        "stream": "stdout",
    }


def test_request_and_caller_can_be_searched_by_name():
    assert stored(CALL)["_msg"] == CALL
    assert (stored(CALL)["request_id"], stored(CALL)["caller"]) == ("r1", "ci")
    assert stored(GATEWAY)["request_id"] == "r1"


def test_a_container_can_not_say_that_it_is_another():
    forged = stored('{"service": "sophia-dev-gateway", "node": "x", "_time": "y", "stream": "z"}')
    assert (forged["service"], forged["node"], forged["_time"]) == (
        "sophia-dev-slack", "manager-1", TEXT,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["[1]", "{broken", "", "{" * 100_000, '{"caller": null}'])
def test_whatever_is_written_can_be_stored(text):
    assert stored(text)["_msg"] == (text or " ")


def test_half_a_character_does_no_harm():
    assert stored("\ud83d")["_msg"] == "?"
    assert stored('{"caller": "\\ud83d"}')["caller"] == "?"


@pytest.mark.parametrize(
    "text", ["\x1b" * LONGEST, '{"caller": "%s"}' % ("\\u001b" * 21_000), "😀" * LONGEST]
)
def test_no_line_is_too_long_for_the_store(text):
    assert plan.LONGEST_LINE == "1MiB"
    assert len(text) <= LONGEST
    long = Line("a" * 12, "s" * 63, AT, "stdout", text)
    assert len(long.stored("n" * 63)) < 1024 * 1024


@pytest.mark.parametrize(
    ("text", "service", "audited"),
    [
        (CALL, "sophia-dev-slack", True),
        (GATEWAY, "sophia-dev-gateway", True),
        (GATEWAY, "sophia-dev-slack", False),
        (GATEWAY.replace('"ci"', '"-"'), "sophia-dev-gateway", False),
        (GATEWAY.replace('"ci"', '""'), "sophia-dev-gateway", False),
        (GATEWAY[:-9], "sophia-dev-gateway", True),  # cut
        (json.dumps({"caller": "-", "path": GATEWAY}), "sophia-dev-gateway", False),
        (REQUEST, "sophia-dev-slack", False),
        ("plain", "sophia-dev-gateway", False),
    ],
)
def test_who_called_what_is_the_audit_log(text, service, audited):
    assert line(text, service).audits("sophia-dev-gateway") is audited
