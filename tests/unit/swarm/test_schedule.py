"""What a change of a schedule needs, and what is refused before any manager is touched."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from providers.runtime import codec
from providers.runtime.declare import Context
from providers.runtime.difference import difference
from providers.swarm import timer
from providers.swarm.errors import Unanswered
from providers.swarm.schedule import Manager, Schedule, ScheduleInputs, ScheduleOutputs
from providers.swarm.timer import Timer

FIRST, SECOND = (
    Manager(f"manager-{number}", f"i-{number}", f"192.0.2.{number}", "ssh-ed25519 AAAA")
    for number in (1, 2)
)
DAILY = ScheduleInputs("sophia-dev-backup", "daily", [FIRST, SECOND])
WRITTEN = Timer(DAILY.job, DAILY.calendar).fingerprint


def compared(outputs=None, **change):
    new = dataclasses.replace(DAILY, **change)
    known = codec.encode(outputs or ScheduleOutputs(WRITTEN))
    return difference(Schedule, codec.encode(DAILY), known, codec.encode(new))


@pytest.mark.parametrize(
    "change",
    [
        {"calendar": "weekly"},
        {"managers": [FIRST]},
        {"managers": [FIRST, dataclasses.replace(SECOND, instance_id="i-3")]},
    ],
    ids=["times", "one less", "a new machine at the same address"],
)
def test_times_and_managers_change_in_place(change):
    found = compared(**change)
    assert len(found.changed) == 1
    assert found.replaces == []


def test_another_job_has_another_timer():
    assert compared(job="sophia-dev-restore").replaces == ["job"]


def test_a_manager_that_was_away_is_served_by_the_next_run():
    assert not compared().any
    told = compared(ScheduleOutputs(WRITTEN, ["manager-2"])).drifted
    assert told == "the timer of sophia-dev-backup is not as wanted on manager-2"


def test_another_version_of_the_program_gets_to_living_managers(tmp_path, monkeypatch):
    newer = tmp_path / "scheduled_run.py"
    newer.write_text(f"{timer._PROGRAM.read_text()}# fixed\n")
    monkeypatch.setattr(timer, "_PROGRAM", newer)
    assert "differs in this version" in str(compared().drifted)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"job": "a; reboot"}, "job"),
        ({"job": ""}, "job"),
        ({"calendar": 'daily" & reboot "'}, "calendar"),
        ({"calendar": "daily\nOnCalendar=minutely"}, "calendar"),
        ({"managers": []}, "managers"),
    ],
)
def test_what_could_not_be_a_timer_is_refused(change, path):
    assert Schedule.check(DAILY) == []
    faults = Schedule.check(dataclasses.replace(DAILY, **change))
    assert [fault.path for fault in faults] == [path]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_systemd_finds_no_fault_in_the_units(tmp_path):
    files = Timer("sophia-dev-backup", "Mon..Fri *-*-1/2 03:00/15").files
    for path in files:
        if "/systemd/" in path:
            (tmp_path / Path(path).name).write_text(files[path])
    found = sorted(tmp_path.iterdir())
    assert len(found) == 2
    said = subprocess.run(["systemd-analyze", "verify", *found], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")


class Answering:
    """A pool of managers that answer scripts in turn as given."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def node(self, *_):
        return self

    async def run(self, script):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_script_whose_connection_ended_runs_again():
    context = Context("urn::schedule", 30.0, asyncio.Event(), print, print)
    alone = dataclasses.replace(DAILY, managers=[FIRST])
    ended = Unanswered("the connection ended")
    made = await Schedule(Answering(ended, "")).create(context, alone)
    assert made.outputs == ScheduleOutputs(WRITTEN)
