"""The Swarm's networks, by trust: what is on none of a workload's networks can't reach it. Pure.

Nothing of a network can be changed, and services change one after the other. So whoever moves is on
its former networks, too, until all others are on the new ones: that takes two runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

EDGE = "services"
"""The gateway and the servers. Called as it was when it was the only one."""
DATA = "data"
"""The database and those that have its password."""
MONITORING = "monitoring"
"""Who watches the platform, and an exporter on every node. Its own, so that no server can silence
an alert; only where the platform is monitored."""
NETWORKS = (EDGE, DATA, MONITORING)
INTERNAL = frozenset({DATA})
"""Those that nothing gets out by: the database needs neither the internet nor a machine's metadata.
What is published on a machine's port has to be on another one."""

SHARED = {"database": DATA}
"""Where a workload is met by those that need it."""

OUTPUT, LAYOUTS = "networks", "network_layouts"
"""Outputs of a stack: the networks of each workload; the layouts that networks have, newest first.
"""
BEFORE = {"database": (EDGE,)}
"""Where the first version, which had no such output, had what is on none of its networks now."""

SWAP = (
    "other networks take the place of those of another overlay.mtu or overlay.encrypted: this run"
    " updates every service to be on both, so that they still reach each other; the next run leaves"
    " the former ones"
)
"""What is told in the first of the two runs."""


@dataclass(frozen=True)
class Layout:
    """How networks are made. mtu: bytes, 0 for Docker's own.

    generation: counts the stack's layouts. Networks of the first one have plain names.
    """

    encrypted: bool
    mtu: int
    generation: int = 1

    def name(self, network: str) -> str:
        """What that network is called in this layout."""
        return network if self.generation == 1 else f"{network}-{self.generation}"


def needed(monitored: bool) -> tuple[str, ...]:
    """Those that the platform has."""
    return NETWORKS if monitored else (EDGE, DATA)


def layouts(encrypted: bool, mtu: int, former: Sequence[Layout]) -> tuple[Layout, ...]:
    """The layouts of this run's networks: the wanted one, and the last `up`'s if it is another.

    former: those of the last `up`, newest first; none before the first.
    """
    if not former:
        return (Layout(encrypted, mtu),)
    newest = former[0]
    if (newest.encrypted, newest.mtu) == (encrypted, mtu):
        return (newest,)
    return (Layout(encrypted, mtu, newest.generation + 1), newest)


def attached(
    networks: Iterable[str], layouts: Sequence[Layout], former: Collection[str]
) -> tuple[str, ...]:
    """The names of a workload's networks in this run. former: those of the last `up`.

    Where one is new, none is left: others are still to be met on the former ones until they are on
    the new one, too. The next run leaves them.
    """
    wanted = tuple(layouts[0].name(network) for network in networks)
    if set(wanted) <= set(former):
        return wanted
    known = (layouts[-1].name(network) for network in NETWORKS)
    return (*wanted, *(name for name in known if name in former and name not in wanted))
