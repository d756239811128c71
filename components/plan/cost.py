"""What a platform's machines cost, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.plan.nodes import NodeGroup

HOURS_A_MONTH = 730


def expected(groups: Iterable[NodeGroup], cents: Mapping[str, int]) -> str:
    """A line on what all machines cost, each counted at the first type of its group.

    cents: US cents per hour, by type. A type without a price is named, but not counted.
    """
    rented = [group for group in groups if group.count]
    total, parts = _added([(group.count, group.instance_types[0]) for group in rented], cents)
    most, _ = at_most(rented, cents)
    unknown = {kind for group in rented for kind in group.instance_types} - cents.keys()
    line = f"expected cost: {dollars(total)} an hour"
    line += f", {dollars(total * HOURS_A_MONTH)} a month ({', '.join(parts)})"
    if most > total:
        line += f"; at most {dollars(most)} an hour if only dearer types of the lists are free"
    if unknown:
        line += f"; not counted, as the API reports no price: {', '.join(sorted(unknown))}"
    return line


def a_month(groups: Iterable[NodeGroup], cents: Mapping[str, int]) -> int:
    """US cents a month, each machine counted at the first type of its group."""
    hour, _ = _added([(group.count, group.instance_types[0]) for group in groups], cents)
    return hour * HOURS_A_MONTH


def at_most(groups: Iterable[NodeGroup], cents: Mapping[str, int]) -> tuple[int, list[str]]:
    """US cents per hour if each machine has the most expensive type of its group, and the parts."""
    dearest = [
        (group.count, max(group.instance_types, key=lambda kind: cents.get(kind, 0)))
        for group in groups
        if group.count
    ]
    return _added(dearest, cents)


def _added(machines: Iterable[tuple[int, str]], cents: Mapping[str, int]) -> tuple[int, list[str]]:
    """US cents per hour, and a part for each of these counts of a type."""
    total, parts = 0, []
    for count, kind in machines:
        price = f"at {dollars(cents[kind])}" if kind in cents else "at an unknown price"
        total += count * cents.get(kind, 0)
        parts.append(f"{count} {kind} {price}")
    return total, parts


def dollars(cents: int) -> str:
    """`$1,533.00`."""
    return f"${cents / 100:,.2f}"
