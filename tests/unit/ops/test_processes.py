"""Processes of a killed run: detected while they are alive, and ended with their parent."""

import os
import signal
import subprocess
import sys

import pytest

from ops import processes
from tests.support.polling import until

RUNNER = """
import os, sys
from pathlib import Path
from ops import processes
processes.run(["sleep", "60"], os.environ, Path("."))
"""


def test_a_process_is_named_while_it_lives():
    process = subprocess.Popen(["sleep", "60"])
    until(lambda: processes.command_name(process.pid), lambda name: name == "sleep", "its name")
    process.kill()
    assert processes.ended(process.pid, 30), "dead, though nobody has waited for it"
    process.wait()
    assert processes.command_name(process.pid) is None


def test_patience_ends():
    assert not processes.ended(os.getpid(), 0)


@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN])
def test_what_is_run_ends_with_its_starter_however_that_ends(sigint):
    starter = subprocess.Popen(
        [sys.executable, "-c", RUNNER], preexec_fn=lambda: signal.signal(signal.SIGINT, sigint)
    )

    def children() -> list[int]:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(starter.pid)], capture_output=True, text=True
        )
        return [int(pid) for pid in listed.stdout.split()]

    (child,) = until(
        children,
        lambda found: len(found) == 1 and processes.command_name(found[0]) == "sleep",
        "the process it runs",
    )
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert processes.ended(child, 30)
