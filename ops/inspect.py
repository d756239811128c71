"""`make status`, `logs`, `audit-log`, `alerts` and `ssh`: inspect any stack whose platform is up.

They need only the stack's outputs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from components.plan import logs as stores
from components.plan import monitoring, names
from ops import backup, client, gateways, jobs, members, nodes
from ops import logs as kept
from ops.nodes import NotUp, asked
from ops.platform import STACK, simulator_folder, stack_of
from ops.progress import say
from ops.stack import PROJECT, Stack, of_this_shell
from simulator import cloud


def status(name: str) -> None:
    """Prints the version, the gateways, the Swarm's nodes and services, its jobs' last runs, and
    backups."""
    outputs, prefix = known(name)
    say(f"version      {outputs.get('version', 'before 0.1.0')}")
    for line in gateways.lines(outputs):
        say(line)
    for node, about in sorted(outputs["nodes"].items()):
        say(f"{node:<12} {about['address']:<16} {about['role']}, {about['tier']}")
    sys.stdout.write(asked(outputs, "docker node ls && docker service ls"))
    for line in (
        *jobs.lines(asked(outputs, jobs.LOOK), prefix),
        *members.lines(outputs, prefix),
        *backup.lines(outputs, prefix),
    ):
        say(line)


def logs(name: str, service: str, search: str = "", since: str = "", limit: str = "") -> None:
    """The last lines of a service, of all its replicas, as Docker has them; with `search` or
    `since`, what was kept of it, or of all services, see `ops.logs.search`."""
    outputs, prefix = known(name)
    # Everything that runs is on a network. States of the first version don't have this.
    running = outputs.get("networks") or [*outputs["mcp_endpoints"], "database", "gateway"]
    if service not in running and (service or not (search or since)):
        raise NotUp(
            f"make logs: got SERVICE={service or '(nothing)'}, expected one of "
            + ", ".join(sorted(running))
        )
    if search or since:
        wanted = {"service": service, "search": search, "since": since, "limit": limit}
        found = kept.search(outputs, prefix, stores.STORE, **wanted)
        sys.stdout.write(found)
        return
    physical = names.physical(prefix, service)
    told = asked(outputs, f"docker service logs --tail 100 {physical}", _INCOMPLETE)
    sys.stdout.write(told)
    if _INCOMPLETE in told:
        say("(logs from nodes that are lost now are missing)")


def audit_log(name: str, caller: str, since: str, limit: str = "") -> None:
    """Who called what: one caller, or all."""
    sys.stdout.write(kept.audited(*known(name), caller, since, limit))


def alerts(name: str) -> None:
    """What is wrong now, and silenced by nobody, as any manager's Alertmanager knows it."""
    outputs, prefix = known(name)
    if monitoring.ALERTMANAGER not in outputs.get("networks", ()):
        raise NotUp(f"stack {name} is not monitored: set {PROJECT}:monitoring.enabled to true")
    task = nodes.containers(names.physical(prefix, monitoring.ALERTMANAGER))
    url = f"http://localhost:{monitoring.ALERTS_PORT}"
    wrong = "alert query severity!=none"  # without Watching, which always is
    told = asked(outputs, f"docker exec $({task}) amtool --alertmanager.url={url} {wrong}")
    sys.stdout.write(told)


_INCOMPLETE = "incomplete log stream"


def shell(name: str, node: str) -> int:
    """A shell on one node; the ssh client's exit status."""
    outputs = outputs_of(name)
    if node not in outputs["nodes"]:
        there = ", ".join(sorted(outputs["nodes"]))
        raise NotUp(f"make ssh: got NODE={node or '(nothing)'}, expected one of {there}")
    return subprocess.run(nodes.ssh(outputs, node)).returncode


def stack_named(name: str) -> Stack:
    """This machine's stack with its cloud running, or a stack that this shell's `pulumi` finds.

    Raises NotUp if the simulated cloud is needed but not running.
    """
    if name != STACK:
        return of_this_shell(name)
    simulated = cloud.running_at(simulator_folder())
    if simulated is None:
        raise NotUp("the simulated cloud is not running: `make up` starts it")
    return stack_of(simulated)


def known(name: str) -> tuple[dict[str, Any], str]:
    """The stack's outputs, and the prefix of physical names. Raises NotUp."""
    outputs = outputs_of(name)
    return outputs, prefix_of(outputs, name)


def prefix_of(outputs: Mapping[str, Any], name: str) -> str:
    """The prefix of physical names. States of the first version don't have it; since then it
    survives `pulumi stack rename`."""
    return names.prefix(PROJECT, outputs.get("named_after", name))


def outputs_of(name: str) -> dict[str, Any]:
    """The stack's outputs. Raises NotUp where it isn't up."""
    outputs = outputs_if_up(stack_named(name))
    if name == STACK:
        client.write_files(outputs)
    return outputs


def outputs_if_up(stack: Stack) -> dict[str, Any]:
    """Its outputs. Raises NotUp."""
    outputs = stack.outputs()
    if "nodes" not in outputs:
        way = "`make up`" if stack.name == STACK else f"`pulumi up --stack {stack.name}`"
        raise NotUp(f"the platform of stack {stack.name} is not up: {way} brings it up")
    return outputs
