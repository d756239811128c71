"""The restore drill: a small stack of its own is filled from another one's backups, compared with
what was noted with them, and destroyed.

It reads the backups and writes none (`backup.restoreOnly`), so the other stack never notices.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from components.plan import names
from ops import backup, inspect, orphans
from ops.ci import engine, summary, verify
from ops.nodes import NotUp
from ops.progress import say
from ops.stack import PROJECT, Stack, StackError

Json = dict[str, Any]

MOST_LOST, LONGEST = 300.0, 900.0
"""Seconds: how much may be lost with a cluster, and how long until clients get through again."""
_ARCHIVED_AFTER = 120.0
"""Seconds after which a WAL file goes to S3 in any case (images/database/entrypoint.sh)."""
_WITHOUT = ("monitoring", "logs", "tracing", "standby", "backend", "volumes", "recover")
"""Keys that a drill leaves out."""
_SERVER = "ai_memory"
"""The server that uses the database."""


@dataclass(frozen=True)
class Outcome:
    """rpo: seconds of changes that were not in S3 when the drill began. rto: seconds from nothing
    until clients got through. at: the moment that was restored, ISO 8601; content: how it compares,
    as images/database/backup/content.py has it.
    """

    rpo: float
    rto: float
    at: str
    content: Mapping[str, Any]


def run(source: Stack) -> Outcome:
    """The whole drill. Raises StackError, NotUp; whatever happens, nothing stays rented."""
    outputs = source.outputs()
    prefix = inspect.prefix_of(outputs, source.name)
    state = backup.state(outputs, prefix)
    if "error" in state:
        raise NotUp(f"the backups can't be read: {state['error']}")
    if not state.get("noted"):
        raise NotUp(f"no backup has a note of its content: run `make backup STACK={source.name}`")
    lost = unsent(state, time.time())
    target = made(source, outputs, prefix)
    began = time.monotonic()  # the end of an earlier drill, if any, is not this one's time
    with _removed(target):
        engine.changed(target, "up")
        there = target.outputs()
        verify.verify(there, there["gateway_urls"], say)
        took = time.monotonic() - began
        told = backup.restore(there, names.prefix(PROJECT, target.bare), state["noted"], "")
    return Outcome(lost, took, state["noted"], told["content"])


def made(source: Stack, outputs: Json, prefix: str) -> Stack:
    """The stack for the drill, with its configuration; what an earlier drill left is destroyed."""
    target = _target(source)
    if target.bare in source.siblings():
        say(f"an earlier drill was cancelled: destroying stack {target.name}")
        _remove(target)
    named = source.secrets_provider
    keeper = ["--secrets-provider", named] if named else []
    _engine(target, "stack", "init", *keeper, "--copy-config-from", source.name)
    for key, value in small(source.configuration()).items():
        # Below it may be a server's own credentials.
        hidden = ["--secret"] if key == "servers" else []
        _engine(target, "config", "set", *hidden, key, said=json.dumps(value))
    own = json.loads(source.configuration()["backup"])
    own |= {"path": own.get("path") or f"/{prefix}", "passphrase": outputs["backup_passphrase"]}
    text = json.dumps(own | {"restoreOnly": True})
    _engine(target, "config", "rm", "backup")
    _engine(target, "config", "set", "--secret", "backup", said=text)
    return target


def left(source: Stack) -> int:
    """Machines of a drill that was cancelled, or that is under way. Raises StackError."""
    target = _target(source)
    if target.bare not in source.siblings():
        return 0
    return len(orphans.recorded(target.exported()).ids)


def small(values: Mapping[str, str]) -> Json:
    """What differs from a stack's configuration where a drill has less: one manager, one server.
    Pure."""
    groups: list[Json] = json.loads(values["nodeGroups"])
    [first, *_] = [group for group in groups if group["role"] == "manager"]
    kept = {key: value for key, value in first.items() if key not in ("generation", "replace")}
    servers = json.loads(values.get("servers") or "{}")
    settings = servers.get(_SERVER, {}) if isinstance(servers, dict) else {}
    port = json.loads(values.get("gateway") or "{}").get("port")
    return {
        "nodeGroups": [kept | {"count": 1, "tier": "primary"}],
        "servers": {_SERVER: settings},
        "gateway": {"port": port} if port else {},
        **{key: {} for key in _WITHOUT},
        "startUnconfigured": True,
    }


def unsent(state: Mapping[str, Any], now: float) -> float:
    """Seconds of changes that a loss of the cluster would cost now. now: Unix time. Pure. Raises
    NotUp: nobody knows."""
    if "waiting" not in state:
        raise NotUp("the database doesn't answer, so what it has not sent to S3 is unknown")
    if state["waiting"]:
        return float(now - state["waiting_since"])
    # A database in which nothing changes sends nothing.
    return min(now - (state.get("archived") or 0), _ARCHIVED_AFTER)


def title(stack: str) -> str:
    """The title of the stack's only issue about it."""
    return f"The backups of stack {stack} can't be relied on"


def told(outcome: Outcome) -> str:
    """The outcome, in lines. Pure."""
    content = outcome.content
    return "\n".join(
        (
            f"RTO {outcome.rto:.0f} s: from nothing until clients got through",
            f"RPO {outcome.rpo:.0f} s: of changes that were not in S3",
            f"{content['rows']} rows in {content['tables']} tables, as of {outcome.at}",
        )
    )


def report(outcome: Outcome | str) -> str:
    """The issue's text, "" if all is well. outcome: if a text, the reason why it failed. Pure."""
    lines = [outcome] if isinstance(outcome, str) else [*_wrong(outcome)]
    if not lines:
        return ""
    if isinstance(outcome, Outcome):
        lines += ["", told(outcome)]
    fenced = "\n".join(lines).replace("```", "'''")
    end = "This issue is updated by each drill, and closed by one that succeeds."
    return summary.cut(f"{end}\n\n```text\n{fenced}\n```\n\nSee docs/how-to/backups.md.")


def _wrong(outcome: Outcome) -> Iterator[str]:
    for line in outcome.content["differences"]:
        yield f"what was restored differs: {line}"
    if outcome.rpo > MOST_LOST:
        yield f"the database's changes of {outcome.rpo:.0f} s were not in S3: see `make status`"
    if outcome.rto > LONGEST:
        yield f"it took {outcome.rto:.0f} s, expected {LONGEST:.0f} at most"


def _target(source: Stack) -> Stack:
    return replace(source, name=f"{source.name}-drill", ours=False)


@contextmanager
def _removed(target: Stack) -> Iterator[None]:
    """Removes it at the end. If that fails after another failure, both are told."""
    try:
        yield
    except BaseException as first:
        try:
            _remove(target)
        except StackError as second:
            raise StackError("\n".join(filter(None, (str(second), str(first))))) from first
        raise
    _remove(target)


def _remove(target: Stack) -> None:
    """Destroys it, and forgets it."""
    try:
        engine.changed(target, "destroy")
        _engine(target, "stack", "rm", "--yes")
    except StackError as failure:
        rented = f"stack {target.name} was not destroyed, and its machine may be rented still"
        raise StackError(f"{rented}: {failure}") from None


def _engine(target: Stack, *command: str, said: str = "") -> None:
    """A command that may write the stack's configuration file. said: what it reads, such as a
    value, which command lines would show."""
    done = subprocess.run(
        ["pulumi", *command, "--stack", target.name, "--non-interactive"],
        cwd=target.root,
        env=dict(target.environment),
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"`pulumi {' '.join(command[:2])}` failed: {done.stderr.strip()}")
