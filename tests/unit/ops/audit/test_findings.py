"""How checks are judged: what passes, what is accepted, and what fails."""

from __future__ import annotations

import pytest

from ops.audit.findings import (
    ACCEPTED,
    Accepted,
    Check,
    Unusable,
    failed,
    judged,
    read_accepted,
    table,
)

CHECKS = [
    Check("a", "all is well", {"one": [], "two": []}),
    Check("b", "some are not", {"one": ["broken"], "two": ["broken"], "three": ["odd"]}),
]


def states(*accepted: Accepted, checks: list[Check] = CHECKS) -> list[tuple[str, str]]:
    return [(row.name, row.state) for row in judged(checks, accepted)]


def test_a_finding_fails_unless_all_of_it_is_accepted():
    assert states() == [("a", "pass"), ("b", "FAIL")]
    broken = Accepted("b", "ops", "why", problem="broken")
    assert states(broken) == [("a", "pass"), ("b", "FAIL")]
    assert states(broken, Accepted("b", "ops", "why", subject="th*")) == [
        ("a", "pass"),
        ("b", "accepted"),
    ]


def test_an_accepted_finding_that_is_gone_fails_unless_it_depends_on_the_machine():
    everything = Accepted("b", "ops", "why")
    gone = Accepted("a", "ops", "why")
    assert states(everything, gone)[-1] == ("a", "FAIL")
    varying = Accepted("a", "ops", "why", varies=True)
    assert states(everything, varying) == [("a", "pass"), ("b", "accepted")]


def test_two_entries_for_one_finding_are_both_in_use():
    assert states(Accepted("b", "ops", "all"), Accepted("b", "ops", "one", problem="odd")) == [
        ("a", "pass"),
        ("b", "accepted"),
    ]


def test_what_nobody_could_look_at_is_neither():
    unknown = Check("c", "data", unknown="none here")
    rows = judged([unknown], [])
    assert not failed(rows)
    assert "not checked" in table(rows)
    assert "none here" in table(rows)


def test_the_table_tells_each_problem_once_with_all_that_have_it():
    rows = judged(CHECKS, [])
    assert failed(rows)
    told = table(rows)
    assert "one, two: broken" in told
    assert told.splitlines()[-1] == "1 pass, 0 accepted, 1 fail"


def test_all_errors_of_the_table_are_told_at_once():
    text = "- {check: a, by: ops}\n- {check: b, by: ops, reason: ''}\n- {check: c, who: ops}\n"
    with pytest.raises(Unusable) as caught:
        read_accepted(text, "dev")
    told = str(caught.value)
    assert "[0]" in told
    assert "[1].reason: got nothing" in told
    assert "[2]" in told


def test_an_entry_may_be_for_some_stacks_only():
    text = "- {check: a, by: ops, reason: why, stack: dev}\n- {check: b, by: ops, reason: why}\n"
    assert [one.check for one in read_accepted(text, "dev")] == ["a", "b"]
    assert [one.check for one in read_accepted(text, "acme/sophia/prod")] == ["b"]
    assert [one.check for one in read_accepted(text, "acme/sophia/dev")] == ["a", "b"]


def test_ours_can_be_read_and_has_one_who_answers_for_each():
    assert all(one.by and one.reason for one in read_accepted(ACCEPTED.read_text(), "dev"))
