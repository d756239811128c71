"""`make status`, `logs`, `alerts` and `ssh`: a look at a platform that is up, of any stack.

All they need are the stack's own outputs. The login key is handed to ssh in memory, not in a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

from components.plan import monitoring, names
from ops import client, gateways, jobs
from ops.platform import STACK, simulator_folder, stack_of
from ops.progress import say
from ops.stack import PROJECT, Stack, of_this_shell
from simulator import cloud

_CONNECT = 10
"""Seconds for a node's sshd to take a connection and to agree on its keys: it may be busy."""


class NotUp(Exception):
    """There is nothing to look at, or no such thing in it."""


def status(name: str) -> None:
    """The version; the ways in; nodes and services, as the Swarm sees them; how its jobs went."""
    outputs = _outputs(name)
    say(f"version      {outputs.get('version', 'before 0.1.0')}")
    for line in gateways.lines(outputs):
        say(line)
    for node, known in sorted(outputs["nodes"].items()):
        say(f"{node:<12} {known['address']:<16} {known['role']}, {known['tier']}")
    sys.stdout.write(_asked(outputs, "docker node ls && docker service ls"))
    for line in jobs.lines(_asked(outputs, jobs.LOOK), _prefix(outputs, name)):
        say(line)


def logs(name: str, service: str) -> None:
    """The last lines of a service, of all its replicas."""
    outputs = _outputs(name)
    # Everything that runs is on a network. States of the first version don't tell it.
    known = outputs.get("networks") or [*outputs["mcp_endpoints"], "database", "gateway"]
    if service not in known:
        raise NotUp(
            f"make logs: got SERVICE={service or '(nothing)'}, expected one of "
            + ", ".join(sorted(known))
        )
    physical = names.physical(_prefix(outputs, name), service)
    told = _asked(outputs, f"docker service logs --tail 100 {physical}", _INCOMPLETE)
    sys.stdout.write(told)
    if _INCOMPLETE in told:
        say("(what replicas wrote on nodes that are lost now is missing)")


def alerts(name: str) -> None:
    """What is wrong now, and silenced by nobody, as any manager's Alertmanager knows it."""
    outputs = _outputs(name)
    if monitoring.ALERTMANAGER not in outputs.get("networks", ()):
        raise NotUp(f"stack {name} is not monitored: set {PROJECT}:monitoring.enabled to true")
    service = names.physical(_prefix(outputs, name), monitoring.ALERTMANAGER)
    task = f"docker ps --quiet --filter label=com.docker.swarm.service.name={service}"
    url = f"http://localhost:{monitoring.ALERTS_PORT}"
    told = _asked(outputs, f"docker exec $({task}) amtool --alertmanager.url={url} alert query")
    sys.stdout.write(told)


_INCOMPLETE = "incomplete log stream"


def _prefix(outputs: dict[str, Any], name: str) -> str:
    """Of physical names. States of the first version don't tell it; since then it survives
    `pulumi stack rename`."""
    return names.prefix(PROJECT, outputs.get("named_after", name))


def shell(name: str, node: str) -> int:
    """A shell on one node; the ssh client's exit status."""
    outputs = _outputs(name)
    if node not in outputs["nodes"]:
        known = ", ".join(sorted(outputs["nodes"]))
        raise NotUp(f"make ssh: got NODE={node or '(nothing)'}, expected one of {known}")
    return subprocess.run(_ssh(outputs, node)).returncode


def stack_named(name: str) -> Stack:
    """The stack of this machine with its cloud running, or one as this shell's `pulumi` finds it.

    Raises NotUp where the simulated cloud is needed and does not run.
    """
    if name != STACK:
        return of_this_shell(name)
    simulated = cloud.running_at(simulator_folder())
    if simulated is None:
        raise NotUp("the simulated cloud is not running: `make up` starts it")
    return stack_of(simulated)


def _outputs(name: str) -> dict[str, Any]:
    outputs = stack_named(name).outputs()
    if "nodes" not in outputs:
        way = "`make up`" if name == STACK else f"`pulumi up --stack {name}`"
        raise NotUp(f"the platform of stack {name} is not up: {way} brings it up")
    if name == STACK:
        client.write_files(outputs)
    return outputs


def _asked(outputs: dict[str, Any], command: str, enough: str = "") -> str:
    """What the first manager says that can answer: each of them knows the whole Swarm, and any may
    be lost. enough: in what it said makes a failure an answer."""
    silent = []
    for name, node in outputs["nodes"].items():
        if node["role"] == "manager":
            run = subprocess.run(
                _ssh(outputs, name, command),
                stdin=subprocess.DEVNULL,
                # In one stream, as a service wrote its log to two.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            if run.returncode == 0 or (enough and enough in run.stdout):
                return run.stdout
            said = run.stdout.strip().splitlines() or [f"exit status {run.returncode}"]
            silent.append(f"\n  {name} ({node['address']}): {said[-1]}")
    raise NotUp(
        f"no manager answers `{command}`:{''.join(silent)}\n"
        "`make up`, or `pulumi up` of another stack, replaces lost nodes"
    )


def _ssh(outputs: dict[str, Any], node: str, command: str = "") -> list[str]:
    """Logs in; with a command, only for that."""
    if shutil.which("ssh") is None:
        raise NotUp("no ssh client on this machine: install openssh-client")
    options = {
        "UserKnownHostsFile": _in_memory(client.known_hosts(outputs)),
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": _CONNECT,
        "LogLevel": "ERROR",
    }
    settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    login = "{user}@{address}".format(**outputs["nodes"][node])
    remote = ["--", command] if command else []
    key = _in_memory(outputs["ssh_private_key"])
    return ["ssh", "-i", key, *settings, login, *remote]


def _in_memory(text: str) -> str:
    """The path of a file that only this user reads, and that ends with this process."""
    file = os.memfd_create("sophia")
    os.fchmod(file, 0o600)
    os.write(file, text.encode())
    return f"/proc/{os.getpid()}/fd/{file}"
