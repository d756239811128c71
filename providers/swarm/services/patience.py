"""How long a rollout may take, and what it is given up for: every number of the verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from providers.swarm.services.model import Health

_SPARE = 2
"""Seconds from the last failing check until Swarm knows of it."""


@dataclass(frozen=True)
class Patience:
    """After how much of it a rollout counts as failed. Swarm itself tries for ever.

    | knob | unit | what it is |
    |---|---|---|
    | operation | s | a create or update in all |
    | repair | s | a repair of a service that this run does not change; lost tasks move in 56 s |
    | failures | tasks | that ended in one slot (in global mode: on one node) |
    | unhealthy | tasks | the same, ended by their health check: each has taken its whole window |
    | pending | s | that no node is suitable (full ones are waited for); new nodes need some |
    | ended | s | after which a task that ended is not going to be replaced |
    | settle | s | after a change, before its absence of effects is believed |
    | reverted | s | for tasks to follow a roll-back that has ended |
    | doubled | s | after which a surplus task does not go by itself |
    | poll | s | between two looks: task changes cause no events, and evidence is short-lived |
    | evidence | s | for one piece of what explains a failed task |

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

    One that hangs each time needs `retries` timeouts more. It is found by whoever waits for the
    first success, and later by Swarm: watching every rollout for it would cost more than it finds.
    """
    return health.retries * health.interval_s + _SPARE
