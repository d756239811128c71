"""The Pulumi stack of this machine: runs the engine, and repairs what a killed run left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ops import processes
from ops.progress import say
from toolchain import environment, places

PROJECT = "sophia"


class StackError(Exception):
    """The engine failed; it has said why."""


@dataclass(frozen=True)
class Stack:
    """name: of the stack. environment: the engine's, complete. root: the checkout.

    ours: this machine's stack, not an operator's.
    """

    name: str
    project: str
    environment: Mapping[str, str]
    root: Path
    ours: bool = True

    def pulumi(self, *arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs one engine command on this stack. Raises StackError with its exit status."""
        done = self.tried(*arguments, quiet=quiet)
        if done.returncode != 0:
            said = f":\n{done.stderr.strip() or done.stdout.strip()}" if quiet else ""
            status = f"failed with exit status {done.returncode}"
            raise StackError(f"`pulumi {arguments[0]}` {status}{self._placed(said)}")
        return done

    def tried(
        self, *arguments: str, quiet: bool = False, keep_errors: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs one engine command on this stack, however it ends."""
        return self._run((*arguments, "--stack", self.name), quiet=quiet, keep_errors=keep_errors)

    def _placed(self, said: str) -> str:
        """The engine's error about an operator's stack, with the backend that was searched."""
        if self.ours:
            return said
        address = self.environment.get("PULUMI_BACKEND_URL", "")
        found = urlsplit(address)
        # Without user and password, which a database's address has and the engine repeats.
        place = f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"
        if address:
            said = said.replace(address, place)
        return (
            f"{said}\nstack {self.name} was looked for "
            + (f"in {place}" if address else "where `pulumi` is logged in")
            + ": PULUMI_BACKEND_URL or `pulumi login` names its backend, PULUMI_CONFIG_PASSPHRASE"
            " or PULUMI_CONFIG_PASSPHRASE_FILE its passphrase"
        )

    def select(self) -> None:
        """Selects the stack; creates it the first time."""
        done = self._run(("stack", "select", "--create", self.name), quiet=True)
        if done.returncode != 0:
            raise StackError(
                f"stack {self.name}: its state in {self.backend} can't be used:\n"
                f"{done.stderr.strip()}\n"
                "`make down` removes everything that ran on this machine; then run `make up`"
            )

    def outputs(self) -> dict[str, Any]:
        """All outputs, secrets in plain text."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets", quiet=True)
        outputs: dict[str, Any] = json.loads(done.stdout)
        return outputs

    def configuration(self) -> dict[str, str]:
        """The stack's configuration, by key without the project; secrets in plain text."""
        done = self.pulumi("config", "--json", "--show-secrets", quiet=True)
        values: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return {key.partition(":")[2]: entry.get("value", "") for key, entry in values.items()}

    def siblings(self) -> list[str]:
        """The names of all stacks of the project in the same backend."""
        done = self._run(("stack", "ls", "--json"), quiet=True)
        if done.returncode != 0:
            said = self._placed(f":\n{done.stderr.strip()}")
            raise StackError(f"`pulumi stack ls` failed{said}")
        return sorted(one["name"].rpartition("/")[2] for one in json.loads(done.stdout))

    def exported(self) -> dict[str, Any]:
        """The state, secrets encrypted."""
        done = self.pulumi("stack", "export", quiet=True)
        state: dict[str, Any] = json.loads(done.stdout).get("deployment") or {}
        return state

    def recover(self) -> None:
        """Repairs what a killed engine left: its lock, and unfinished creations."""
        self._wait_for_others()
        if self._locks():
            say("    an earlier run was killed: removing its lock")
            self.pulumi("cancel", "--yes", quiet=True)
        if self.exported().get("pending_operations"):
            say("    an earlier run was killed while it created something: reading what exists")
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

    def _run(
        self, arguments: tuple[str, ...], *, quiet: bool, keep_errors: bool = False
    ) -> subprocess.CompletedProcess[str]:
        command = ("pulumi", *arguments, "--non-interactive")
        if self.ours:
            self._leave_no_salt()  # a salt of another passphrase would be refused
        with self._untouched():
            return processes.run(
                command, self.environment, self.root, quiet=quiet, keep_errors=keep_errors
            )

    @contextlib.contextmanager
    def _untouched(self) -> Iterator[None]:
        """Restores the stack's configuration file, whatever the engine writes into it. In ours,
        changes that somebody makes during the run stay, and so does what `config set` writes."""
        path = self.configuration_file
        before = path.read_bytes() if path.exists() else b""
        try:
            yield
        finally:
            after = path.read_bytes() if path.exists() else b""
            noise = not self.ours or _meaning(after) == _meaning(before)
            if after != before and noise:
                path.write_bytes(before) if before else path.unlink()

    def _leave_no_salt(self) -> None:
        """Removes the salt that a killed engine, or one run by hand, left in the configuration
        file.

        The engine makes a new one if there is none: only values encrypted with it need it.
        """
        path = self.configuration_file
        text = path.read_text() if path.exists() else ""
        lines = text.splitlines(keepends=True)
        kept = "".join(line for line in lines if not line.startswith("encryptionsalt:"))
        if kept != text and "secure:" not in text:
            path.write_text(kept)

    @property
    def bare(self) -> str:
        """Its name without organisation and project, which Pulumi Cloud has."""
        return self.name.rpartition("/")[2]

    @property
    def configuration_file(self) -> Path:
        """`Pulumi.prod.yaml` of stack prod, and of acme/sophia/prod in Pulumi Cloud."""
        return self.root / f"Pulumi.{self.bare}.yaml"

    @property
    def secrets_provider(self) -> str:
        """What its file names to encrypt its secrets, such as awskms://…; "" for the default."""
        path = self.configuration_file
        configured = yaml.safe_load(path.read_text()) if path.exists() else None
        return str((configured or {}).get("secretsprovider", ""))

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
                    f"`kill -INT {pid}` ends it cleanly"
                )


def of_this_shell(name: str) -> Stack:
    """A stack as this shell's `pulumi` would find it: with the backend and passphrase of the
    environment or the user's login, else those of `make env`."""
    ours, login = environment(), logged_in()
    if login or "PULUMI_BACKEND_URL" in os.environ:
        for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            ours.pop(key)
    if login:  # it is noted there; a shell that only names a backend may need our plugins
        ours.pop("PULUMI_HOME")
    # Those two are the shell's with something added.
    added: dict[str, str] = {key: ours[key] for key in ("PATH", "no_proxy") if key in ours}
    return Stack(name, PROJECT, {**ours, **os.environ, **added}, places.ROOT, ours=False)


def logged_in() -> str:
    """The address of the backend that `pulumi login` noted for this user, "" for none."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    with contextlib.suppress(OSError, ValueError):
        return str(json.loads((home / "credentials.json").read_text()).get("current") or "")
    return ""


def _meaning(text: bytes) -> dict[str, Any]:
    """The content of a configuration file, whatever its format, without the engine's salt."""
    try:
        said = yaml.load(text, yaml.BaseLoader) or {}  # reads all scalars as text
    except yaml.YAMLError:
        return {"unreadable": text}
    return {key: value for key, value in said.items() if key != "encryptionsalt"}
