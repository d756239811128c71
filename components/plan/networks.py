"""The Swarm's networks, by trust: what is on none of a workload's networks can't reach it. Pure."""

from __future__ import annotations

from collections.abc import Collection

EDGE = "services"
"""The gateway and the servers. Called as it was when it was the only one."""
DATA = "data"
"""The database and those that have its password."""
NETWORKS = (EDGE, DATA)
INTERNAL = frozenset({DATA})
"""Those that nothing gets out by: the database needs neither the internet nor a machine's metadata.
What is published on a machine's port has to be on another one."""

SHARED = {"database": DATA}
"""Where a workload is met by those that need it."""

OUTPUT = "networks"
"""Output of a stack: the networks of each workload."""
BEFORE = {"database": (EDGE,)}
"""Where the first version, which had no such output, had what is on none of its networks now."""


def attached(wanted: tuple[str, ...], former: Collection[str]) -> tuple[str, ...]:
    """The networks of a workload in this run. former: those of the last `up`.

    Where one is new, none is left: others are still to be met on the former ones until they are on
    the new one, too. The next run leaves them.
    """
    if set(wanted) <= set(former):
        return wanted
    return (*wanted, *(name for name in NETWORKS if name in former and name not in wanted))
