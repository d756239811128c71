"""The database's standby: a second server on another node, and the three members of etcd that
decide which of the two is the primary. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from components.plan import names, networks
from components.plan.backup import LONGEST_RESTORE_S
from components.plan.database import USER_ID
from components.plan.volumes import DATA, VolumePlan
from components.plan.workload import File, MountedVolume, Workload, on_node
from providers.swarm.services.model import Health, Mount, Placement, Resources

SECOND = "database-2"
"""The second member. Either of them may be the primary: after a failover nothing moves back."""
SECOND_VOLUME = VolumePlan("database-2", f"{DATA}/postgres-2", USER_ID, is_copy=True)
QUORUM = ("etcd-1", "etcd-2", "etcd-3")
"""One on each of the first managers. Two of them decide."""

AUTHORITY, PAIR, PASSWORD = "quorum_authority", "quorum_pair", "member_password"
"""Files below /run/secrets: the CA's certificate; one for all members, with its key; what the
database's members replicate with."""

CERTIFICATE_DAYS = 3650
"""Nobody but the members trusts it, and its renewal would take all of them down at once."""

_CERTIFIED = (File("quorum-authority", AUTHORITY), File("quorum-pair", PAIR))


def host(prefix: str, name: str) -> str:
    """The name at which the others reach it."""
    return f"tasks.{names.physical(prefix, name)}"


def certificate(prefix: str, first: str) -> dict[str, Any]:
    """Inputs of the one certificate that all members show each other, as servers and as clients.
    first: name of the database's first member.
    """
    return {
        "common_name": f"{prefix} database",
        "dns_names": [host(prefix, name) for name in (first, SECOND, *QUORUM)],
        # Health checks.
        "ip_addresses": ["127.0.0.1"],
        "validity_days": CERTIFICATE_DAYS,
        "mutual": True,
    }


def members(
    server: Workload, prefix: str, managers: Sequence[str], existing: Collection[str] = ()
) -> tuple[Workload, ...]:
    """The server as first member, the second one, and etcd's on three managers.

    They are rolled out one after the other, the next one when this one is healthy. existing: names
    of workloads that the platform has. Until etcd's are among them, its three start at once.
    """
    both = {name: host(prefix, name) for name in (server.name, SECOND)}
    assert server.volume is not None
    assert server.health is not None
    first = replace(
        server,
        env={**server.env, **_quorum(prefix), "MEMBER": server.name, "MEMBERS": _listed(both)},
        secrets=(*server.secrets, *_CERTIFIED, File("member-password", PASSWORD)),
        networks=(*server.networks, networks.QUORUM),
        # It may fill itself from the other one.
        health=replace(server.health, start_period_s=LONGEST_RESTORE_S),
        needs=(*server.needs, *QUORUM),
    )
    second = replace(
        first,
        name=SECOND,
        env={**first.env, "MEMBER": SECOND},
        volume=MountedVolume(SECOND_VOLUME, server.volume.target, server.volume.variable),
        labels={"sophia.platform": SECOND},
        needs=(server.name,),
    )
    founded = any(name in existing for name in QUORUM)
    quorum = (_etcd(index, prefix, managers[index], founded) for index in range(len(QUORUM)))
    return (*quorum, first, second)


def _etcd(index: int, prefix: str, manager: str, founded: bool) -> Workload:
    name = QUORUM[index]
    return Workload(
        name=name,
        user=USER_ID,
        command=("quorum", "run"),
        env={**_quorum(prefix), "QUORUM_MEMBER": name},
        secrets=_CERTIFIED,
        mounts=(
            # Of Docker's own, lost with the node: the others have the same.
            Mount(type="volume", source=names.physical(prefix, name), target="/var/lib/etcd"),
            Mount(type="tmpfs", target="/tmp", size_mb=16),
        ),
        health=Health(
            test=["CMD", "quorum", "healthy"],
            interval_s=5,
            timeout_s=30,
            retries=2,
            start_period_s=60,
        ),
        resources=Resources(
            cpus=0.5, memory_mb=192, pids=64, reserve_cpus=0.05, reserve_memory_mb=48
        ),
        placement=Placement(constraints=[on_node(manager)]),
        order="stop-first",
        stop_grace_s=10,
        labels={"sophia.platform": name},
        # Two of three must be there; before they have decided anything, none is missed.
        needs=QUORUM[index - 1 : index] if founded and index else (),
        networks=(networks.QUORUM,),
    )


def _quorum(prefix: str) -> dict[str, str]:
    return {"QUORUM": _listed({name: host(prefix, name) for name in QUORUM})}


def _listed(members: dict[str, str]) -> str:
    return ",".join(f"{name}={host}" for name, host in members.items())
