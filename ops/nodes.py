"""A platform's nodes by ssh. The login key is passed to ssh in memory, not in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops import client

_CONNECT = 10
"""Seconds for a node's sshd to accept a connection and finish the key exchange: it may be busy."""


class NotUp(Exception):
    """There is no platform, or nothing of that name in it."""


def asked(outputs: Mapping[str, Any], command: str, enough: str = "") -> str:
    """The answer of the first reachable manager: each knows the whole Swarm, and any may be lost.
    enough: a text that makes a failed command's output count as an answer."""
    silent = []
    for name, node in outputs["nodes"].items():
        if node["role"] == "manager":
            run = on(outputs, name, command)
            if run.returncode == 0 or (enough and enough in run.stdout):
                return run.stdout
            said = run.stdout.strip().splitlines() or [f"exit status {run.returncode}"]
            silent.append(f"\n  {name} ({node['address']}): {said[-1]}")
    raise NotUp(
        f"no manager answers `{command}`:{''.join(silent)}\n"
        "`make up`, or `pulumi up` of another stack, replaces lost nodes"
    )


def every_manager(outputs: Mapping[str, Any], command: str) -> list[str]:
    """The answers of all managers that give one. Raises NotUp where none does."""
    managers = {name: node for name, node in outputs["nodes"].items() if node["role"] == "manager"}
    with ThreadPoolExecutor(len(managers)) as pool:
        runs = list(pool.map(lambda name: on(outputs, name, command), managers))
    answers = [run.stdout for run in runs if run.returncode == 0]
    return answers or [asked(outputs, command)]  # which says why


def on(outputs: Mapping[str, Any], node: str, command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command on that node. Both of its streams are in `stdout`, in their order."""
    return subprocess.run(
        ssh(outputs, node, command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def containers(service: str) -> str:
    """A command that prints the ids of a service's containers on a node. service: physical name."""
    return f"docker ps --quiet --filter label=com.docker.swarm.service.name={service}"


def ssh(outputs: Mapping[str, Any], node: str, command: str = "") -> list[str]:
    """Logs in; with a command, only runs it."""
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
    """The path of a file that only this user can read, and that disappears with this process."""
    file = os.memfd_create("sophia")
    os.fchmod(file, 0o600)
    os.write(file, text.encode())
    return f"/proc/{os.getpid()}/fd/{file}"
