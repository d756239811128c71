"""What runs on the Swarm, as one value: an MCP server, the database, the gateway, a backup. Pure.

A workload holds everything that is known before anything runs. Ids, digests and the contents of
files come later; `service_inputs` and `job_inputs` have placeholders for them, so that a first
preview checks all rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components.plan import names
from components.plan.nodes import NODE_LABEL
from components.plan.volumes import VolumePlan
from providers.swarm.services import model
from providers.swarm.services.model import Health, Mount, Placement, Port, Resources, Update
from providers.swarm.services.patience import watched_s

Kind = Literal["service", "global", "job", "cron"]
"""`service`: so many replicas. `global`: one task on every node that fits. `job`: one task that
runs to its end, within the `up` that creates or changes it. `cron`: a job that its schedule runs
again."""

JOBS = ("job", "cron")
"""The kinds that run to an end."""

_MODE = {"service": "replicated", "global": "global"}
_LATER = "known-later"


@dataclass(frozen=True)
class File:
    """A file in the container, kept as a Swarm secret or config.

    role: end of its resource's name. target: a name below /run/secrets, for a config an absolute
    path. called: how its physical name in the Swarm ends; defaults to the target.
    """

    role: str
    target: str
    called: str = ""

    def prefix(self, prefix: str, owner: str) -> str:
        """The prefix of its physical name."""
        return names.file_prefix(prefix, owner, self.called or self.target)


@dataclass(frozen=True)
class MountedVolume:
    """A volume in the container, whose tasks run on the volume's node.

    target: an absolute path. variable: the environment variable that has the volume's id.
    """

    plan: VolumePlan
    target: str
    variable: str


@dataclass(frozen=True)
class Workload:
    """One thing that runs.

    name: plain, and the logical name of its component. user: uid and gid of its processes, owner
    of its files. stop_grace_s: seconds from SIGTERM to SIGKILL. hostname: may be a template of
    Swarm's, such as `{{.Node.Hostname}}`; "" for the container's id.
    needs: names of workloads that must be healthy, or jobs that must have succeeded, before this
    one starts. networks: names of its networks, see `networks`.

    Only for kinds that keep running (`workloads.faults` refuses them for a job):
    port: where its tasks listen, for others on its networks; ports: published.
    order: `stop-first` where two tasks must never run at once (state, host ports).

    schedule: when a cron runs, as systemd's calendar expression, in UTC: `*-*-* 03:00`.
    """

    name: str
    user: int
    resources: Resources
    stop_grace_s: float
    kind: Kind = "service"
    schedule: str = ""
    port: int = 0
    health: Health | None = None
    order: Literal["start-first", "stop-first"] = "start-first"
    replicas: int = 1
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[File, ...] = ()
    configs: tuple[File, ...] = ()
    volume: MountedVolume | None = None
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    placement: Placement = field(default_factory=Placement)
    labels: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    hostname: str = ""


def service_inputs(workload: Workload, prefix: str) -> model.ServiceInputs:
    """The Swarm service, with placeholders for what is only known when something runs."""
    health = workload.health
    return model.ServiceInputs(
        **_task(workload, prefix),
        mode=_MODE[workload.kind],
        replicas=workload.replicas,
        ports=list(workload.ports),
        health=health,
        update=Update(order=workload.order, monitor_s=watched_s(health) if health else 0),
    )


def job_inputs(workload: Workload, prefix: str) -> model.JobInputs:
    """The same for a job."""
    return model.JobInputs(**_task(workload, prefix), scheduled=workload.kind == "cron")


def _task(workload: Workload, prefix: str) -> dict[str, Any]:
    """The fields of `model.TaskInputs`."""
    volume, placement = workload.volume, workload.placement
    mounts, env = list(workload.mounts), dict(workload.env)
    if volume is not None:
        mounts.insert(0, Mount(type="bind", source=volume.plan.path, target=volume.target))
        env[volume.variable] = _LATER
        placement = dataclasses.replace(
            placement, constraints=[*placement.constraints, on_node(_LATER)]
        )
    return {
        "name": names.physical(prefix, workload.name),
        "image": f"{_LATER}@sha256:0",
        "command": list(workload.command),
        "args": list(workload.args),
        "env": env,
        "user": f"{workload.user}:{workload.user}",
        "networks": list(workload.networks),
        "secrets": [_stand_in(file, workload) for file in workload.secrets],
        "configs": [_stand_in(file, workload) for file in workload.configs],
        "mounts": mounts,
        "resources": workload.resources,
        "placement": placement,
        "stop_grace_s": workload.stop_grace_s,
        "hostname": workload.hostname or None,
        "labels": dict(workload.labels),
    }


def on_node(node: str) -> str:
    """The constraint of tasks that run on the node of that plain name."""
    return f"node.labels.{NODE_LABEL} == {node}"


def _stand_in(file: File, workload: Workload) -> model.File:
    return model.File(_LATER, _LATER, file.target, workload.user, workload.user)
