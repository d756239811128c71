"""The setting `standby`: whether the database has one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from components.plan import standby, volumes
from components.plan.nodes import NodeGroup, nodes
from components.reading import Fault, Reader
from components.settings_model import Backup


def read(top: Reader, groups: Sequence[NodeGroup], backup: Backup | None) -> bool:
    """The setting; what is wrong goes to the reader's faults. backup: None for no backups."""
    reader = top.inner("standby")
    enabled = reader.flag("enabled", False)
    reader.finish()
    if enabled and backup and backup.repository.restore_only:
        expected = f"false with {top.key('backup.restoreOnly')}: one member is filled from backups"
        advice = f"remove that key, and turn {reader.key('enabled')} on once that stack runs"
        top.faults.append(Fault(reader.key("enabled"), "true", expected, advice))
    planned = nodes(groups)
    # Groups with errors of their own have no nodes.
    if not enabled or not planned:
        return enabled
    faults = top.faults
    advice = f"raise a count in {top.key('nodeGroups')}, or turn {reader.key('enabled')} off"
    managers = sum(node.role == "manager" for node in planned)
    if managers < len(standby.QUORUM):
        expected = f"{len(standby.QUORUM)} managers or more, of which two choose the primary"
        faults.append(Fault(reader.key("enabled"), f"true with {managers}", expected, advice))
    homes = len(volumes.candidates(planned))
    if homes < 2:
        expected = "two nodes for volumes or more: those on tier primary, else all"
        faults.append(Fault(reader.key("enabled"), f"true with {homes}", expected, advice))
    return enabled
