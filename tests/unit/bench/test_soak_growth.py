"""What is read of a node, and which growth is too much."""

from __future__ import annotations

import os
import subprocess

from bench import soak_growth
from bench.soak_growth import NODE, SERIES, Growth, Reading


def test_a_nodes_lines_are_read_by_service():
    told = "sophia-dev-github 20480 12 3 1048576 2048\nseries 1234\nno such container\n"
    found = {(one.service, one.measure): one.value for one in soak_growth.parsed(told, 7)}
    assert found == {
        ("sophia-dev-github", "memory MB"): 20,
        ("sophia-dev-github", "files"): 12,
        ("sophia-dev-github", "connections"): 3,
        ("sophia-dev-github", "log MB"): 1,
        ("sophia-dev-github", "disk MB"): 2,
        ("prometheus", SERIES): 1234,
    }


def test_the_script_counts_a_process():
    """Its function, with this process in place of a container's."""
    function = soak_growth.SCRIPT.partition("\nfor id in")[0]
    script = f"{function}\nof toy 10 20 {os.getpid()} 999999999"
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    values = {one.measure: one.value for one in soak_growth.parsed(told, 0)}
    assert values["memory MB"] > 10
    assert values["files"] >= 3
    assert values["connections"] >= 0


def test_growth_is_between_the_tenths_and_of_what_was_there_in_both():
    found = [
        *(Reading(at, "a", "files", value) for at, value in ((0, 10), (10, 20), (50, 999))),
        *(Reading(at, "a", "files", value) for at, value in ((90, 30), (100, 40))),
        Reading(95, "new", "files", 1),
    ]
    assert soak_growth.grown(found, 0, 100) == [Growth("a", "files", 15, 35)]


def test_each_measure_has_a_bound_and_a_nodes_volumes_one_of_their_own():
    assert Growth("a", "memory MB", 100, 126).is_bounded
    assert not Growth("a", "memory MB", 100, 127).is_bounded
    assert not Growth("a", "disk MB", 0, 5).is_bounded
    assert Growth(NODE, "disk MB", 0, 60).is_bounded
    assert Growth("sophia-dev-audit-log", "memory MB", 50, 103).is_bounded
    assert not Growth("sophia-dev-audit-log", "memory MB", 50, 104).is_bounded
    assert {*soak_growth.MEASURES, SERIES} <= set(soak_growth.BOUNDS)


def test_the_table_marks_what_is_beyond():
    head, line = soak_growth.table([Growth("a", "files", 1, 2), Growth("a", "disk MB", 1, 9)])
    assert "connections" in head
    assert "1.0 → 2.0 " in line
    assert "1.0 → 9.0 !" in line
