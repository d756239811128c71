"""The database's servers on their nodes: one, or two members of which one is the primary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any, TypeVar

from components.plan import database, names, standby, workloads
from components.plan.workload import on_node
from ops import nodes
from ops.nodes import NotUp
from ops.progress import say

T = TypeVar("T")
Json = dict[str, Any]

_EVERY = 3.0
"""Seconds between two looks."""
NOT_RUNNING = 64
"""Exit status where no container of the service runs on the node."""


@dataclass(frozen=True)
class Member:
    """A server of the database. service: its physical name. folder: of its volume on the node."""

    name: str
    service: str
    node: str
    folder: str

    def inside(self, outputs: Json, command: str) -> CompletedProcess[str]:
        """Runs a command in its container."""
        return nodes.on(
            outputs,
            self.node,
            f"container=$({nodes.containers(self.service)})"
            f' && [ "$container" ] || exit {NOT_RUNNING}\n'
            f'exec docker exec "$container" {command}',
        )

    def on_node(self, outputs: Json, script: str) -> str:
        """What a script prints that runs on its node. Raises NotUp."""
        done = nodes.on(outputs, self.node, script)
        if done.returncode:
            raise NotUp(f"{self.node} fails: {done.stdout.strip()}")
        return done.stdout

    @property
    def stop(self) -> str:
        """A script that stops its container, which Swarm starts anew."""
        listed = nodes.containers(self.service)
        return f"{listed} | xargs --no-run-if-empty docker stop --time 60 >/dev/null"


def have_standby(outputs: Json) -> bool:
    """Whether the stack's database has two members."""
    return standby.SECOND in outputs.get("networks", {})


def of(outputs: Json, prefix: str) -> list[Member]:
    """All of them, the first one first."""
    plans = [(workloads.DATABASE, database.VOLUME)]
    if have_standby(outputs):
        plans.append((standby.SECOND, standby.SECOND_VOLUME))
    return [
        Member(
            name,
            service := names.physical(prefix, name),
            _home(outputs, service),
            volume.path,
        )
        for name, volume in plans
    ]


def primary(outputs: Json, members: Sequence[Member]) -> Member:
    """The one that takes writes; without a standby the only one, whatever it does. Raises NotUp."""
    if len(members) == 1:
        return members[0]
    for member in members:
        if member.inside(outputs, "member primary").returncode == 0:
            return member
    raise NotUp(
        f"no member of the database is the primary: see `make logs SERVICE={workloads.DATABASE}`"
    )


def lines(outputs: Json, prefix: str) -> list[str]:
    """What `make status` says of the members: nothing for a stack without a standby."""
    if not have_standby(outputs):
        return []
    members = of(outputs, prefix)
    for member in members:
        told = member.inside(outputs, "member state")
        if told.returncode == 0:
            return described(json.loads(told.stdout.splitlines()[-1]), members)
    return [f"{'database':<12} UNKNOWN: neither member answers"]


_ROLES = {
    "leader": "primary",
    "sync_standby": "standby, has each commit",
    "replica": "standby, BEHIND: it can't be promoted yet",
}


def described(state: Json, members: list[Member]) -> list[str]:
    """The same, of what `member state` printed. Pure."""
    known = {one["name"]: one for one in state["members"]}
    found = []
    for member in members:
        one = known.get(member.name)
        role = _ROLES.get(one["role"], one["role"]) if one else "LOST: nothing is known of it"
        if one and one["state"] not in ("running", "streaming"):
            role = f"{role} ({one['state']})"
        found.append(f"{member.name:<12} on {member.node}: {role}")
    return found


def alone(outputs: Json, prefix: str) -> None:
    """Makes the first member the primary, and keeps it one, until `standby.enabled` is false.
    Raises NotUp."""
    if not have_standby(outputs):
        raise NotUp("the database has no standby: there is nothing to prepare")
    first, second = of(outputs, prefix)
    now = primary(outputs, (first, second))
    if now != first:
        say(f"{now.name} on {now.node} hands over to {first.name} on {first.node}")
        command = f"member hand-over {first.name}"
        if (told := now.inside(outputs, command)).returncode:
            raise NotUp(f"{now.name} keeps the database: {told.stdout.strip()}")
        until(
            lambda: first.inside(outputs, "member primary").returncode == 0 or None,
            f"{first.name} as primary",
            120,
        )
    if (told := first.inside(outputs, "member alone")).returncode:
        raise NotUp(f"{first.name} can't be left alone: {told.stdout.strip()}")
    say(
        f"{first.name} on {first.node} is the primary and stays it. Now set standby.enabled to"
        " false and run `pulumi up`; nothing takes over meanwhile. A restart of the member"
        " turns this off again"
    )


def until(look: Callable[[], T | None], what: str, seconds: float) -> T:
    """Waits until there is something to see. Raises NotUp."""
    ends, told = time.monotonic() + seconds, time.monotonic()
    while True:
        if (found := look()) is not None:
            return found
        if time.monotonic() > ends:
            raise NotUp(f"{what} has not ended within {seconds:.0f} s, and continues")
        if time.monotonic() - told > 15:
            told = time.monotonic()
            say(f"    waiting for {what}")
        time.sleep(_EVERY)


def _home(outputs: Json, service: str) -> str:
    """The node that the service's volume is on."""
    look = "docker service inspect --format '{{json .Spec.TaskTemplate.Placement.Constraints}}'"
    constraints: list[str] = json.loads(nodes.asked(outputs, f"{look} {service}"))
    known: list[str] = list(outputs["nodes"])
    return next(node for node in known if on_node(node) in constraints)
