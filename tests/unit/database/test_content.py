"""What is noted of the database's content, and what of it differs after a restore."""

from __future__ import annotations

import json

from images.database.backup.content import compared, differences, noted

THEN = {"at": "2026-11-27T03:00:07.123456+00:00", "tables": {"public.a": [2, "1"], "b.c": [0, "0"]}}


def of(tables: dict) -> dict:
    return {"at": "2026-11-28T09:00:00.000000+00:00", "tables": THEN["tables"] | tables}


def test_the_same_content_at_another_moment_is_the_same():
    assert compared(THEN, of({})) == {"tables": 2, "rows": 2, "differences": []}


def test_each_table_that_differs_is_a_line():
    assert differences(THEN, of({"public.a": [3, "1"]})) == ["public.a: got 3 rows, expected 2"]
    assert differences(THEN, of({"public.a": [2, "7"]})) == [
        "public.a: the content of its 2 rows differs"
    ]
    assert differences(THEN, of({"new": [0, "0"]})) == ["new: it is new"]
    assert differences(of({"old": [1, "1"]}), THEN) == ["old: it is not there"]


def test_the_newest_note_is_found_or_that_of_a_moment():
    later = of({})
    backups = [
        {"label": "before notes were made"},
        {"annotation": {"content": json.dumps(THEN)}},
        {"annotation": {"content": json.dumps(later)}},
        {"annotation": {"of somebody": "else"}},
    ]
    assert noted(backups) == later
    assert noted(backups, "2026-11-27 03:00:07.123456") == THEN
    assert noted(backups, "2026-11-27T04:00:07.123456+01:00") == THEN
    assert noted(backups, "2026-11-27 03:00:07") is None
    assert noted(backups[:1]) is None
