"""How long a rollout may take, and when it has failed: every number of the verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from providers.swarm.services.model import Health

_SPARE = 2
"""Seconds from the last failing check until Swarm knows of it."""


@dataclass(frozen=True)
class Patience:
    """When a rollout counts as failed. Swarm itself retries for ever.

    | knob | unit | what it is |
    |---|---|---|
    | operation | s | a whole create or update |
    | repair | s | a repair of a service that this run does not change; lost tasks move in 56 s |
    | failures | tasks | that ended in one slot (in global mode: on one node) |
    | unhealthy | tasks | the same, but ended by their health check: each took its whole window |
    | pending | s | without a suitable node (full ones don't count); new nodes take some time |
    | ended | s | after which an ended task will not be replaced |
    | settle | s | after a change, before "no effect" counts |
    | reverted | s | for tasks to follow a roll-back that has ended |
    | doubled | s | after which a surplus task won't end by itself |
    | poll | s | between two polls: task changes cause no events, and evidence is short-lived |
    | evidence | s | for each piece of evidence on a failed task |

    How long a task must run to count is `Update.monitor_s`: at least `watched_s`.
    """

    operation: float = 900.0
    repair: float = 60.0
    failures: int = 3
    unhealthy: int = 2
    pending: float = 20.0
    ended: float = 5.0
    settle: float = 1.0
    reverted: float = 15.0
    doubled: float = 3.0
    poll: float = 0.4
    evidence: float = 5.0


def watched_s(health: Health) -> float:
    """Seconds that a new task must run before its rollout counts: as long as a health check that
    fails at once needs to make it unhealthy.

    One that hangs each time takes `retries` timeouts longer. The wait for the first success finds
    it, and later Swarm does: watching every rollout for it would cost more than it finds.
    """
    return health.retries * health.interval_s + _SPARE
