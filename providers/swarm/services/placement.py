"""Which nodes a service's placement constraints allow, as swarmkit decides it. Pure.

Source: moby/swarmkit manager/constraint/constraint.go (values compare without case).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]

_CONSTRAINT = re.compile(r"^\s*([\w.\-/]+)\s*(==|!=)\s*(.*?)\s*$")
_KEY = re.compile(
    r"node\.(id|hostname|ip|role|platform\.os|platform\.arch|labels\.\S+)|engine\.labels\.\S+"
)


_PASSING = ("insufficient resources", "host-mode port already in use")
"""Reasons of `no suitable node` that end by themselves: other rollouts give back what they hold
twice. Source: moby/swarmkit manager/scheduler/filter.go (Explain)."""


def passes(reason: str) -> bool:
    """Whether a task that is pending for this reason waits for a node that is only full now."""
    return any(passing in reason for passing in _PASSING)


def fault(constraint: str) -> str | None:
    """What is wrong with the wording of a constraint, or None."""
    parsed = _CONSTRAINT.match(constraint)
    if parsed is None or not parsed[3]:
        return f"{constraint!r}: expected <key> == <value> or <key> != <value>"
    if not _KEY.fullmatch(parsed[1]):
        return (
            f"{constraint!r}: unknown key, expected node.id, node.hostname, node.ip, node.role, "
            "node.platform.os, node.platform.arch, node.labels.… or engine.labels.…"
        )
    return None


def allows(constraint: str, node: Json) -> bool:
    """Whether a node (as GET /nodes lists it) fulfils one constraint."""
    parsed = _CONSTRAINT.match(constraint)
    if parsed is None:
        return False
    key, operator, wanted = parsed.groups()
    equal = _matches(key, wanted, node)
    return equal if operator == "==" else not equal


def usable(node: Json) -> bool:
    """Whether Swarm would start a task there."""
    return bool(node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active")


def eligible(nodes: Iterable[Json], constraints: Sequence[str]) -> list[Json]:
    """The nodes on which a global service has a task."""
    return [n for n in nodes if usable(n) and all(allows(c, n) for c in constraints)]


def unmet(nodes: Sequence[Json], constraints: Sequence[str]) -> str:
    """Why no node is eligible: the constraint that nobody fulfils and what the nodes have."""
    ready = [node for node in nodes if usable(node)]
    for constraint in constraints:
        if not any(allows(constraint, node) for node in ready):
            has = ", ".join(sorted(_has(constraint, node) for node in ready)) or "no node is ready"
            lost = sorted(_name(n) for n in nodes if not usable(n) and allows(constraint, n))
            hint = f"; fulfilled by {', '.join(lost)}, not ready or not active" if lost else ""
            return f"no ready node fulfils {constraint} ({has}{hint})"
    if ready and constraints and not eligible(nodes, constraints):
        return f"no ready node fulfils all of: {', '.join(constraints)}"
    return ""


def too_large(nodes: Sequence[Json], constraints: Sequence[str], reserved: Json) -> str:
    """Why no eligible node could hold the reservation even if it were empty; "" when one could."""
    sizes = [n.get("Description", {}).get("Resources") for n in eligible(nodes, constraints)]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes):
        return ""
    cpus, memory = reserved.get("NanoCPUs") or 0, reserved.get("MemoryBytes") or 0
    if any(size["NanoCPUs"] >= cpus and size["MemoryBytes"] >= memory for size in known):
        return ""
    largest = max(known, key=lambda size: (size["NanoCPUs"], size["MemoryBytes"]))
    return (
        f"it reserves {cpus / 1e9:g} CPUs and {memory // 2**20} MiB, the largest node has "
        f"{largest['NanoCPUs'] / 1e9:g} and {largest['MemoryBytes'] // 2**20} MiB in all"
    )


def _matches(key: str, wanted: str, node: Json) -> bool:
    if key == "node.ip":
        try:
            network = ipaddress.ip_network(wanted, strict=False)
            return ipaddress.ip_address(node["Status"].get("Addr", "")) in network
        except ValueError:
            return False
    return _value(key, node).casefold() == wanted.casefold()


def _value(key: str, node: Json) -> str:
    description = node.get("Description", {})
    platform = description.get("Platform", {})
    simple = {
        "node.id": node.get("ID", ""),
        "node.hostname": description.get("Hostname", ""),
        "node.ip": node["Status"].get("Addr", ""),
        "node.role": node["Spec"].get("Role", ""),
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }
    if key.startswith("node.labels."):
        labels = node["Spec"].get("Labels") or {}
    elif key.startswith("engine.labels."):
        labels = description.get("Engine", {}).get("Labels") or {}
    else:
        return str(simple.get(key, ""))
    return str(labels.get(key.split(".labels.", 1)[1], ""))


def _has(constraint: str, node: Json) -> str:
    parsed = _CONSTRAINT.match(constraint)
    value = _value(parsed[1], node) if parsed else ""
    return f"{_name(node)} has {value or 'none'}"


def _name(node: Json) -> str:
    return str(node.get("Description", {}).get("Hostname") or node.get("ID", "?"))
