"""From looks at a service to a verdict: converged, failed, or still on its way. Pure.

UpdateStatus is not enough: it is absent on every create, says `completed` again after a rollback,
and nothing about tasks that die later (Engine 20.10, measured). Converged means:
the live spec is the wanted one, no update is under way, and exactly the wanted number of tasks made
from it have been running for the monitor time. A task with a health check counts as running once it
is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from providers.swarm.services import placement
from providers.swarm.services.comparison import differences
from providers.swarm.services.diagnosis import Failure, Kind
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import SPEC_LABEL
from providers.swarm.wire import Json

TERMINAL = frozenset({"complete", "failed", "rejected", "shutdown", "orphaned", "remove"})
FAILED = frozenset({"complete", "failed", "rejected"})
"""A service's task that ends by itself has failed, whatever its exit code."""

_UNDER_WAY = ("updating", "rollback_started")
_LIVE = ("ready", "running")


@dataclass(frozen=True)
class Observation:
    """One look: the service, its tasks and (where they matter) the nodes, as the API gives them.

    now: Unix time by the manager's clock, which also wrote the tasks' timestamps: this machine's
    clock may be minutes off.
    """

    service: Json
    tasks: Sequence[Json] = ()
    nodes: Sequence[Json] = ()
    now: float = 0.0

    @property
    def update_state(self) -> str:
        return str((self.service.get("UpdateStatus") or {}).get("State", ""))

    @property
    def update_message(self) -> str:
        return str((self.service.get("UpdateStatus") or {}).get("Message", ""))


@dataclass(frozen=True)
class Waiting:
    """Not there yet. progress: `replicas 1 of 2`. detail: what the missing ones are doing."""

    progress: str
    detail: str


@dataclass(frozen=True)
class Converged:
    """Exactly the wanted spec runs, and has done so for the monitor time."""

    progress: str


@dataclass(frozen=True)
class Failed:
    """It will not converge. failure: of the task to blame, when one is known.

    foreign: somebody else's change is in the way; don't roll it back.
    """

    cause: str
    failure: Failure | None = None
    foreign: bool = False


@dataclass(frozen=True)
class RolledBack:
    """Swarm has rolled back, or is doing so. message: UpdateStatus's."""

    message: str


Verdict = Waiting | Converged | Failed | RolledBack


def wanted_count(seen: Observation) -> int:
    """How many tasks the live spec asks for; in global mode one on each eligible node."""
    spec = seen.service["Spec"]
    if "Global" in spec["Mode"]:
        return len(_eligible(seen))
    return int(spec["Mode"]["Replicated"].get("Replicas", 0))


def active(seen: Observation) -> list[Json]:
    """The tasks that Swarm wants to run. Those on lost or unsuitable nodes don't count."""
    tasks = [task for task in seen.tasks if task["DesiredState"] == "running"]
    if "Global" not in seen.service["Spec"]["Mode"]:
        return tasks
    nodes = {node["ID"] for node in _eligible(seen)}
    return [task for task in tasks if task.get("NodeID") in nodes]


def of_spec(task: Json, spec: Json) -> bool:
    """Whether a task was made from this service spec.

    Whole task specs don't compare equal; the label covers what is outside the ContainerSpec.
    """
    ours, live = task["Spec"].get("ContainerSpec", {}), spec["TaskTemplate"]["ContainerSpec"]
    label = (live.get("Labels") or {}).get(SPEC_LABEL)
    return bool(ours == live and (ours.get("Labels") or {}).get(SPEC_LABEL) == label)


def condition(wanted: Json, seen: Observation) -> str:
    """Why the service, at a single look, is not as wanted; empty if it is.

    An update under way is not reported: its spec is the wanted one, and its tasks are counted.
    """
    live = seen.service["Spec"]
    if found := differences(wanted, live):
        return f"running spec differs in {', '.join(found[:5])}"
    if seen.update_state in ("paused", "rollback_paused"):
        return f"its update is {seen.update_state.replace('_', ' ')}: {seen.update_message}"
    return _uneven(seen) or _just_restarted(wanted, seen)


def proven(wanted: Json, seen: Observation) -> bool:
    """Whether the wanted spec has run everywhere for the monitor time, at a single look."""
    return not condition(wanted, seen) and not _young(wanted, seen)


def abandoned(seen: Observation) -> bool:
    """Whether tasks are missing and Swarm starts none: it doesn't retry by itself."""
    if seen.update_state in _UNDER_WAY:
        return False
    live = {_slot(task) for task in seen.tasks if task["DesiredState"] in _LIVE}
    return len(live) < wanted_count(seen)


def doubled(seen: Observation) -> bool:
    """Whether one slot has two running tasks, and no update under way will end one.

    Seen after a start-first update during which the old task failed by itself: the updater and the
    restart supervisor both replace it, and nothing ends the surplus task (Engine 20.10).
    """
    if seen.update_state in _UNDER_WAY:
        return False
    tasks = active(seen)
    slots = {_slot(task) for task in tasks}
    return len(slots) < len(tasks) and all(_state(task) == "running" for task in tasks)


@dataclass
class Watch:
    """Judges one create or update, look by look.

    wanted: the requested ServiceSpec. posted: whether this operation changed anything.
    start: seconds on the caller's clock, the one passed to `judge`. monitor: seconds.
    first: the look at its start: earlier failures don't count.
    """

    wanted: Json
    first: Observation
    posted: bool
    start: float
    monitor: float
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self._old = {task["ID"] for task in self.first.tasks if _state(task) in TERMINAL}
        self._failures: dict[str, dict[str, Failure]] = {}
        self._pending: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._since = {
            task["ID"]: self.start - self.monitor
            for task in _running(self.first)
            if _age(task, self.first.now) >= self.monitor
        }

    def unexplained(self, seen: Observation) -> list[Json]:
        """Tasks of the wanted spec that have failed since the start and were not `explain`ed."""
        known = {id for slot in self._failures.values() for id in slot} | self._old
        label = self.wanted["TaskTemplate"]["ContainerSpec"]["Labels"][SPEC_LABEL]
        return [
            task
            for task in seen.tasks
            if task["ID"] not in known
            and _state(task) in FAILED
            and (task["Spec"]["ContainerSpec"].get("Labels") or {}).get(SPEC_LABEL) == label
        ]

    def explain(self, task: Json, failure: Failure) -> None:
        """Records why a task failed."""
        self._failures.setdefault(_slot(task), {})[task["ID"]] = failure

    @property
    def last_failure(self) -> Failure | None:
        """The latest failure; if that is only "killed", one that proves a lack of memory."""
        found = [failure for slot in self._failures.values() for failure in slot.values()]
        found.sort(key=lambda failure: failure.when)
        if found and found[-1].kind is Kind.KILLED:
            found += [failure for failure in found if failure.kind is Kind.MEMORY]
        return found[-1] if found else None

    def judge(self, seen: Observation, now: float) -> Verdict:
        """The verdict after one more look at time `now`."""
        running = self._note(seen, now)
        return (
            self._rolled_back(seen)
            or self._stopped(seen, now)
            or self._arrived(seen, running, now)
            or Waiting(_progress(seen), _detail(seen))
        )

    def _note(self, seen: Observation, now: float) -> list[Json]:
        running = _running(seen)
        self._since = {task["ID"]: self._since.get(task["ID"], now) for task in running}
        homeless = [task["ID"] for task in active(seen) if is_homeless(task, seen)]
        if "Global" in seen.service["Spec"]["Mode"] and not _eligible(seen):
            homeless.append("global")
        self._pending = {id: self._pending.get(id, now) for id in homeless}
        # During the restart delay the next task waits in its slot, wanted `ready`.
        taken = {_slot(task) for task in seen.tasks if task["DesiredState"] in _LIVE}
        settled = seen.update_state not in _UNDER_WAY
        over = [slot for slot in self._failures if settled and slot not in taken]
        self._ended = {slot: self._ended.get(slot, now) for slot in over}
        return running

    def _rolled_back(self, seen: Observation) -> Verdict | None:
        state, message = seen.update_state, seen.update_message
        foreign = differences(self.wanted, seen.service["Spec"], ours=True)
        if state.startswith("rollback") and (foreign or self.posted):
            return RolledBack(message)
        if not foreign:
            return None
        if state == "completed":
            return RolledBack(message)
        paths = ", ".join(foreign[:3])
        return Failed(f"somebody else changed it in between ({paths})", foreign=True)

    def _stopped(self, seen: Observation, now: float) -> Failed | None:
        if seen.update_state == "paused":
            cause = f"the update is paused ({seen.update_message})"
            blamed = self.last_failure
            return Failed(f"{blamed.cause}; {cause}" if blamed else cause, blamed)
        for failures in self._failures.values():
            unhealthy = [f for f in failures.values() if f.kind is Kind.HEALTH]
            tries = len(failures)
            if tries >= self.patience.failures or len(unhealthy) >= self.patience.unhealthy:
                blamed = self.last_failure
                assert blamed is not None
                return Failed(f"{blamed.cause} ({tries} tasks in a row)", blamed)
        if any(now - since >= self.patience.pending for since in self._pending.values()):
            return Failed(homeless(seen, active(seen)))
        if len(active(seen)) < wanted_count(seen):
            return self._given_up(seen, now)
        return None

    def _given_up(self, seen: Observation, now: float) -> Failed | None:
        """Swarm replaces an ended task at once, or never."""
        for slot, since in self._ended.items():
            if now - since >= self.patience.ended:
                blamed = list(self._failures[slot].values())[-1]
                policy = seen.service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
                rule = f"restart condition {policy.get('Condition') or 'any'}"
                if policy.get("MaxAttempts"):
                    rule += f", {policy['MaxAttempts']} attempts at most"
                return Failed(f"{blamed.cause}, and Swarm does not start it again ({rule})", blamed)
        return None

    def _arrived(self, seen: Observation, running: Sequence[Json], now: float) -> Converged | None:
        if seen.update_state in _UNDER_WAY or "global" in self._pending:
            return None
        if self.posted and now - self.start < self.patience.settle:
            return None
        if _uneven(seen):
            return None
        if any(now - self._since[task["ID"]] < self._proof(task) for task in running):
            return None
        return Converged(_progress(seen))

    def _proof(self, task: Json) -> float:
        """Seconds that a task must run. Each failure in its slot doubles them: otherwise a loop of
        crashes that are slightly further apart than the monitor time would pass."""
        return self.monitor * 2.0 ** len(self._failures.get(_slot(task), {}))


def _eligible(seen: Observation) -> list[Json]:
    template = seen.service["Spec"]["TaskTemplate"]
    constraints = (template.get("Placement") or {}).get("Constraints") or []
    return placement.eligible(seen.nodes, constraints)


def _running(seen: Observation) -> list[Json]:
    spec = seen.service["Spec"]
    return [t for t in active(seen) if _state(t) == "running" and of_spec(t, spec)]


def _uneven(seen: Observation) -> str:
    """Which tasks are missing or surplus; empty if exactly the wanted tasks run."""
    running, count = len(_running(seen)), wanted_count(seen)
    if running != count:
        return _progress(seen)
    surplus = len(active(seen)) - running
    return f"{surplus} more tasks than the wanted {count}" if surplus else ""


def _young(wanted: Json, seen: Observation) -> list[Json]:
    """The running tasks that have not run for the monitor time."""
    monitor = wanted["UpdateConfig"]["Monitor"] / 1e9
    return [task for task in _running(seen) if _age(task, seen.now) < monitor]


def _just_restarted(wanted: Json, seen: Observation) -> str:
    """A task that replaced a failed one a moment ago: even a service that keeps crashing has all
    its tasks running at some moments."""
    spec = seen.service["Spec"]
    failed = {_slot(t) for t in seen.tasks if _state(t) in FAILED and of_spec(t, spec)}
    found = [task for task in _young(wanted, seen) if _slot(task) in failed]
    return (
        f"{describe(found[0], seen.nodes)} has just been started after a failure" if found else ""
    )


def _progress(seen: Observation) -> str:
    return f"replicas {len(_running(seen))} of {wanted_count(seen)}"


def _detail(seen: Observation) -> str:
    """What prevents it from converging, as last seen."""
    spec = seen.service["Spec"]
    parts = []
    for task in active(seen):
        if not of_spec(task, spec):
            parts.append(f"{describe(task, seen.nodes)} still has the old spec")
        elif _state(task) != "running":
            parts.append(f"{describe(task, seen.nodes)} is {_state(task)}")
            parts[-1] += f" ({_err(task)})" if _err(task) else ""
    if seen.update_state:
        parts.append(f"update state {seen.update_state}")
    return "; ".join([_progress(seen), *parts[:4]])


def is_homeless(task: Json, seen: Observation) -> bool:
    """Whether no node can ever take the task, not counting nodes that are only full or busy."""
    if _state(task) != "pending" or not _err(task):
        return False
    return not placement.passes(_err(task)) or bool(_too_large(seen))


def _too_large(seen: Observation) -> str:
    template = seen.service["Spec"]["TaskTemplate"]
    constraints = (template.get("Placement") or {}).get("Constraints") or []
    reserved = (template.get("Resources") or {}).get("Reservations") or {}
    return placement.too_large(seen.nodes, constraints, reserved)


def homeless(seen: Observation, tasks: Sequence[Json]) -> str:
    """Why some of these tasks have no suitable node: the unmet constraint, or Swarm's message."""
    template = seen.service["Spec"]["TaskTemplate"]
    constraints = (template.get("Placement") or {}).get("Constraints") or []
    said = [_err(t) for t in tasks if is_homeless(t, seen)]
    reason = said[0].removeprefix("no suitable node").strip(" ()") if said else ""
    unmet = placement.unmet(seen.nodes, constraints) or _too_large(seen)
    return ": ".join(["no suitable node", "; ".join(part for part in (unmet, reason) if part)])


def describe(task: Json, nodes: Sequence[Json] = ()) -> str:
    """`task 2 (id 4kd9s…)`, with its node if known."""
    names = {n["ID"]: n.get("Description", {}).get("Hostname", "") for n in nodes}
    node = names.get(task.get("NodeID", ""), "")
    number = f" {task['Slot']}" if task.get("Slot") else ""
    return f"task{number} (id {task['ID'][:12]})" + (f" on {node}" if node else "")


def _slot(task: Mapping[str, Any]) -> str:
    return str(task.get("Slot") or task.get("NodeID") or "")


def _state(task: Mapping[str, Any]) -> str:
    return str(task["Status"]["State"])


def _err(task: Mapping[str, Any]) -> str:
    return str(task["Status"].get("Err", ""))


def _age(task: Mapping[str, Any], now: float) -> float:
    """Seconds since the task's last change; both times are by the managers' clocks."""
    # Whole seconds are enough: the fraction has nine digits, more than Python parses.
    stamp = str(task.get("UpdatedAt") or task["Status"].get("Timestamp", ""))[:19]
    try:
        return now - datetime.fromisoformat(stamp + "+00:00").timestamp()
    except ValueError:
        return 0.0
