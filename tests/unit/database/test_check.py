"""What a database of the operator's tells of its archive."""

from __future__ import annotations

import pytest

from images.database.check import problem


@pytest.mark.parametrize(
    ("mode", "age", "failing", "told"),
    [
        ("on", 68, False, ""),
        ("always", 25 * 3600, False, ""),
        ("on", 68, True, "its last WAL could not be archived: see its server's log"),
        ("on", -1, False, "its WAL was never archived"),
        ("on", 30 * 3600, False, "its WAL was archived 30 hours ago"),
    ],
)
def test_an_archive_that_lags_is_a_problem(mode, age, failing, told):
    assert problem(mode, age, failing) == told


def test_without_an_archive_the_setting_that_helps_is_named():
    assert "set `database.backups`" in problem("off", -1, False)
