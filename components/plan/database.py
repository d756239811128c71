"""The database as a workload: PostgreSQL on one node's directory."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from components.plan import networks
from components.plan.volumes import DATA, VolumePlan
from components.plan.workload import File, MountedVolume, Workload
from providers.swarm.services.model import Health, Mount, Resources

USER_ID = 10002
"""uid and gid of the server, as in images/database/Dockerfile; owner of the node's directory."""
PORT = 5432
VOLUME = VolumePlan("database", f"{DATA}/postgres", USER_ID)
"""The image keeps the cluster in a directory below it, named after its version."""
DATABASE = "sophia"
"""The database, and the role that owns it. Superusers connect through the local socket only."""
PASSWORD_SECRET = "postgres_password"
"""File below /run/secrets with the role's password."""
MONITOR, MONITOR_SECRET = "monitor", "monitor_password"
"""The role that reads the server's statistics (`pg_monitor`), and its password's file."""


def workload(name: str, memory_mb: int = 1024) -> Workload:
    """The server.

    Two servers must never use the files at once: one task, on the volume's node, and the old one
    stops first. Its start period gives a crashed server time to recover. memory_mb: its limit.
    """
    return Workload(
        name=name,
        user=USER_ID,
        port=PORT,
        args=tuple(
            word for key, value in memory(memory_mb).items() for word in ("-c", f"{key}={value}")
        ),
        env={"DATABASE": DATABASE},
        secrets=(File("password-file", PASSWORD_SECRET),),
        # It starts on that volume only.
        volume=MountedVolume(VOLUME, "/var/lib/postgresql/data", "VOLUME"),
        mounts=(
            Mount(type="tmpfs", target="/tmp", size_mb=16),
            # Shared memory of parallel queries.
            Mount(type="tmpfs", target="/dev/shm", size_mb=max(64, memory_mb // 4)),
        ),
        health=Health(
            test=["CMD", "healthcheck.sh"],
            interval_s=5,
            # A busy machine doesn't mean a broken database; ending it would cost all its clients.
            timeout_s=30,
            retries=3,
            start_period_s=120,
        ),
        resources=Resources(
            cpus=2.0,
            memory_mb=memory_mb,
            pids=256,
            reserve_cpus=0.25,
            reserve_memory_mb=memory_mb // 2,
        ),
        order="stop-first",
        # A fast shutdown flushes everything once.
        stop_grace_s=60,
        labels={"sophia.platform": name},
        networks=(networks.DATA,),
    )


def watched(server: Workload) -> Workload:
    """The server, with a role for the one who watches it."""
    return replace(server, secrets=(*server.secrets, File("monitor-password-file", MONITOR_SECRET)))


def memory(limit_mb: int) -> dict[str, str]:
    """The server's settings for a container of that many MiB.

    A quarter is the shared cache; each connection may take 16 MiB in all, a sort a quarter of
    that; the kernel's cache of the files counts towards the same container.
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
