"""The output of `pulumi preview --json` as values. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INSTANCE = "lambdalabs:index:Instance"
VOLUMES = frozenset({"swarm:index:VolumeHome", "swarm:index:Volume"})
UNSEEN = "not checked, its recorded state is assumed"
"""What both providers warn of where they couldn't look: it counts as unchanged."""
_SEEN = frozenset({"same", "refresh", "read", "read-discard", "read-replacement"})
_PARTS = frozenset({"create-replacement", "delete-replaced", "discard-replaced"})
"""Steps of a replacement, besides the `replace` that stands for it."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One resource. op: create, update, replace, delete. why: names of what differs.

    old, new: instance types and volumes of a machine, before and after; empty for others.
    """

    op: str
    type: str
    name: str
    why: tuple[str, ...] = ()
    old: str = ""
    new: str = ""
    volumes: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """Whether data may be lost: a volume's home moves or is deleted, or its machine is."""
        ends = self.op in ("replace", "delete")
        return ends and (self.type in VOLUMES or bool(self.volumes))


@dataclass(frozen=True)
class Preview:
    """changes: without unchanged resources. machines: pairs of instance types before and after, ""
    for none.

    errors, warnings: the engine's, which hold no secrets.
    """

    changes: tuple[Change, ...]
    machines: tuple[tuple[str, str], ...]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cost: str = ""

    @property
    def unseen(self) -> tuple[str, ...]:
        """A warning for each resource that couldn't be looked at."""
        return tuple(warning for warning in self.warnings if UNSEEN in warning)

    def prices(self, cents: Mapping[str, int]) -> tuple[int, int]:
        """US cents per hour before and after. cents: by instance type; others count as 0."""
        before = sum(cents.get(old, 0) for old, _ in self.machines)
        return before, sum(cents.get(new, 0) for _, new in self.machines)


def parsed(text: str) -> Preview:
    """Parses the engine's output. Raises ValueError if it isn't the expected JSON."""
    told: Json = json.loads(text)
    steps = [step for step in told.get("steps", ()) if step["op"] not in _PARTS]
    # The engine omits unchanged resources except those it has read, as it always does machines.
    machines = {step["urn"]: _machine(step) for step in steps if _type(step) == INSTANCE}
    said = list(told.get("diagnostics", ()))
    return Preview(
        changes=tuple(_change(step) for step in steps if step["op"] not in _SEEN),
        machines=tuple(machines.values()),
        errors=tuple(_messages(said, "error")),
        warnings=tuple(_messages(said, "warning")),
        cost=next((text for text in _messages(said, "info") if text.startswith("expected")), ""),
    )


def _messages(diagnostics: Iterable[Json], severity: str) -> Iterator[str]:
    for one in diagnostics:
        if one.get("severity", "").startswith(severity):
            text = str(one["message"]).strip()
            yield text.removeprefix(f"{severity}: ")


def _type(step: Json) -> str:
    return str(step["urn"]).split("::")[2].rpartition("$")[2]


def _machine(step: Json) -> tuple[str, str]:
    """A running machine keeps its type; a new one gets the first of its list if available."""
    old = _outputs(step, "oldState").get("instanceType", "")
    if step["op"] == "delete" or (step["op"] == "refresh" and not step.get("newState")):
        return old, ""
    wanted = ((step.get("newState") or {}).get("inputs") or {}).get("instanceTypes") or [""]
    return old, (wanted[0] if step["op"] in ("create", "replace") else old)


def _outputs(step: Json, state: str) -> Json:
    return (step.get(state) or {}).get("outputs") or {}


def _change(step: Json) -> Change:
    kind = _type(step)
    old, new = _machine(step) if kind == INSTANCE else ("", "")
    volumes = _outputs(step, "oldState").get("volumes") or () if kind == INSTANCE else ()
    why = step.get("replaceReasons") or step.get("diffReasons") or ()
    name = str(step["urn"]).rpartition("::")[2]
    return Change(step["op"], kind, name, tuple(why), old, new, tuple(volumes))
