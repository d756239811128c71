"""The jobs that let a new password in to the database and take the former one away. Pure.

Each password has a role of its own (images/database/roles.py), so clients move from one to the
other while both are valid, and the server never restarts for it (ADR 48).
"""

from __future__ import annotations

from collections.abc import Iterable

from components.plan.workload import File, Workload
from providers.swarm.services.model import Mount, Resources

PASSWORD_SECRET = "database_password"
"""File below /run/secrets with the password."""


def admission(member: str) -> str:
    """The first job's name. member: of the database, on whose volume it runs."""
    return f"{member}-admission"


def revocation(member: str) -> str:
    """The second job's."""
    return f"{member}-revocation"


def jobs(server: Workload, clients: Iterable[str]) -> tuple[Workload, Workload]:
    """server: the database's. clients: names of what logs in, which starts after the first job; the
    second one runs after all of them."""
    return (
        _job(admission(server.name), server, "admit", (server.name,)),
        _job(revocation(server.name), server, "revoke", (server.name, *clients)),
    )


def _job(name: str, server: Workload, command: str, needs: tuple[str, ...]) -> Workload:
    """It meets the server on the volume, as a superuser."""
    return Workload(
        name=name,
        kind="job",
        user=server.user,
        command=("roles", command),
        env=server.env,
        secrets=(File("password-file", PASSWORD_SECRET),),
        resources=Resources(cpus=0.5, memory_mb=64, pids=32),
        stop_grace_s=5,
        volume=server.volume,
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=16),),
        labels=server.labels,
        needs=needs,
        networks=server.networks,
    )
