"""`make status`, `make logs` and `make ssh`: a look at a platform that is up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ops import client, gateways
from ops.platform import PROJECT, STACK, simulator_folder, stack_of
from ops.progress import say
from simulator import cloud

SSH = 22
_CONNECT = 3.0
"""Seconds for a node's sshd to take a connection."""


class NotUp(Exception):
    """There is nothing to look at, or no such thing in it."""


def status() -> None:
    """The ways in; nodes and services, as the Swarm sees them."""
    outputs = _outputs()
    for line in gateways.lines(outputs):
        say(line)
    for name, node in sorted(outputs["nodes"].items()):
        say(f"{name:<12} {node['address']:<16} {node['role']}, {node['tier']}")
    manager = _manager(outputs)
    _ssh(outputs, manager, ("docker", "node", "ls"))
    _ssh(outputs, manager, ("docker", "service", "ls"))


def logs(service: str) -> None:
    """The last lines of a service, of all its replicas."""
    outputs = _outputs()
    known = [*outputs["mcp_endpoints"], "database", "gateway"]
    if service not in known:
        raise NotUp(
            f"make logs: got SERVICE={service or '(nothing)'}, expected one of "
            + ", ".join(sorted(known))
        )
    command = ("docker", "service", "logs", "--tail", "100", f"{PROJECT}-{STACK}-{service}")
    manager = _manager(outputs)
    line = _ssh_command(outputs, manager, command)
    # In one stream, as the service wrote it to two.
    run = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sys.stdout.write(run.stdout)
    if run.returncode and "incomplete log stream" in run.stdout:
        say("(what replicas wrote on nodes that are lost now is missing)")
    elif run.returncode:
        raise _failed(command, manager, run.returncode)


def shell(node: str) -> None:
    """A shell on one node; this process becomes the ssh client."""
    outputs = _outputs()
    if node not in outputs["nodes"]:
        known = ", ".join(sorted(outputs["nodes"]))
        raise NotUp(f"make ssh: got NODE={node or '(nothing)'}, expected one of {known}")
    command = _ssh_command(outputs, node)
    os.execvp(command[0], command)


def _outputs() -> dict[str, Any]:
    simulated = cloud.running_at(simulator_folder())
    if simulated is None:
        raise NotUp("the simulated cloud is not running: `make up` starts it")
    outputs = stack_of(simulated).outputs()
    if "nodes" not in outputs:
        raise NotUp("the platform is not up: `make up` brings it up")
    client.write_files(outputs)
    return outputs


def _manager(outputs: dict[str, Any]) -> str:
    """The first that answers: each of them knows the whole Swarm, and any may be lost."""
    nodes: dict[str, dict[str, str]] = outputs["nodes"]
    silent = []
    for name, node in nodes.items():
        if node["role"] == "manager":
            try:
                socket.create_connection((node["address"], SSH), timeout=_CONNECT).close()
                return name
            except OSError as error:
                silent.append(f"{name} ({node['address']}): {error}")
    raise NotUp(f"no manager answers: {'; '.join(silent)}. `make up` replaces lost nodes")


def _ssh_command(outputs: dict[str, Any], node: str, command: Sequence[str] = ()) -> list[str]:
    """Logs in; with a command, only for that."""
    if shutil.which("ssh") is None:
        raise NotUp("no ssh client on this machine: install openssh-client")
    folder = client.folder()
    options = {
        "UserKnownHostsFile": folder / "known_hosts",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
    }
    settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    login = "{user}@{address}".format(**outputs["nodes"][node])
    remote = ["--", *command] if command else []
    return ["ssh", "-i", str(folder / "ssh_key"), *settings, login, *remote]


def _ssh(outputs: dict[str, Any], node: str, command: Sequence[str]) -> None:
    status = subprocess.run(_ssh_command(outputs, node, command)).returncode
    if status != 0:
        raise _failed(command, node, status)


def _failed(command: Sequence[str], node: str, status: int) -> NotUp:
    return NotUp(f"`{' '.join(command)}` on {node} ended with exit status {status}")
