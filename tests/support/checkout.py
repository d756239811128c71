"""A copy of the working tree that a test may change, with its own user state folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Checkout:
    """root: the copy. home: its `$SOPHIA_HOME`. variables: of every command's environment, besides.

    Commands run as a user would, one after another.
    """

    root: Path
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = {"SOPHIA_HOME": str(self.home), "PULUMI_ERROR_OUTPUT_STRING": "1"}
        return {**os.environ, **self.variables, **own}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """`python -m ops up` and similar commands in their own process group, with output in a
        pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, ok: bool = True, seconds: float = 900) -> str:
        """The output of a command that must succeed (`ok`) or must fail."""
        process = self.start(*command)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise AssertionError(f"{command}: not done in {seconds} s:\n{output[-4000:]}") from None
        assert (process.returncode == 0) is ok, (
            f"{' '.join(command)}: exit status {process.returncode}\n{output[-6000:]}"
        )
        return output

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`make …`; it uses the virtual environment of this run, and never creates another."""
        return subprocess.run(
            ["make", "--silent", "--old-file=.venv/.ready", *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @cached_property
    def shell(self) -> dict[str, str]:
        """What `eval "$(make env)"` gives a shell; a person does it once, too."""
        script = f"{sys.executable} -m toolchain env && {sys.executable} -m simulator env"
        done = subprocess.run(
            ["bash", "-c", f'eval "$({script})" && env -0'],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)

    def pulumi(
        self, *arguments: str, ok: bool = True, seconds: float = 600, stack: str = "dev"
    ) -> str:
        """`pulumi …` by hand; the output of a run that must succeed or fail."""
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", stack, "--non-interactive"],
            cwd=self.root,
            env={**self.shell, **self.variables, "PULUMI_ERROR_OUTPUT_STRING": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, (
            f"pulumi {' '.join(arguments)}: exit status {done.returncode}\n{output[-6000:]}"
        )
        return done.stdout if ok and "--json" in arguments else output

    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = json.loads(
            self.pulumi("stack", "output", "--json", "--show-secrets")
        )
        return outputs


def copy_of_the_tree(
    folder: Path, home: Path | None = None, variables: Mapping[str, str] | None = None
) -> Checkout:
    """The files git would track, with the virtual environment of this run behind a link.

    home: the state folder of another checkout; by default a new one.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        source = ROOT / name
        if name and source.is_file():
            target = folder / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # Older than those packages: `make` installs none.
    os.utime(folder / "checkout" / "requirements-lock.txt", (0, 0))
    (folder / "checkout" / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return Checkout(folder / "checkout", home or folder / "home", variables or {})
