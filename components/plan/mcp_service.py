"""A catalog entry as the plain part of a Swarm service; ids and images come at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.catalog.model import Health as Check
from components.catalog.model import Server
from components.plan import names
from components.plan.nodes import NODE_LABEL, TIER_LABEL
from providers.swarm.services.model import Health, Mount, Placement, Resources, Update

UID = 10001
"""User and group in every server's image (mcp_catalog/base/Dockerfile)."""

HEALTH_CHECK = ("python", "-I", "-S", "/opt/server/sophia_mcp/healthcheck.py")
"""In every server's image. Without site packages it starts in half the time."""

DRAIN_S, GRACE_S = 5, 20
"""After SIGTERM: seconds in which requests are still taken, then for the calls in flight."""

SPARE_S = 5
"""Seconds between the server's own end and the kill."""


@dataclass(frozen=True)
class ServicePlan:
    """Keyword arguments of `swarm.Service` that are known before anything runs."""

    name: str
    replicas: int
    env: Mapping[str, str]
    user: str
    mounts: tuple[Mount, ...]
    health: Health
    resources: Resources
    placement: Placement
    update: Update
    stop_grace_s: float
    labels: Mapping[str, str]

    def inputs(self) -> dict[str, object]:
        """As keyword arguments of `swarm.Service`."""
        return {
            "name": self.name,
            "replicas": self.replicas,
            "env": dict(self.env),
            "user": self.user,
            "mounts": list(self.mounts),
            "health": self.health,
            "resources": self.resources,
            "placement": self.placement,
            "update": self.update,
            "stop_grace_s": self.stop_grace_s,
            "labels": dict(self.labels),
        }


def mcp_service(server: Server, prefix: str) -> ServicePlan:
    """The service of one server. prefix: of physical names."""
    deploy = server.deploy
    name = names.physical(prefix, server.name)
    env = {
        **server.env,
        "PORT": str(deploy.port),
        "MCP_ALLOWED_HOSTS": f"{name},tasks.{name}",
        "DRAIN_SECONDS": str(DRAIN_S),
        "GRACE_SECONDS": str(GRACE_S),
    }
    constraints = [f"node.labels.{TIER_LABEL} == primary"] if deploy.tier == 1 else []
    return ServicePlan(
        name=name,
        replicas=deploy.replicas,
        env=env,
        user=f"{UID}:{UID}",
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=64),),
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
        ),
        placement=Placement(constraints=constraints, spread=[f"node.labels.{NODE_LABEL}"]),
        update=Update(order="start-first", monitor_s=monitor_s(deploy.health)),
        stop_grace_s=float(DRAIN_S + GRACE_S + SPARE_S),
        labels={"sophia.server": server.name, "sophia.tier": str(deploy.tier)},
    )


def monitor_s(check: Check) -> float:
    """Seconds a new task is watched: longer than a health check takes to tell that it fails, the
    last time by hanging. One that hangs each time takes longer, and is found by the next `up`."""
    return float(check.retries * check.interval_s + check.timeout_s + 2)
