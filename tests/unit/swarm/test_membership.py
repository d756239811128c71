"""Quorum arithmetic, and conclusions from a list of nodes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from providers.swarm import membership
from providers.swarm.entry import Wanted


def node(id, *, state="ready", seat="reachable", address="192.0.2.1", leader=False, **labels):
    entry = {
        "ID": id,
        "Status": {"State": state, "Addr": address},
        "Spec": {"Labels": {f"sophia.{key}": text for key, text in labels.items()}},
    }
    if seat is not None:
        entry["ManagerStatus"] = {"Reachability": seat, "Addr": f"{address}:2377", "Leader": leader}
    return entry


def managers(healthy, lost):
    alive = [node(f"h{index}") for index in range(healthy)]
    return alive + [node(f"l{index}", state="down", seat="unreachable") for index in range(lost)]


def test_the_third_of_three_may_go_and_the_second_of_two_living_may_not():
    assert membership.keeps_quorum(managers(3, 0), "h0")
    assert not membership.keeps_quorum(managers(2, 1), "h0")
    assert membership.keeps_quorum(managers(2, 1), "l0")
    assert membership.keeps_quorum(managers(2, 0), "h0")
    assert not membership.keeps_quorum(managers(1, 0), "h0")


@given(st.integers(1, 9), st.integers(0, 9))
def test_what_is_allowed_leaves_a_majority(healthy, lost):
    nodes = [*managers(healthy, lost), node("w", seat=None)]
    allowed = membership.keeps_quorum(nodes, "h0")
    assert allowed == ((healthy - 1) * 2 > healthy + lost - 1)


@given(st.integers(2, 9), st.integers(0, 8))
def test_without_the_lost_ones_all_but_the_last_may_always_go(healthy, lost):
    nodes = [each for each in managers(healthy, lost) if not membership.is_lost(each)]
    while len(nodes) > 1:
        assert membership.keeps_quorum(nodes, nodes[-1]["ID"])
        nodes.pop()


def test_a_manager_that_has_not_reported_since_an_election_is_neither_lost_nor_healthy():
    silent = node("a", state="unknown")
    assert not membership.is_lost(silent)
    assert not membership.is_healthy(silent)


def test_left_behind_are_lost_ones_and_never_a_living_one():
    """Private addresses repeat between regions: a living node that has one is another machine's."""
    nodes = [
        node("same-name-lost", state="down", address="192.0.2.7", node="gpu-1"),
        node("same-name-living", address="192.0.2.8", node="gpu-1"),
        node("other-name-lost", state="down", address="192.0.2.9", node="gpu-2"),
        node("same-address-lost", state="down", address="192.0.2.1", node="gpu-3"),
        node("same-address-living", address="192.0.2.1", node="gpu-4"),
        node("itself", address="192.0.2.1", node="gpu-1"),
    ]
    found = membership.left_behind(nodes, "gpu-1", {"192.0.2.1"}, "itself")
    assert [each["ID"] for each in found] == ["same-name-lost", "same-address-lost"]
    living = membership.living_at(nodes, {"192.0.2.1"}, "itself")
    assert [each["ID"] for each in living] == ["same-address-living"]


def test_joins_go_to_the_leader_first_and_never_to_a_lost_manager():
    nodes = [
        node("a", address="192.0.2.1"),
        node("b", address="192.0.2.2", leader=True),
        node("c", address="192.0.2.3", seat="unreachable"),
        node("w", address="192.0.2.4", seat=None),
    ]
    assert membership.join_addresses(nodes) == ["192.0.2.2:2377", "192.0.2.1:2377"]


def test_labels_of_others_stay():
    wanted = Wanted("worker", "active", {"tier": "primary"}, frozenset({"old"}))
    before = {
        "Name": "x",
        "Role": "manager",
        "Availability": "active",
        "Labels": {"old": "1", "theirs": "2", "tier": "no"},
    }
    assert wanted.applied(before) == {
        "Name": "x",
        "Role": "worker",
        "Availability": "active",
        "Labels": {"theirs": "2", "tier": "primary"},
    }
