"""A lost state: it has no machine of this stack, but the account does. Pure.

A machine's name is in the state before its launch (docs/adr/0007): an interrupted first `up` has
names there, and a destroyed stack has no machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.reading import Fault
from providers.lambdalabs.models import GOING, Machine

MACHINES = frozenset({"lambdalabs:index:InstanceName", "lambdalabs:index:Instance"})
"""Types of resources: a state has one of them for every machine launched from it."""


def knows_machines(resources: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a state knows machines. resources: by URN, as the engine returns them."""
    return any(one.get("type") in MACHINES for one in resources.values())


def faults(machines: Iterable[Machine], project: str, stack: str) -> Iterator[Fault]:
    """A fault for a stack whose state knows no machines. machines: of the account."""
    own = {"project": project, "stack": stack}.items()
    found = [one for one in machines if own <= one.tags.items() and one.status not in GOING]
    if not found:
        return
    cents = sum(one.price_cents_per_hour or 0 for one in found)
    count = "1 machine" if len(found) == 1 else f"{len(found)} machines"
    yield Fault(
        f"the state of stack {stack}",
        f"it has no machines, but the account has {count} of this stack, for ${cents / 100:.2f} an"
        f" hour: {', '.join(map(_told, found))}. An `up` would rent all of them again",
        advice="use the backend that has it, restore it (docs/how-to/backends.md), or terminate"
        f" these machines: `make orphans STACK={stack}` prints the command for each",
    )


def _told(machine: Machine) -> str:
    place = " in ".join(filter(None, (machine.instance_type, machine.region)))
    return f"{machine.name or 'no name'} ({', '.join(filter(None, (machine.id, place)))})"
