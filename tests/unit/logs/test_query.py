"""What is asked of the store; that it takes this is tests/integration/logs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sophia_logs.query import days, is_since, query

END = "| sort by (_time desc) limit 200 | fields _time, service, node, stream, _msg"


@pytest.mark.parametrize(
    ("service", "search", "caller", "since", "asked"),
    [
        ("", "", "", "1h", "_time:1h"),
        ("sophia-dev-slack", "", "", "7d", '{service="sophia-dev-slack"} _time:7d'),
        ("", "r1", "", "2026-11-27", '_time:>=2026-11-27 _msg:~"(?i)r1"'),
        ("", "", "ci", "1h", '_time:1h caller:="ci"'),
        ("", 'a"b.*', "", "1h", r'_time:1h _msg:~"(?i)a\"b\\.\\*"'),
    ],
)
def test_each_part_is_a_filter_and_text_means_itself(service, search, caller, since, asked):
    assert query(service, search, caller, since, 200) == f"{asked} {END}"


def test_all_lines_are_asked_for_day_by_day_and_not_sorted():
    now = datetime(2026, 11, 27, 15, 0, 0, 7, UTC)
    spans = [
        "[2026-11-25T15:00:00Z, 2026-11-26T15:00:00Z)",
        "[2026-11-26T15:00:00Z, 2026-11-27T15:00:00Z)",
        "[2026-11-27T15:00:00Z, 2026-11-28T15:00:00Z)",
    ]
    assert list(days("2d", now)) == list(days("2026-11-25T15:00Z", now)) == spans
    assert query("", "", "ci", spans[0], 0) == (
        f'_time:{spans[0]} caller:="ci" | fields _time, service, node, stream, _msg'
    )


@pytest.mark.parametrize("text", ["90s", "2h", "2026-11-27", "2026-11-27T15:00Z"])
def test_a_span_and_a_moment_are_taken(text):
    assert is_since(text)


@pytest.mark.parametrize(
    "text", ["", "-1h", "h", "yesterday", "1h or *", "2026-11-27T15", "-" * 10, "2026-13-45"]
)
def test_what_is_neither_is_not(text):
    assert not is_since(text)


@pytest.mark.parametrize("since", ["9999w", "0001-01-01"])
def test_no_search_goes_back_further_than_lines_are_kept(since):
    assert len(list(days(since, datetime(2026, 11, 27, tzinfo=UTC)))) == 367
