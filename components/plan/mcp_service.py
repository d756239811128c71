"""A catalog entry as a workload."""

from __future__ import annotations

from collections.abc import Iterable

from components.catalog.model import PORT, Server
from components.plan import names
from components.plan.networks import EDGE, SHARED
from components.plan.nodes import NODE_LABEL, TIER_LABEL
from components.plan.workload import File, Workload
from providers.swarm.services.model import Health, Mount, Placement, Resources

UID = 10001
"""User and group in every server's image (mcp_catalog/base/Dockerfile)."""

HEALTH_CHECK = ("python", "-I", "-S", "/opt/server/sophia_mcp/healthcheck.py")
"""In every server's image. Without site packages it starts in half the time."""

DRAIN_S = 5
"""Seconds after SIGTERM in which requests are still accepted; those of `deploy.grace_s` follow."""

SPARE_S = 5
"""Seconds between the server's own exit and the kill."""

SCRATCH = (Mount(type="tmpfs", target="/tmp", size_mb=64),)
"""The only place where a server can write."""


def environment(name: str, grace_s: int) -> dict[str, str]:
    """What the runtime reads for every server. name: physical; grace_s: for the calls in flight."""
    return {
        "PORT": str(PORT),
        "MCP_ALLOWED_HOSTS": f"{name},tasks.{name}",
        "DRAIN_SECONDS": str(DRAIN_S),
        "GRACE_SECONDS": str(grace_s),
    }


def stop_grace_s(grace_s: int) -> float:
    """Seconds from SIGTERM to the kill, of which the calls in flight have `grace_s`."""
    return float(DRAIN_S + grace_s + SPARE_S)


def files(secrets: Iterable[str]) -> tuple[File, ...]:
    """Credentials as files named after their variables."""
    return tuple(File(env.lower().replace("_", "-"), env) for env in sorted(secrets))


def mcp_service(
    server: Server,
    prefix: str,
    secrets: Iterable[str] = (),
    needs: tuple[str, ...] = (),
) -> Workload:
    """The workload of one server. prefix: of physical names. secrets: names of its credentials;
    needs: the workloads that they come from.
    """
    deploy = server.deploy
    name = names.physical(prefix, server.name)
    return Workload(
        name=server.name,
        user=UID,
        port=PORT,
        replicas=deploy.replicas,
        env={**server.env, **environment(name, deploy.grace_s)},
        secrets=files(secrets),
        mounts=SCRATCH,
        health=Health(
            test=["CMD", *HEALTH_CHECK],
            interval_s=deploy.health.interval_s,
            timeout_s=deploy.health.timeout_s,
            retries=deploy.health.retries,
            start_period_s=deploy.health.start_period_s,
        ),
        resources=Resources(
            cpus=deploy.resources.cpus,
            memory_mb=deploy.resources.memory_mb,
            pids=deploy.resources.pids,
            # Less than the limits: replicas rarely need all of it, and never all at once.
            reserve_cpus=round(deploy.resources.cpus / 4, 3),
            reserve_memory_mb=deploy.resources.memory_mb // 2,
            gpus=deploy.resources.gpus,
        ),
        placement=Placement(
            constraints=[f"node.labels.{TIER_LABEL} == primary"] if deploy.tier == 1 else [],
            spread=[f"node.labels.{NODE_LABEL}"],
        ),
        # The old task holds its GPU until it ends, and there may be no other.
        order="stop-first" if deploy.resources.gpus else "start-first",
        stop_grace_s=stop_grace_s(deploy.grace_s),
        labels={"sophia.server": server.name, "sophia.tier": str(deploy.tier)},
        needs=needs,
        networks=(EDGE, *(SHARED[need] for need in needs if need in SHARED)),
    )
