"""sshd: its settings from `sshd -T`, its algorithms judged by ssh-audit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.audit.findings import Check
from ops.audit.nodes import Node

_PATIENCE = 120
WANTED = {
    "permitrootlogin": ("no",),
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "hostbasedauthentication": ("no",),
    "x11forwarding": ("no",),
    "permituserenvironment": ("no",),
    "gatewayports": ("no",),
    "maxauthtries": tuple(map(str, range(1, 7))),
}
"""By option, its good values. Six tries: the login key has up to four former ones (ADR 15)."""


def settings(nodes: Sequence[Node]) -> Check:
    """Pure."""
    problems = {node.name: list(_wrong(node.text("sshd"))) for node in nodes}
    return Check("sshd-settings", "who may log in, and how", problems)


def _wrong(text: str) -> Iterator[str]:
    said = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    for option, good in WANTED.items():
        if (value := said.get(option, "nothing")) not in good:
            yield f"{option}: got {value}, expected {good[-1]}"


def algorithms(outputs: Mapping[str, Any]) -> Check:
    """ssh-audit's findings about each node's algorithms."""
    nodes = outputs["nodes"]
    with ThreadPoolExecutor(4) as pool:
        told = pool.map(lambda node: _audited(node["address"]), nodes.values())
    return judged(dict(zip(nodes, told, strict=True)))


def _audited(address: str, port: int = 22) -> str:
    """ssh-audit's report as JSON, or why there is none."""
    command = [sys.executable, "-m", "ssh_audit", "--json", "--skip-rate-test", "-p", str(port)]
    try:
        done = subprocess.run(
            [*command, address], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no report within {_PATIENCE} s"
    return done.stdout or done.stderr


def judged(told: Mapping[str, str]) -> Check:
    """told: ssh-audit's report, by node. Pure."""
    return Check(
        "sshd-algorithms",
        "algorithms, judged by ssh-audit",
        {name: list(_weak(text)) for name, text in told.items()},
    )


def _weak(text: str) -> Iterator[str]:
    try:
        report = json.loads(text)
        kinds = {kind: report[kind] for kind in ("kex", "key", "enc", "mac")}
    except (ValueError, KeyError, TypeError):
        yield f"no report: {text.strip()[:200]}"
        return
    for kind, listed in kinds.items():
        for one in listed:
            for degree in ("fail", "warn"):
                for note in one["notes"].get(degree, []):
                    yield f"{kind} {one['algorithm']}: {note}"
    for one in report.get("cves") or []:
        yield f"{one['name']}: {one.get('description', '')}"
