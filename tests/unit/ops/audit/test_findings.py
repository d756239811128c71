"""How checks are judged: what passes, what is accepted, and what fails."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ops.audit.findings import (
    ACCEPTED,
    Accepted,
    Check,
    Unusable,
    failed,
    judged,
    overdue,
    read_accepted,
    table,
)

LATER = date(2999, 1, 1)
CHECKS = [
    Check("a", "all is well", {"one": [], "two": []}),
    Check("b", "some are not", {"one": ["broken"], "two": ["broken"], "three": ["odd"]}),
]


def states(*accepted: Accepted, checks: list[Check] = CHECKS) -> list[tuple[str, str]]:
    return [(row.name, row.state) for row in judged(checks, accepted)]


def test_a_finding_fails_unless_all_of_it_is_accepted():
    assert states() == [("a", "pass"), ("b", "FAIL")]
    broken = Accepted("b", "ops", "why", LATER, problem="broken")
    assert states(broken) == [("a", "pass"), ("b", "FAIL")]
    assert states(broken, Accepted("b", "ops", "why", LATER, subject="th*")) == [
        ("a", "pass"),
        ("b", "accepted"),
    ]


def test_an_accepted_finding_that_is_gone_fails_unless_it_depends_on_the_machine():
    everything = Accepted("b", "ops", "why", LATER)
    gone = Accepted("a", "ops", "why", LATER)
    assert states(everything, gone)[-1] == ("a", "FAIL")
    varying = Accepted("a", "ops", "why", LATER, varies=True)
    assert states(everything, varying) == [("a", "pass"), ("b", "accepted")]


def test_two_entries_for_one_finding_are_both_in_use():
    assert states(
        Accepted("b", "ops", "all", LATER), Accepted("b", "ops", "one", LATER, problem="odd")
    ) == [
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
    text = (
        "- {check: a, by: ops}\n- {check: b, by: ops, reason: '', again: 2999-01-01}\n"
        "- {check: c, who: ops}\n- {check: d, by: ops, reason: why, again: soon}\n"
    )
    with pytest.raises(Unusable) as caught:
        read_accepted(text, "dev")
    told = str(caught.value)
    assert "[0]" in told
    assert "[1].reason: got nothing" in told
    assert "[2]" in told
    assert "[3].again: got 'soon', expected a date" in told


def test_an_entry_may_be_for_some_stacks_only():
    text = (
        "- {check: a, by: ops, reason: why, again: 2999-01-01, stack: dev}\n"
        "- {check: b, by: ops, reason: why, again: 2999-01-01}\n"
    )
    assert [one.check for one in read_accepted(text, "dev")] == ["a", "b"]
    assert [one.check for one in read_accepted(text, "acme/sophia/prod")] == ["b"]
    assert [one.check for one in read_accepted(text, "acme/sophia/dev")] == ["a", "b"]


def test_an_entry_fails_from_its_date_on():
    one = Accepted("b", "ops", "why", date(2027, 5, 27))
    assert overdue([one], date(2027, 5, 26)) == []
    (row,) = overdue([one], one.again)
    assert failed([row])
    assert "ops had to decide again by 2027-05-27" in row.lines[0]


def test_ours_can_be_read_and_has_one_who_answers_for_each():
    assert all(one.by and one.reason for one in read_accepted(ACCEPTED.read_text(), "dev"))
    a_year = date.today() + timedelta(days=366)
    assert all(one.again <= a_year for one in read_accepted(ACCEPTED.read_text(), "dev"))
