"""The shape of a schedule's expression, against systemd's own opinion."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from providers.swarm.calendar import fault

GOOD = (
    *("daily", "Weekly", "minutely", "*:0/15", "03:00", "*-*-* 03:00", "*-*-* 03:00:30", "Sat"),
    *("Mon..Fri 06:30", "mon 3:0", "Mon,Wednesday..fri *-*-1/2 03:00/15", "*-*~1 00:00"),
    *("2026-12-24 18:00", "*-1,7-01", "*-*-01..15,20 1..5:30", "2026..2028-2/3-1 0:00"),
)
BAD = (
    *("", "never", "at noon", "03", "25:00", "3:60", "*-13-* 00:00", "*-*-32", "Mo 3:00"),
    *("daily UTC", "*-*-* 03:00 Europe/Berlin", "*/2:00", "1,*:0", "03:00 Mon"),
    *('daily" x', "daily\nOnCalendar=minutely", "%H:00", "$HOME", "*:0/0", " daily", "@0", "3:00,"),
)


@pytest.mark.parametrize("expression", GOOD)
def test_a_good_one_is_taken_here_and_by_systemd(expression):
    assert fault(expression) is None
    if shutil.which("systemd-analyze"):
        said = subprocess.run(
            ["systemd-analyze", "calendar", "--", f"{expression} UTC"], capture_output=True
        )
        assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("expression", BAD)
def test_what_is_none_says_what_one_is(expression):
    told = fault(expression)
    assert told is not None
    assert told.startswith(f"got {expression!r}, expected systemd's calendar expression in UTC, ")
