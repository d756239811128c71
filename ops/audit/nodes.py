"""Collects what the checks need from each node: one script over ssh."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ops.audit.findings import Check
from ops.nodes import ssh

Json = dict[str, Any]

_PATIENCE = 180
"""Seconds for one node's script: logs and images can be large."""

PATHS = (
    *("/etc/docker", "/etc/docker/daemon.json", "/etc/default/docker", "/run/docker.sock"),
    *("/run/containerd/containerd.sock", "/lib/systemd/system/docker.service"),
    *("/lib/systemd/system/docker.socket",),
)
_ALL = 'test -z "$ids" && echo [] || {} $ids'
_ENDED = "--filter status=exited --filter status=dead"
SCRIPT = f"""\
part() {{ printf '%s ' "$1"; shift; sh -c "$*" 2>/dev/null </dev/null | base64 -w0; echo; }}
part info 'docker info --format "{{{{json .}}}}"'
part containers 'ids=$(docker ps -q --no-trunc) || exit; {_ALL.format("docker inspect")}'
part ended 'ids=$(docker ps -aq --no-trunc {_ENDED}); {_ALL.format("docker inspect")}'
part images 'ids=$(docker image ls -q --no-trunc | sort -u); {_ALL.format("docker image inspect")}'
part history 'for id in $(docker image ls -q | sort -u); do docker history --no-trunc $id; done; echo end'
part services 'ids=$(docker service ls -q) || exit; {_ALL.format("docker service inspect")}'
part configs 'ids=$(docker config ls -q) || exit; {_ALL.format("docker config inspect")}'
part networks 'docker network inspect $(docker network ls -q)'
part members 'docker node inspect $(docker node ls -q)'
part daemon 'cat /etc/docker/daemon.json'
part processes 'ps -eo args'
part listening 'ss -Hltn'
part files 'stat --format "%U:%G %a %n" {" ".join(PATHS)} /etc/docker/certs.d/*/*.crt /var/lib/cloud/instances/*/user-data.txt*'
part docker_group 'getent group docker'
part auditd 'auditctl -l'
part sshd '$(command -v sshd || echo /usr/sbin/sshd) -T'
part certificates 'for file in /var/lib/docker/swarm/certificates/swarm-node.crt /etc/docker/certs.d/*/*.crt; do test ! -f $file || {{ echo "file $file"; cat $file; }}; done'
part journal 'journalctl --no-pager --lines 5000 --output cat'
part logs 'for id in $(docker ps -q); do docker logs --tail 2000 $id 2>&1; done; echo end'
part ended_logs 'for id in $(docker ps -aq {_ENDED}); do docker logs --tail 200 $id 2>&1; done; echo end'
"""  # noqa: E501
"""Prints a line per part: its name and a command's output in base64, so no log can forge a part."""


@dataclass(frozen=True)
class Node:
    """What a node answered. role: as in the stack's outputs."""

    name: str
    role: str
    said: Mapping[str, str]

    def text(self, part: str) -> str:
        """The output of that part's command, "" if it failed."""
        return self.said.get(part, "")

    def json(self, part: str) -> Any:
        """The output as JSON; None if it is none."""
        try:
            return json.loads(self.text(part))
        except ValueError:
            return None

    def each(self, part: str) -> list[Json]:
        """The objects of a part whose output is a list."""
        found = self.json(part)
        return found if isinstance(found, list) else []

    @property
    def info(self) -> Json:
        """`docker info`."""
        return self.json("info") or {}

    @property
    def daemon(self) -> Json:
        """Docker's configuration."""
        return self.json("daemon") or {}

    @property
    def files(self) -> dict[str, tuple[str, int]]:
        """Owner (`root:docker`) and mode of files, by path."""
        lines = (line.split(" ", 2) for line in self.text("files").splitlines())
        return {path: (owner, int(mode, 8)) for owner, mode, path in lines}


_NEEDED = (
    *("info", "containers", "images", "history", "networks", "daemon", "processes", "listening"),
    *("files", "docker_group", "sshd", "certificates", "journal", "logs"),
    *("ended", "ended_logs"),
)
_NEEDED_OF_MANAGERS = ("services", "configs", "members")


def checked(nodes: Sequence[Node], silent: Mapping[str, str]) -> Check:
    """Whether every node answered everything: what nobody sees would pass. Pure."""
    lacking = {
        node.name: [
            f"no answer about its {part}"
            for part in (*_NEEDED, *(_NEEDED_OF_MANAGERS if node.role == "manager" else ()))
            if not node.text(part).strip()
        ]
        for node in nodes
    }
    problems = lacking | {name: [why] for name, why in silent.items()}
    return Check("nodes", "every node answers everything", problems)


def parsed(text: str) -> dict[str, str]:
    """The parts of SCRIPT's output."""
    found = {}
    for line in text.splitlines():
        name, _, encoded = line.partition(" ")
        found[name] = base64.b64decode(encoded).decode(errors="replace")
    return found


def collected(outputs: Mapping[str, Any]) -> tuple[list[Node], dict[str, str]]:
    """All nodes that answer, and why the others don't. outputs: the stack's."""
    names = sorted(outputs["nodes"])
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(names, pool.map(lambda name: _ask(outputs, name), names), strict=True))
    nodes = [
        Node(name, outputs["nodes"][name]["role"], answer)
        for name, answer in answers.items()
        if not isinstance(answer, str)
    ]
    return nodes, {name: why for name, why in answers.items() if isinstance(why, str)}


def _ask(outputs: Mapping[str, Any], name: str) -> dict[str, str] | str:
    """The parts, or why there are none."""
    try:
        done = subprocess.run(
            ssh(outputs, name, "sudo -n sh -s"),
            input=SCRIPT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_PATIENCE} s"
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return words[0]
    return parsed(done.stdout)
