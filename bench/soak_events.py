"""What happens to a platform of the simulated cloud during a soak: changes and losses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.soak_calls import Call
from components.plan import names
from ops import gateways, inspect
from ops.stack import PROJECT, Stack
from tests.support import docker
from tests.support.polling import until

UNSEEN = 4.0
"""Seconds in which a gateway may send calls to a replica that is lost (docs/adr/0026)."""
AFTER = 5.0
"""Seconds in which the end of a call may still belong to what happened before."""
CALLERS = ("soak-1", "soak-2")
"""Callers of the soak's own; the last one's token rotates."""


@dataclass
class Event:
    """began, ended: of time.monotonic(). lost: when something was lost, 0 for nothing.

    alone: servers whose only replica that was. refused: the caller whose token changed.
    """

    what: str
    began: float
    ended: float = 0.0
    lost: float = 0.0
    alone: frozenset[str] = frozenset()
    refused: str = ""

    def explains(self, call: Call) -> str:
        """Why this call may have failed, or ""."""
        if not self.began <= call.ended <= self.ended + AFTER:
            return ""
        if self.refused == call.caller and call.outcome.startswith("401"):
            return "refused, with the former token"
        if call.tool.server in self.alone and call.ended >= self.lost:
            return "no other replica"
        if self.lost and call.began <= self.lost + UNSEEN and call.ended >= self.lost:
            return "in flight on what was lost"
        return ""


@dataclass
class Platform:
    """stack: that is up. home: its SOPHIA_HOME. outputs: of the last `up`. on_tokens: gets new
    tokens."""

    stack: Stack
    home: Path
    outputs: dict[str, Any]
    on_tokens: Callable[[dict[str, str]], None] = lambda tokens: None
    before: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.stack.configuration_file.read_bytes()

    def physical(self, name: str) -> str:
        """The Swarm service's name."""
        return names.physical(inspect.prefix_of(self.outputs, self.stack.name), name)

    def up(self) -> None:
        """Changes the platform to what its configuration says."""
        self._up()
        self.outputs = self.stack.outputs()
        self.on_tokens(self.outputs["gateway_tokens"])

    def _up(self) -> None:
        self.stack.pulumi("up", "--yes", "--skip-preview", quiet=True)

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Changes the stack's file."""
        path = self.stack.configuration_file
        whole = yaml.safe_load(path.read_text())
        change(whole["config"])
        path.write_text(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False))

    def restore(self) -> None:
        """Puts the stack's file and the platform back as they were."""
        self.stack.configuration_file.write_bytes(self.before)
        self._up()

    def tasks(self) -> dict[str, list[tuple[str, str]]]:
        """Where each server and the gateway run: node and container."""
        known = (*self.outputs["mcp_endpoints"], "gateway")
        return {name: docker.tasks(self.home, self.physical(name)) for name in known}


def with_callers(config: dict[str, Any]) -> None:
    """Adds the soak's own callers to a stack's configuration."""
    callers = config.setdefault(f"{PROJECT}:gateway", {}).setdefault("callers", {})
    callers |= {name: {} for name in CALLERS}


def with_other_memory(config: dict[str, Any], server: str, running: Iterable[str]) -> None:
    """Changes a setting of a server. running: all servers, for a stack that names none."""
    listed = config.get(f"{PROJECT}:servers", running)
    servers = listed if isinstance(listed, dict) else {name: {} for name in listed}
    config[f"{PROJECT}:servers"] = servers
    resources = servers.setdefault(server, {}).setdefault("resources", {})
    resources["memoryMb"] = 528 if resources.get("memoryMb") == 512 else 512


def changed(platform: Platform, event: Event) -> None:
    """Every replica of a server is replaced: a setting of it is another one."""
    server = _most(platform.tasks(), platform.outputs["mcp_endpoints"])

    event.what += f" ({server})"
    running = list(platform.outputs["mcp_endpoints"])
    platform.configure(lambda config: with_other_memory(config, server, running))
    platform.up()


def task_killed(platform: Platform, event: Event) -> None:
    """A replica of a server that has others."""
    before = platform.tasks()
    server = _most(before, platform.outputs["mcp_endpoints"])
    node, container = before[server][0]
    event.what += f" ({server})"
    event.lost = time.monotonic()
    docker.docker("exec", node, "docker", "kill", container)
    _all_back(platform, before)


def gateway_killed(platform: Platform, event: Event) -> None:
    """One of several."""
    before = platform.tasks()
    node, container = before["gateway"][0]
    event.lost = time.monotonic()
    docker.docker("exec", node, "docker", "kill", container)
    _all_back(platform, before)


def worker_lost(platform: Platform, event: Event) -> None:
    """A node without the database, and better without a gateway; then `up` replaces it."""
    before = platform.tasks()
    holds = {node for node, _ in docker.tasks(platform.home, platform.physical("database"))}
    managers = {node for node, _ in before["gateway"]}
    every = [node for node in docker.nodes(platform.home) if node not in holds]
    node = min(every, key=lambda one: one in managers)
    event.alone = frozenset(
        name for name, tasks in before.items() if {where for where, _ in tasks} == {node}
    )
    event.what += f" ({node})"
    event.lost = time.monotonic()
    docker.docker("kill", node)
    platform.up()
    _all_back(platform, before)


def token_rotated(platform: Platform, event: Event) -> None:
    """Its caller gets the new one when `up` has ended; the others keep theirs."""
    event.refused = CALLERS[-1]

    def change(config: dict[str, Any]) -> None:
        caller = config[f"{PROJECT}:gateway"]["callers"][event.refused]
        caller["rotate"] = str(int(caller.get("rotate", 0)) + 1)

    platform.configure(change)
    platform.up()


SCHEDULE: tuple[tuple[float, str, Callable[[Platform, Event], None]], ...] = (
    (0.12, "a setting is changed", changed),
    (0.26, "a task is killed", task_killed),
    (0.38, "a gateway is killed", gateway_killed),
    (0.50, "a node is powered off and replaced", worker_lost),
    (0.70, "a token rotates", token_rotated),
    (0.82, "the setting is changed again", changed),
)
"""When each begins, as a share of the whole time. The first and the last tenth are quiet."""


def _most(tasks: dict[str, list[tuple[str, str]]], servers: Iterable[str]) -> str:
    """The first server with most replicas."""
    return max(sorted(servers), key=lambda name: len(tasks[name]))


def _all_back(platform: Platform, before: dict[str, list[tuple[str, str]]]) -> None:
    """Waits until as many tasks run as before, and every gateway sees them."""
    wanted = {name: len(tasks) for name, tasks in before.items()}
    until(
        lambda: {name: len(tasks) for name, tasks in platform.tasks().items()},
        lambda seen: seen == wanted,
        f"tasks {wanted}",
        300,
    )
    gateways.wait(platform.outputs, lambda line: None, 300)
