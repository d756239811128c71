"""The Swarm's networks, by trust: only what shares a network with a workload can reach it. Pure.

A network can't be changed, and services change one after the other. So a workload that moves
stays on its former networks, too, until all others are on the new ones: that takes two runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

EDGE = "services"
"""The gateway and the servers. Its name dates from when it was the only network."""
DATA = "data"
"""The database and the workloads that have its password."""
BACKUP = "backup"
"""The database and the job that backs it up, where there are backups: their way out to S3."""
MONITORING = "monitoring"
"""What watches the platform, and an exporter on every node, where it is monitored. A separate
network, so that no server can silence an alert."""
QUORUM = "quorum"
"""The database's two members and those that choose the primary, where it has a standby."""
LOGS = "logs"
"""The stores of logs, what fills them on every node, and the backend, which searches."""
NETWORKS = (EDGE, DATA, BACKUP, MONITORING, LOGS, QUORUM)
INTERNAL = frozenset({DATA, LOGS, QUORUM})
"""Those without a way out: what has the database's password needs neither the internet nor a
machine's metadata by it. A workload that publishes a port has to be on another one, too."""

SHARED = {"database": DATA}
"""The network on which others reach a workload."""

OUTPUT, LAYOUTS = "networks", "network_layouts"
"""Outputs of a stack: the networks of each workload; the layouts that networks have, newest first.
"""
BEFORE = {"database": (EDGE,)}
"""Where the first version, which had no such output, had a workload that is on none of its
networks now."""

SWAP = (
    "new networks replace the present ones, as overlay.mtu or overlay.encrypted changed: this run"
    " puts every service on both, so that they still reach each other; the next run leaves the"
    " former ones"
)
"""Printed in the first of the two runs."""


@dataclass(frozen=True)
class Layout:
    """How networks are made. mtu: bytes, 0 for Docker's own.

    generation: counts the stack's layouts. Networks of the first one have plain names.
    """

    encrypted: bool
    mtu: int
    generation: int = 1

    def name(self, network: str) -> str:
        """That network's name in this layout."""
        return network if self.generation == 1 else f"{network}-{self.generation}"


def needed(
    *, backups: bool, monitored: bool, logged: bool = False, standby: bool = False
) -> tuple[str, ...]:
    """Those that the platform has."""
    there = {
        EDGE: True,
        DATA: True,
        BACKUP: backups,
        MONITORING: monitored,
        LOGS: logged,
        QUORUM: standby,
    }
    return tuple(network for network in NETWORKS if there[network])


def layouts(encrypted: bool, mtu: int, former: Sequence[Layout]) -> tuple[Layout, ...]:
    """The layouts of this run's networks: the wanted one, and the last `up`'s if it differs.

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

    If one is new, none is left: others are reached on the former ones until they are on the new
    one, too. The next run leaves the former ones.
    """
    wanted = tuple(layouts[0].name(network) for network in networks)
    if set(wanted) <= set(former):
        return wanted
    known = (layouts[-1].name(network) for network in NETWORKS)
    return (*wanted, *(name for name in known if name in former and name not in wanted))
