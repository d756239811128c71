"""Which nodes a service's placement constraints allow, by swarmkit's rules. Pure.

Source: moby/swarmkit manager/constraint/constraint.go (values are case-insensitive).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from providers.swarm.wire import Json

GPU = "NVIDIA-GPU"
"""The resource name under which a node publishes its GPUs (Docker, --node-generic-resources).
Their ids reach a task as DOCKER_RESOURCE_NVIDIA-GPU, which NVIDIA's runtime reads."""

_CONSTRAINT = re.compile(r"^\s*([\w.\-/]+)\s*(==|!=)\s*(.*?)\s*$")
_KEY = re.compile(
    r"node\.(id|hostname|ip|role|platform\.os|platform\.arch|labels\.\S+)|engine\.labels\.\S+"
)


_PASSING = ("insufficient resources", "host-mode port already in use")
"""Reasons of `no suitable node` that resolve themselves: other rollouts release what they hold
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
    """Why no node is eligible: the unmet constraint, and what the nodes have."""
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
    """Why no eligible node could hold the reservation even if it were empty; "" if one could."""
    sizes = [n.get("Description", {}).get("Resources") for n in eligible(nodes, constraints)]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes):
        return ""
    wanted = _amounts(reserved)
    if any(
        all(has >= asked for has, asked in zip(_amounts(s), wanted, strict=True)) for s in known
    ):
        return ""
    # GPUs first: few nodes have them.
    largest = max(map(_amounts, known), key=lambda amounts: amounts[::-1])
    with_gpus = bool(wanted[2])
    return (
        f"it reserves {_told(wanted, with_gpus)}, the largest node has"
        f" {_told(largest, with_gpus)} in all"
    )


def _amounts(resources: Json) -> tuple[int, int, int]:
    """Billionths of CPUs, bytes of memory, GPUs."""
    found = 0
    for one in resources.get("GenericResources") or []:
        named, counted = one.get("NamedResourceSpec"), one.get("DiscreteResourceSpec")
        if named and named["Kind"] == GPU:
            found += 1
        if counted and counted["Kind"] == GPU:
            found += int(counted["Value"])
    return resources.get("NanoCPUs") or 0, resources.get("MemoryBytes") or 0, found


def _told(amounts: tuple[int, int, int], with_gpus: bool) -> str:
    cpus, memory, gpus = amounts
    told = f"{cpus / 1e9:g} CPUs and {memory // 2**20} MiB"
    return f"{gpus} GPUs, {told}" if with_gpus else told


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
