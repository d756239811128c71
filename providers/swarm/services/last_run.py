"""The tasks of a job's last run. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from providers.swarm.wire import Json

FAILED = ("failed", "rejected", "orphaned")


def tasks_of(service: Json, tasks: Iterable[Json]) -> list[Json]:
    """The tasks of its last run, among all in the API's answer: any update of a job starts a
    run."""
    last = _iteration(service.get("JobStatus"))
    own = [task for task in tasks if task["ServiceID"] == service["ID"]]
    return [task for task in own if _iteration(task) == last]


def _iteration(of: Json | None) -> int:
    return int(((of or {}).get("JobIteration") or {}).get("Index") or 0)
