"""Runs that continue where a cancelled one stopped, on an engine of a few lines of shell."""

from __future__ import annotations

import os

import pytest

from ops.ci import engine
from ops.ci.engine import Here, left_behind
from ops.stack import Stack, StackError

BY = "  s3://b/.pulumi/locks/organization/sophia/prod/1.json: created by {} (pid {}) at 2026-11-27"
HERE = Here("runner", "vm-2", in_actions=True)
LOCKED = f"error: {engine.LOCKED} by 1 lock(s). Either wait for the other process(es) to end"


def said(who: str, pid: int = 999_999_999) -> str:
    return f"{LOCKED}\n{BY.format(who, pid)}"


def test_a_lock_of_another_machine_of_github_is_left_behind():
    assert left_behind(said("runner@vm-1"), HERE)


def test_a_persons_lock_is_not():
    assert not left_behind(said("alice@laptop"), HERE)
    assert not left_behind(said("runner@vm-1"), Here("runner", "vm-2", in_actions=False))
    assert not left_behind(f"{said('runner@vm-1')}\n{BY.format('alice@laptop', 1)}", HERE)


def test_on_the_same_machine_its_process_decides(monkeypatch):
    assert left_behind(said("runner@vm-2"), HERE)
    monkeypatch.setattr(engine.processes, "command_name", lambda pid: "pulumi")
    monkeypatch.setattr(engine.processes, "INTERRUPT_GRACE", 0.0)
    assert not left_behind(said("runner@vm-2"), HERE)
    monkeypatch.setattr(engine.processes, "ended", lambda pid, patience: True)
    assert left_behind(said("runner@vm-2"), HERE), "it was just ending"


def test_what_names_no_lock_is_none():
    assert not left_behind(LOCKED, HERE)


ENGINE = """#!/bin/sh
echo "$1" "$2" >>calls
case "$1" in
  stack) cat state ;;
  cancel) rm lock ;;
  *) if [ -e lock ]; then cat lock >&2; exit 255; fi; [ ! -e broken ] || exit 1 ;;
esac
"""


@pytest.fixture
def stack(tmp_path) -> Stack:
    (tmp_path / "pulumi").write_text(ENGINE)
    (tmp_path / "pulumi").chmod(0o755)
    (tmp_path / "state").write_text('{"deployment": {}}')
    path = f"{tmp_path}:{os.environ['PATH']}"
    return Stack("prod", "sophia", {"PATH": path}, tmp_path, ours=False)


@pytest.fixture(autouse=True)
def _path(stack, monkeypatch):
    monkeypatch.setenv("PATH", stack.environment["PATH"])


def calls(stack: Stack) -> list[str]:
    """The engine's commands, without reads of the state."""
    lines = (stack.root / "calls").read_text().splitlines()
    return [line.split()[0] for line in lines if not line.startswith("stack")]


def test_an_undisturbed_run_is_one_command(stack):
    engine.changed(stack, "up")
    assert calls(stack) == ["up"]


def test_the_lock_of_a_cancelled_run_is_removed_and_the_run_made(stack, monkeypatch):
    monkeypatch.setattr(engine, "here", lambda: HERE)
    (stack.root / "lock").write_text(said("runner@vm-1"))
    engine.changed(stack, "up")
    assert calls(stack) == ["up", "cancel", "up"]


def test_the_lock_of_somebody_else_stops_the_run(stack, monkeypatch, capsys):
    monkeypatch.setattr(engine, "here", lambda: HERE)
    (stack.root / "lock").write_text(said("alice@laptop"))
    with pytest.raises(StackError, match="`pulumi up` failed with exit status 255"):
        engine.changed(stack, "up")
    assert calls(stack) == ["up"]
    assert "alice@laptop" in capsys.readouterr().err


def test_what_was_being_created_is_read_first(stack):
    (stack.root / "state").write_text('{"deployment": {"pending_operations": [{}]}}')
    engine.changed(stack, "destroy")
    assert calls(stack) == ["refresh", "destroy"]


def test_a_failure_is_tried_once(stack):
    (stack.root / "broken").touch()
    with pytest.raises(StackError):
        engine.changed(stack, "up")
    assert calls(stack) == ["up"]


def test_a_schedule_brings_nothing_back_that_was_destroyed(stack, monkeypatch):
    state = stack.root / "state"
    for event in ("push", "workflow_dispatch"):
        monkeypatch.setenv("GITHUB_EVENT_NAME", event)
        engine.wanted(stack)
    monkeypatch.setenv("GITHUB_EVENT_NAME", "schedule")
    with pytest.raises(StackError, match="stack prod has nothing in its state"):
        engine.wanted(stack)
    state.write_text('{"deployment": {"resources": [{"urn": "urn:pulumi:prod::s::a:b:C::x"}]}}')
    engine.wanted(stack)
