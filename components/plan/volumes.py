"""Which volumes exist, and which nodes may hold them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.plan.nodes import NodePlan

DATA = "/opt/sophia/data"
"""The directory of volumes on every node."""


@dataclass(frozen=True)
class VolumePlan:
    """A directory on one node. uid: its owner's number; mode: octal digits. is_copy: whether
    another volume has the same."""

    name: str
    path: str
    uid: int
    mode: str = "0700"
    is_copy: bool = False


def candidates(nodes: Iterable[NodePlan], other: str = "") -> list[dict[str, str]]:
    """Nodes that may hold a volume: those on tier primary, else all of them. other: the node of a
    volume that must not share it.
    """
    every = list(nodes)
    chosen = [node for node in every if node.tier == "primary"] or every
    return [{"name": node.name, "machine": node.machine} for node in chosen if node.name != other]
