"""Who is on which network, and how that changes without a gap."""

from __future__ import annotations

import pytest

from components.plan.networks import DATA, EDGE, attached


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
    assert attached(wanted, former) == now


def test_at_every_step_of_a_move_somebody_is_met():
    """The database's and a client's updates come one after the other, in each of two runs."""
    database, client = (EDGE,), (EDGE,)
    for _ in range(2):
        database, before = attached((DATA,), database), client
        assert set(database) & set(before), "the client is still as it was"
        client = attached((EDGE, DATA), client)
        assert set(database) & set(client)
    assert (database, client) == ((DATA,), (EDGE, DATA))
