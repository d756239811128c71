"""What a platform's machines cost, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.plan.nodes import NodeGroup

HOURS_A_MONTH = 730


def expected(groups: Iterable[NodeGroup], cents: Mapping[str, int]) -> str:
    """A line on what all machines cost as listed: each of the first type of its group.

    cents: US cents an hour, by type. A type without a price is named and not added up.
    """
    rented = [group for group in groups if group.count]
    parts, unknown, total, most = [], set[str](), 0, 0
    for group in rented:
        first = group.instance_types[0]
        price = f"at {_dollars(cents[first])}" if first in cents else "at an unknown price"
        parts.append(f"{group.count} {first} {price}")
        unknown |= {kind for kind in group.instance_types if kind not in cents}
        known = [cents[kind] for kind in group.instance_types if kind in cents]
        total += group.count * cents.get(first, 0)
        most += group.count * max(known, default=0)
    line = f"expected cost: {_dollars(total)} an hour"
    line += f", {_dollars(total * HOURS_A_MONTH)} a month ({', '.join(parts)})"
    if most > total:
        line += f"; at most {_dollars(most)} an hour if only dearer types of the lists are free"
    if unknown:
        line += f"; not counted, as the API reports no price: {', '.join(sorted(unknown))}"
    return line


def _dollars(cents: int) -> str:
    return f"${cents / 100:,.2f}"
