"""The Pulumi stack of this machine: the engine's commands, and mending what a killed run left."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops import processes
from ops.progress import say
from toolchain import places


class StackError(Exception):
    """The engine failed; it has said why."""


@dataclass(frozen=True)
class Stack:
    """name: of the stack. environment: whole, as the engine gets it. root: the checkout."""

    name: str
    project: str
    environment: Mapping[str, str]
    root: Path

    def pulumi(self, *arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs one engine command on this stack. Raises StackError with its exit status."""
        done = self._run((*arguments, "--stack", self.name), quiet=quiet)
        if done.returncode != 0:
            raise StackError(
                f"`pulumi {arguments[0]}` failed with exit status {done.returncode}"
                + (f":\n{done.stderr.strip() or done.stdout.strip()}" if quiet else "")
            )
        return done

    def select(self) -> None:
        """Makes the stack current, creating it the first time."""
        done = self._run(("stack", "select", "--create", self.name), quiet=True)
        if done.returncode != 0:
            raise StackError(
                f"stack {self.name}: its state in {self.backend} can't be used:\n"
                f"{done.stderr.strip()}\n"
                "`make down` removes everything that ran on this machine and starts anew"
            )

    def outputs(self) -> dict[str, Any]:
        """All outputs, secrets in plain text."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets", quiet=True)
        outputs: dict[str, Any] = json.loads(done.stdout)
        return outputs

    def recover(self) -> None:
        """Mends what a killed engine left: its lock, and creations nobody saw the end of."""
        self._wait_for_others()
        if self._locks():
            say("    an earlier run was killed: removing its lock")
            self.pulumi("cancel", "--yes", quiet=True)
        exported = json.loads(self.pulumi("stack", "export", quiet=True).stdout)
        if (exported.get("deployment") or {}).get("pending_operations"):
            say("    an earlier run was killed while it created: reading what is there")
            self.pulumi("refresh", "--clear-pending-creates", "--yes", "--skip-preview", quiet=True)

    def forget(self) -> None:
        """Removes every file of this stack from the local backend, readable or not."""
        for path in self._files():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Where the file backend keeps this one stack (pulumi v3.259, pkg/backend/diy)."""
        root = self.backend / ".pulumi"
        # `dev.json.bak.attrs` is ours, and the `dev.json.<hex>.tmp` of a killed engine; `dev2.json`
        # and `dev.json-old.json` are not.
        own = re.compile(rf"{re.escape(self.name)}\.json(\.(bak|attrs|gz|tmp|[0-9a-f]{{16}}))*")
        kept = root / "stacks" / self.project
        files = [path for path in kept.glob("*") if own.fullmatch(path.name)]
        folders = [root / kind / self.project / self.name for kind in ("history", "backups")]
        return [*files, *folders, *root.glob(f"locks/*/{self.project}/{self.name}")]

    def _run(self, arguments: tuple[str, ...], *, quiet: bool) -> subprocess.CompletedProcess[str]:
        command = ("pulumi", *arguments, "--non-interactive")
        self._leave_no_salt()  # one of another passphrase would be refused
        try:
            return processes.run(command, self.environment, self.root, quiet=quiet)
        finally:
            self._leave_no_salt()

    def _leave_no_salt(self) -> None:
        """Takes the engine's encryption salt out of the stack's configuration file.

        It notes one there whenever it runs, and makes a new one of the passphrase where there is
        none: in a tracked file it is but noise, unless the file holds values encrypted with it.
        """
        path = self.root / f"Pulumi.{self.name}.yaml"
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        kept = "".join(line for line in lines if not line.startswith("encryptionsalt:"))
        if kept != text and "secure:" not in text:
            path.write_text(kept)

    @property
    def backend(self) -> Path:
        """The folder of the local backend."""
        return places.state() / "pulumi"

    def _locks(self) -> list[Path]:
        return sorted(self.backend.glob(f".pulumi/locks/*/{self.project}/{self.name}/*.json"))

    def _wait_for_others(self) -> None:
        for lock in self._locks():
            try:
                pid = int(json.loads(lock.read_text())["pid"])
            except (OSError, ValueError, KeyError):
                continue
            if processes.command_name(pid) != "pulumi":
                continue
            say(f"    another pulumi (process {pid}) works on stack {self.name}: waiting")
            if not processes.ended(pid, 900):
                raise StackError(
                    f"stack {self.name}: process {pid} still works on it after 15 minutes; "
                    f"`kill -INT {pid}` ends it in good order"
                )
