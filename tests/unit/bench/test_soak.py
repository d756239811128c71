"""The report: each failed call with the event that explains it, or by itself."""

from __future__ import annotations

from bench import soak
from bench.soak_calls import OK, Call, Tool
from bench.soak_events import Event


def test_calls_that_nothing_explains_are_returned_and_printed(capsys):
    tool = Tool("github", "get_me", {})
    killed = Event("a task is killed (github)", began=1100, ended=1120, lost=1101)
    calls = [
        Call(tool, "default", 1000, 1, OK),
        Call(tool, "default", 1100.5, 1, "502 lost"),
        Call(tool, "soak-1", 1100.5, 1, "502 lost"),
        Call(tool, "default", 1300, 1, "503 busy"),
    ]
    left = soak.report(calls, [Event("a setting is changed", 1050, 1300), killed], began=1000)
    assert left == calls[3:]
    printed = capsys.readouterr().out
    assert "4 calls: 1 with a result" in printed
    assert "      2 failed  a task is killed (github): in flight on what was lost" in printed
    assert "  300.0 s    1.0 s  github/get_me by default: 503 busy" in printed
