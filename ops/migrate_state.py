"""`make migrate-state TO=s3://your-bucket STACK=prod`: copies a stack's state to another backend.

Secrets stay encrypted throughout, with the same passphrase or key. The old state stays until
somebody removes it by hand; its history is not copied.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ops import platform
from ops.processes import end_on_sigterm
from ops.progress import say
from ops.stack import Stack, StackError, logged_in, of_this_shell
from toolchain import ToolchainError

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that marks a secret in a state (pulumi v3.259, sdk/go/common/resource/sig)."""

_BACKEND = "PULUMI_BACKEND_URL"

State = Mapping[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.migrate_state", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--to", required=True)
    arguments = parser.parse_args()
    try:
        end_on_sigterm()
        if arguments.stack == platform.STACK:
            raise StackError(
                f"STACK: got {platform.STACK}, whose state `make up` keeps on this machine;"
                " expected another stack, such as prod"
            )
        migrate(of_this_shell(arguments.stack), arguments.to)
    except (StackError, ToolchainError) as failure:
        say(f"error: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the old state is unchanged, run it again")
        return 130
    return 0


def migrate(stack: Stack, to: str) -> None:
    """Copies the state to the backend `to`, compares, and says what to do next.

    Run it again after an interruption: what has been copied is only compared. Raises StackError.
    """
    old = stack.environment.get(_BACKEND) or logged_in()
    if not urlsplit(to).scheme:
        raise StackError(
            f"TO: got {to!r}, expected the address of a backend: s3://your-bucket,"
            " file:///an/existing/folder or https://api.pulumi.com"
        )
    if _place(to) == _place(old):
        raise StackError(
            f"TO: {_shown(to)} already has the state of {stack.name}, expected another backend"
        )
    source = replace(stack, name=_named(stack.name, old))
    if not old.startswith("https:"):
        _not_locked(source)
    text = source.pulumi("stack", "export", quiet=True).stdout
    state = json.loads(text).get("deployment") or {}
    if problems := list(refusals(state, source.name)):
        raise StackError("nothing was copied:\n" + "\n".join(problems))
    with tempfile.TemporaryDirectory() as folder:
        target = _elsewhere(stack, to, Path(folder))
        _copy(text, target, Path(folder))
        if content(source.exported()) != content(state):
            raise StackError(
                f"stack {source.name} was changed while it was copied. Remove the copy, then run"
                f" this again: {_removing(target.name, to)}"
            )
        say(f"{len(content(state))} resources of {source.name} are in {_shown(to)}, too")
        say("comparing them with the code and the machines:")
        same = target.tried("preview", "--expect-no-changes").returncode == 0
    if not same:
        say(
            "warning: that preview failed or found changes. The copy is complete anyway; a preview"
            f" with the old state, from {_shown(old)}, should show the same"
        )
    say("Next:")
    say(f"    export {_BACKEND}={shlex.quote(_shown(to))}")
    say("    set the workflows' variable of that name, too; then run `pulumi up`. The old state")
    say("    knows the same machines, so don't use it any more. Remove it (no machine ends):")
    say(f"    {_removing(source.name, old)}")


def refusals(state: State, name: str) -> Iterator[str]:
    """Why a state can't be copied as it is. Pure."""
    if not state.get("resources"):
        yield f"stack {name}: its state has no resources"
    if pending := state.get("pending_operations"):
        yield (
            f"stack {name}: a run was killed while it changed {len(pending)} resources; run `pulumi"
            f" refresh --clear-pending-creates --stack {name}` first"
        )
    if (state.get("secrets_providers") or {}).get("type") == "service":
        yield (
            f"stack {name}: only Pulumi Cloud can decrypt its secrets; run `pulumi stack"
            f" change-secrets-provider passphrase --stack {name}` first"
        )


def content(state: State) -> list[Any]:
    """The resources of a state without their secrets' encryption, which an import does again.
    Pure."""

    def readable(value: Any) -> Any:
        if isinstance(value, list):
            return [readable(one) for one in value]
        if isinstance(value, dict):
            hidden = ("ciphertext",) if _SIGNATURE in value else ()
            return {key: readable(one) for key, one in value.items() if key not in hidden}
        return value

    return [readable(one) for one in state.get("resources") or []]


def _not_locked(source: Stack) -> None:
    """Raises StackError if a run works on the stack. Renaming it to its own name takes its lock
    first, then is refused, since the name exists."""
    done = source.tried("stack", "rename", source.name, quiet=True)
    if "already exists" not in done.stderr:
        raise StackError(
            f"nothing was copied: {_said(done, source)}\n"
            "Wait for a run that works on the stack; after a killed one: `pulumi cancel --stack"
            f" {source.name}`"
        )


def _elsewhere(stack: Stack, to: str, folder: Path) -> Stack:
    """The same stack in the other backend. This user stays logged in where they are."""
    home = Path(stack.environment.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if (home / "plugins").exists():
        (folder / "plugins").symlink_to((home / "plugins").resolve())
    environment = {**stack.environment, _BACKEND: to, "PULUMI_HOME": str(folder)}
    return replace(stack, name=_named(stack.name, to), environment=environment)


def _copy(text: str, target: Stack, folder: Path) -> None:
    """Creates the stack if it is missing, and imports. text: the exported state."""
    keeper = target.secrets_provider or "passphrase"
    made = target.tried("stack", "init", "--secrets-provider", keeper, quiet=True)
    if made.returncode != 0 and "already exists" not in made.stderr:
        raise StackError(f"`pulumi stack init` failed: {_said(made, target)}")
    state, there = json.loads(text)["deployment"], target.exported()
    if not there.get("resources"):
        file = folder / "state.json"
        file.write_text(text)
        target.pulumi("stack", "import", "--file", str(file), quiet=True)
        there = target.exported()
    if content(there) != content(state):
        raise StackError(
            f"{_shown(target.environment[_BACKEND])} has a stack {target.name} with"
            f" {len(content(there))} resources, which differ from the {len(content(state))} here."
            " Nothing was overwritten: choose another backend, or destroy or remove that stack"
        )


def _named(name: str, address: str) -> str:
    """With organisation and project only if the backend has organisations."""
    return name if address.startswith("https:") else name.rpartition("/")[2]


def _place(address: str) -> tuple[str, ...]:
    """What two addresses of one backend have in common."""
    found = urlsplit(address)
    if found.scheme == "file":
        return "file", str(Path(found.netloc + found.path).expanduser().resolve())
    place = found.netloc.rpartition("@")[2] + found.path.rstrip("/")
    return found.scheme, place, *parse_qs(found.query).get("endpoint", [])


def _removing(name: str, address: str) -> str:
    command = f"pulumi stack rm {name} --force --yes --preserve-config"
    return f"{_BACKEND}={shlex.quote(_shown(address))} {command}"


def _said(done: subprocess.CompletedProcess[str], stack: Stack) -> str:
    """The engine's message, which may repeat the address."""
    said, address = done.stderr.strip() or done.stdout.strip(), stack.environment.get(_BACKEND)
    return said.replace(address, _shown(address)) if address else said


def _shown(address: str) -> str:
    """Without user and password, which a database's address has."""
    found = urlsplit(address)
    return found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()


if __name__ == "__main__":
    sys.exit(main())
