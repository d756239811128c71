"""Conclusions from a swarm's list of nodes (`GET /nodes`). Pure.

Nodes are identified by their ids: hostnames and addresses may repeat.
Quorum: a majority of the N managers must be healthy, or the swarm can't be changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

NODE = "sophia.node"
"""Label: the member's node name."""
INSTANCE = "sophia.instance"
"""Label: the entry's machine."""

ADDRESS, HOST_KEY = "sophia.address", "sophia.host-key"
"""Labels: how ssh reaches the node, to inspect a task on it."""

DRAINED = "sophia.drained"
"""Label: the node's availability before a run took it out of service. A run that was interrupted
leaves it; a node that a person has drained doesn't have it."""

RESERVED = frozenset({NODE, INSTANCE, ADDRESS, HOST_KEY, DRAINED})
"""Labels that a member sets itself."""

Node = dict[str, Any]


def is_manager(node: Node) -> bool:
    """Whether it counts for the quorum: by its seat, not its wanted role."""
    return bool(node.get("ManagerStatus"))


def is_down(node: Node) -> bool:
    return bool(node["Status"]["State"] == "down")


def is_lost(node: Node) -> bool:
    """Down, or a manager that the others can't reach, which shows earlier than Down (up to 52
    s)."""
    reachability = (node.get("ManagerStatus") or {}).get("Reachability")
    return is_down(node) or reachability == "unreachable"


def is_healthy(node: Node) -> bool:
    """A manager that counts towards a majority."""
    reachability = (node.get("ManagerStatus") or {}).get("Reachability")
    return reachability == "reachable" and node["Status"]["State"] == "ready"


def keeps_quorum(nodes: Sequence[Node], without: str) -> bool:
    """Whether the managers keep a majority without the one with the id `without`."""
    managers = [node for node in nodes if is_manager(node)]
    rest = [node for node in managers if node["ID"] != without]
    healthy = [node for node in rest if is_healthy(node)]
    return len(healthy) >= (len(managers) - 1) // 2 + 1


def count(nodes: Sequence[Node]) -> str:
    """For messages: "2 of 3 managers are healthy"."""
    managers = [node for node in nodes if is_manager(node)]
    healthy = [node for node in managers if is_healthy(node)]
    return f"{len(healthy)} of {len(managers)} managers are healthy"


def left_behind(
    nodes: Sequence[Node], node_name: str, addresses: Collection[str], own_id: str
) -> list[Node]:
    """Entries to remove before a machine joins: lost ones with its addresses or its node name."""
    return [
        node
        for node in nodes
        if node["ID"] != own_id
        and is_lost(node)
        and (addresses_of(node) & set(addresses) or labels_of(node).get(NODE) == node_name)
    ]


def living_at(nodes: Sequence[Node], addresses: Collection[str], own_id: str) -> list[Node]:
    """Entries with these addresses that may belong to living nodes: private addresses repeat
    between regions. One whose machine is gone shows as lost after 52 s at most."""
    return [
        node
        for node in nodes
        if node["ID"] != own_id and addresses_of(node) & set(addresses) and not is_lost(node)
    ]


def addresses_of(node: Node) -> set[str]:
    """Its address for the other nodes."""
    seat = (node.get("ManagerStatus") or {}).get("Addr", "")
    return {text for text in (node["Status"].get("Addr", ""), seat.rpartition(":")[0]) if text}


def join_addresses(nodes: Sequence[Node]) -> list[str]:
    """`host:port` of the managers through which a new member can join, the leader first."""
    seats = [node["ManagerStatus"] for node in nodes if is_manager(node) and not is_lost(node)]
    seats.sort(key=lambda seat: not seat.get("Leader", False))
    return [seat["Addr"] for seat in seats]


def name_of(node: Node) -> str:
    """For messages: the node name, or the id of an entry that isn't ours."""
    return labels_of(node).get(NODE) or str(node["ID"])


def taken_out(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The node's spec with all its tasks moved away, for a while."""
    labels = dict(spec.get("Labels") or {})
    labels.setdefault(DRAINED, spec["Availability"])
    return {**spec, "Availability": "drain", "Labels": labels}


def given_back(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The node's spec with its former availability if a run had drained it; else unchanged."""
    labels = dict(spec.get("Labels") or {})
    before = labels.pop(DRAINED, spec["Availability"])
    return {**spec, "Availability": before, "Labels": labels}


def labels_of(node: Node) -> dict[str, str]:
    return dict(node["Spec"].get("Labels") or {})
