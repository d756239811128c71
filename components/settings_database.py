"""The setting `database`: whether it has a standby. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from components.plan import standby as plan
from components.plan import volumes
from components.plan.nodes import NodeGroup, nodes
from components.reading import Reader


def standby(top: Reader, groups: Sequence[NodeGroup]) -> bool:
    """The setting; what is wrong goes to the reader's faults."""
    reader = top.inner("database")
    wanted = reader.flag("standby", False)
    reader.finish()
    planned = nodes(groups)
    # Groups with errors of their own have no nodes.
    if not wanted or not planned:
        return wanted
    managers = sum(node.role == "manager" for node in planned)
    if managers < len(plan.QUORUM):
        reader.fault(
            "standby",
            f"true with {managers} manager{'s' * (managers != 1)}",
            f"{len(plan.QUORUM)} managers or more, of which two choose the primary",
            f"raise {top.key('nodeGroups')}[…].count",
        )
    homes = len(volumes.candidates(planned))
    if homes < 2:
        reader.fault(
            "standby",
            f"true with {homes} node for volumes",
            "two nodes or more: those on tier primary, else all",
            f"raise {top.key('nodeGroups')}[…].count",
        )
    return wanted
