"""How lines are shown; that they are found is tests/integration/logs."""

from __future__ import annotations

import pytest
from sophia_logs.find import shown


@pytest.mark.parametrize("time", ["2026-11-27T15:00:00Z", "2026-11-27T15:00:00.00004Z"])
def test_times_that_the_store_shortens_are_shown_in_full(time):
    row = {"_time": time, "service": "s", "node": "n", "_msg": "m"}
    assert shown(row) == "2026-11-27T15:00:00.000Z s@n | m"
