"""Long commands say how long they take; failing ones say why."""

import os
from pathlib import Path

import pytest

from toolchain import commands
from toolchain.errors import BuildFailed


def run(script: str, say=lambda line: None, **options) -> str:
    return commands.run(
        "building it",
        ["sh", "-c", script],
        cwd=Path("/"),
        environment=os.environ,
        say=say,
        **options,
    )


def test_output_comes_back():
    assert run("echo built") == "built\n"


def test_a_failure_shows_the_last_lines_of_both_outputs():
    with pytest.raises(BuildFailed) as failure:
        run("seq 1 100; echo no such module >&2; exit 4")

    message = str(failure.value)
    assert "building it: sh exited with 4" in message
    assert message.endswith("no such module")
    assert "\n81\n" not in message
    assert "\n82\n" in message


def test_progress_is_said_with_the_elapsed_time(monkeypatch):
    monkeypatch.setattr(commands, "EVERY", 0.05)
    lines: list[str] = []

    run("sleep 0.3", lines.append)

    assert lines[0] == "building it … 0s"


def test_a_command_that_does_not_end_is_killed():
    with pytest.raises(BuildFailed, match="not done after 0s"):
        run("sleep 60", timeout=0.1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (60, "1m00s"), (270.2, "4m30s")]
)
def test_clock(seconds, text):
    assert commands.clock(seconds) == text
