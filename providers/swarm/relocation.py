"""Which tasks of a drained node have to run elsewhere, and what prevents it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from providers.swarm.services import placement

Task = dict[str, Any]
Slot = tuple[str, int]
"""A replica: the service's id and its number."""


def displaced(tasks: Sequence[Task]) -> frozenset[Slot]:
    """The replicas that run there. Tasks of global services have no number, and simply end."""
    return frozenset(
        (task["ServiceID"], task["Slot"])
        for task in tasks
        if task.get("Slot")
        and task["DesiredState"] == "running"
        and task["Status"]["State"] == "running"
    )


def missing(
    slots: Collection[Slot], tasks: Sequence[Task], node_id: str, names: Mapping[str, str]
) -> dict[Slot, str]:
    """The replicas that don't run on another node yet, each with its state.

    tasks: of the whole swarm. names: of services, by id. Replicas that are no longer wanted don't
    count.
    """
    found = {}
    for slot in slots:
        live = [
            task
            for task in tasks
            if (task["ServiceID"], task.get("Slot")) == slot
            and task["DesiredState"] in ("ready", "running")
        ]
        if any(_runs_elsewhere(task, node_id) for task in live) or not live:
            continue
        newest = max(live, key=lambda task: str(task.get("CreatedAt", "")))
        said = newest["Status"].get("Err", "")
        found[slot] = (
            f"{names.get(slot[0], slot[0][:12])}.{slot[1]} is {newest['Status']['State']}"
            + (f": {said}" * bool(said))
        )
    return found


def is_final(reason: str) -> bool:
    """Whether Swarm has no node for it, except nodes that are only full now."""
    return "no suitable node" in reason and not placement.passes(reason)


def _runs_elsewhere(task: Task, node_id: str) -> bool:
    return bool(task["Status"]["State"] == "running" and task.get("NodeID") != node_id)
