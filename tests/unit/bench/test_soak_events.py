"""Which failed calls an event explains."""

from __future__ import annotations

import pytest

from bench.soak_calls import Call, Tool
from bench.soak_events import SCHEDULE, Event, with_callers, with_other_memory

KILLED = Event("a node is lost", began=100, ended=160, lost=101, alone=frozenset({"single"}))
ROTATED = Event("a token rotates", began=100, ended=160, refused="soak-2")


def call(began: float, ended: float, server="pair", caller="default", outcome="502 x") -> Call:
    return Call(Tool(server, "t", {}), caller, began, ended - began, outcome)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (call(99, 101.5), "in flight on what was lost"),
        (call(104, 110), "in flight on what was lost"),
        (call(106, 107), ""),
        (call(99, 100.5), ""),
        (call(140, 141, server="single"), "no other replica"),
        (call(99, 100.5, server="single"), ""),
        (call(170, 171, server="single"), ""),
    ],
)
def test_a_loss_explains_what_was_in_flight_and_what_had_no_other_replica(one, why):
    assert KILLED.explains(one) == why


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (call(120, 121, caller="soak-2", outcome="401 no"), "refused, with the former token"),
        (call(120, 121, caller="soak-2"), ""),
        (call(120, 121, outcome="401 no"), ""),
        (call(90, 91, caller="soak-2", outcome="401 no"), ""),
    ],
)
def test_a_rotation_explains_refusals_of_its_caller_alone(one, why):
    assert ROTATED.explains(one) == why


def test_a_change_explains_no_failure():
    assert Event("a setting is changed", 100, 160).explains(call(120, 121)) == ""


def test_the_first_and_the_last_tenth_are_quiet_and_the_order_is_kept():
    shares = [share for share, _, _ in SCHEDULE]
    assert shares == sorted(shares)
    assert shares[0] > 0.1
    assert shares[-1] < 0.9


def test_the_soaks_callers_are_added_to_those_that_there_are():
    config = {"sophia:gateway": {"callers": {"alice": {"servers": ["github"]}}, "port": 8443}}
    with_callers(config)
    assert config["sophia:gateway"] == {
        "callers": {"alice": {"servers": ["github"]}, "soak-1": {}, "soak-2": {}},
        "port": 8443,
    }


@pytest.mark.parametrize(
    "listed", [{}, {"sophia:servers": ["a", "b"]}, {"sophia:servers": {"a": {}, "b": {}}}]
)
def test_a_servers_setting_changes_however_servers_are_listed(listed):
    config = {**listed}
    for expected in (512, 528, 512):
        with_other_memory(config, "a", ["a", "b"])
        assert config["sophia:servers"] == {"a": {"resources": {"memoryMb": expected}}, "b": {}}
