"""The plain part of the database's Swarm service: PostgreSQL on one node's directory."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from components.plan import names
from components.plan.nodes import NODE_LABEL
from components.plan.volumes import DATA, VolumePlan
from providers.swarm.services.model import Health, Mount, Resources, Update
from providers.swarm.services.patience import watched_s

USER_ID = 10002
"""uid and gid of the server, as in images/database/Dockerfile; owner of the node's directory."""
PORT = 5432
VOLUME = VolumePlan("database", f"{DATA}/postgres", USER_ID)
"""The image keeps the cluster in a directory below it, named after its version."""
DATABASE = "sophia"
"""The database, and the role that owns it. Superusers come in through the local socket only."""
PASSWORD_SECRET = "postgres_password"
"""File below /run/secrets with the role's password."""


def service_fields(prefix: str, name: str, memory_mb: int) -> dict[str, Any]:
    """The inputs of `swarm.Service` that need nothing that runs.

    Two servers must never have the files at once: one task, pinned to the volume's node, and the
    old one stops first. The start gives a crashed server time to recover.
    """
    health = Health(
        test=["CMD", "healthcheck.sh"],
        interval_s=5,
        # A busy machine is no broken database, and ending one for it costs all its clients.
        timeout_s=30,
        retries=3,
        start_period_s=120,
    )
    return {
        "name": names.physical(prefix, name),
        "replicas": 1,
        "args": [
            word for key, value in memory(memory_mb).items() for word in ("-c", f"{key}={value}")
        ],
        "user": f"{USER_ID}:{USER_ID}",
        "mounts": [
            Mount(type="bind", source=VOLUME.path, target="/var/lib/postgresql/data"),
            Mount(type="tmpfs", target="/tmp", size_mb=16),
            # Shared memory of parallel queries.
            Mount(type="tmpfs", target="/dev/shm", size_mb=max(64, memory_mb // 4)),
        ],
        "health": health,
        "resources": Resources(
            cpus=2.0,
            memory_mb=memory_mb,
            pids=256,
            reserve_cpus=0.25,
            reserve_memory_mb=memory_mb // 2,
        ),
        "update": Update(order="stop-first", monitor_s=watched_s(health)),
        # A fast shutdown writes everything back once.
        "stop_grace_s": 60,
        "labels": {"sophia.platform": name},
    }


def environment(volume_id: str) -> dict[str, str]:
    """The server's variables. It starts on that volume only."""
    return {"DATABASE": DATABASE, "VOLUME": volume_id}


def constraint(node: str) -> str:
    """Where a task on a volume of that node may run."""
    return f"node.labels.{NODE_LABEL} == {node}"


def memory(limit_mb: int) -> dict[str, str]:
    """The server's settings for a container of that many MiB.

    A quarter is the shared cache; each connection may take 16 MiB in all, of which a sort may
    take a quarter; what the kernel caches of the files is counted into the same container.
    """
    connections = max(20, limit_mb // 16)
    return {
        "shared_buffers": f"{limit_mb // 4}MB",
        "effective_cache_size": f"{limit_mb * 5 // 8}MB",
        "max_connections": str(connections),
        "work_mem": f"{max(1, limit_mb // 4 // connections)}MB",
        "maintenance_work_mem": f"{max(16, limit_mb // 16)}MB",
    }


def url(host: str, password: str) -> str:
    """The address for clients on the platform's network. It holds the password."""
    return f"postgresql://{DATABASE}:{quote(password, safe='')}@{host}:{PORT}/{DATABASE}"
