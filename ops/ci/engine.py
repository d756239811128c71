"""Runs that change a stack, wherever an earlier one was cancelled.

GitHub cancels with SIGINT, after 7.5 s SIGTERM, after 2.5 s SIGKILL: often not enough time for the
engine to release its lock, and what it was creating stays pending.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import sys
from dataclasses import dataclass

from ops import processes
from ops.progress import say
from ops.stack import Stack, StackError

LOCKED = "the stack is currently locked"
_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")
"""pulumi v3.259, pkg/backend/diy/lock.go."""


@dataclass(frozen=True)
class Here:
    """Who runs this. in_actions: GitHub runs only one of us per stack at a time (`concurrency`)."""

    user: str
    host: str
    in_actions: bool


def here() -> Here:
    """This process, by the names that the engine uses for itself."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return Here(user, socket.gethostname(), "GITHUB_ACTIONS" in os.environ)


def wanted(stack: Stack) -> None:
    """Raises StackError where a schedule would bring back what somebody has destroyed."""
    if os.environ.get("GITHUB_EVENT_NAME") == "schedule" and not stack.exported().get("resources"):
        raise StackError(
            f"stack {stack.name} has nothing in its state, and a schedule brings nothing back: run"
            " the workflow `deploy` by hand"
        )


def changed(stack: Stack, *command: str) -> None:
    """Runs `pulumi up` or `destroy`. Raises StackError; even then nothing has to be done by
    hand."""
    if stack.exported().get("pending_operations"):
        say("an earlier run was cancelled while it created something: reading what exists")
        _unlocked(stack, "refresh", "--clear-pending-creates")
    _unlocked(stack, *command)


def _unlocked(stack: Stack, *command: str) -> None:
    for again in (False, True):
        done = stack.tried(*command, "--yes", "--skip-preview", keep_errors=True)
        sys.stderr.write(done.stderr)
        if done.returncode == 0:
            return
        if again or LOCKED not in done.stderr or not left_behind(done.stderr, here()):
            raise StackError(f"`pulumi {command[0]}` failed with exit status {done.returncode}")
        say("an earlier run was cancelled: removing its lock")
        stack.pulumi("cancel", "--yes", quiet=True)


def left_behind(said: str, here: Here) -> bool:
    """Whether every lock that the engine names is of a run that is gone: its process doesn't run on
    this machine, or ends within a minute, as an interrupted one does; or it ran on another of
    GitHub's machines, where the run has ended."""
    locks = list(_LOCK.finditer(said))

    def gone(lock: re.Match[str]) -> bool:
        if lock["host"] == here.host:
            pid = int(lock["pid"])
            runs = processes.command_name(pid) == "pulumi"
            return not runs or processes.ended(pid, processes.INTERRUPT_GRACE)
        return here.in_actions and lock["user"] == here.user

    return bool(locks) and all(map(gone, locks))
