"""Which workload is on which network, and how that changes without a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan.networks import DATA, EDGE, Layout, attached, layouts

ONE = (Layout(True, 0),)


@pytest.mark.parametrize(
    ("wanted", "former", "now"),
    [
        ((DATA,), (), (DATA,)),  # new
        ((DATA,), (DATA,), (DATA,)),
        ((EDGE, DATA), (EDGE,), (EDGE, DATA)),
        ((EDGE,), (EDGE, DATA), (EDGE,)),
        ((DATA,), (EDGE,), (DATA, EDGE)),  # the move: first both
        ((DATA,), (DATA, EDGE), (DATA,)),  # and in the next run one
        ((DATA,), ("of a later version",), (DATA,)),
    ],
)
def test_a_new_network_is_attached_before_an_old_one_goes(wanted, former, now):
    assert attached(wanted, ONE, former) == now


def test_a_layout_is_kept_until_another_one_is_wanted():
    first = layouts(True, 0, ())
    assert first == (Layout(True, 0, 1),)
    assert layouts(True, 0, first) == first
    second = layouts(True, 1400, first)
    assert second == (Layout(True, 1400, 2), Layout(True, 0, 1))
    assert layouts(True, 1400, second) == (Layout(True, 1400, 2),)
    # As at first, but networks of that name may still be there.
    assert layouts(True, 0, second) == (Layout(True, 0, 3), Layout(True, 1400, 2))


def test_the_first_layouts_networks_are_called_as_ever():
    assert [Layout(True, 0, number).name(EDGE) for number in (1, 2)] == ["services", "services-2"]


WANTED = {"database": (DATA,), "client": (EDGE, DATA), "server": (EDGE,), "gateway": (EDGE,)}
MEET = [("client", "database"), ("gateway", "client"), ("gateway", "server")]
BEFORE = {"database": (EDGE,), "client": (EDGE,), "server": (EDGE,), "gateway": (EDGE,)}
"""Where the first version had them."""


@given(st.lists(st.tuples(st.sampled_from([0, 1400, 9000]), st.booleans()), min_size=1))
def test_at_every_step_of_every_run_all_meet_on_a_network_that_is_there(runs):
    """Runs with a wanted mtu, of which some end before their last service is updated: then the next
    one builds on the outputs of the last whole one."""
    now, outputs, known = dict(BEFORE), dict(BEFORE), ONE
    for mtu, whole in runs:
        made = layouts(True, mtu, known)
        there = {one.name(network) for one in made for network in (EDGE, DATA)}
        wanted = {name: attached(on, made, outputs[name]) for name, on in WANTED.items()}
        for number, name in enumerate(WANTED):
            if not whole and number == 2:
                break
            now[name] = wanted[name]
            assert set(now[name]) <= there
            for one, other in MEET:
                assert set(now[one]) & set(now[other]), (one, other)
        else:
            outputs, known = dict(now), made
    for _ in range(2):
        made = layouts(True, 0, known)
        outputs = {name: attached(on, made, outputs[name]) for name, on in WANTED.items()}
        known = made
    assert outputs == {name: tuple(made[0].name(on) for on in ons) for name, ons in WANTED.items()}
    assert len(made) == 1
