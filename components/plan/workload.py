"""What runs on the Swarm, as one value: an MCP server, the database, the gateway. Pure.

A workload says everything that is known before anything runs. Ids, digests and the contents of
files come later; `service_inputs` has stand-ins for them, so that a first preview checks all rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.plan import names
from components.plan.nodes import NODE_LABEL
from components.plan.volumes import VolumePlan
from providers.swarm.services import model
from providers.swarm.services.model import Health, Mount, Placement, Port, Resources, Update
from providers.swarm.services.patience import watched_s

Kind = Literal["service", "global"]
"""`service`: so many replicas. `global`: one task on every node that fits."""

_MODE = {"service": "replicated", "global": "global"}
_LATER = "known-later"


@dataclass(frozen=True)
class File:
    """A file in the container, kept as a Swarm secret or config.

    role: end of its resource's name. target: a name below /run/secrets, for a config an absolute
    path. called: end of its physical name in the Swarm; defaults to the target.
    """

    role: str
    target: str
    called: str = ""

    def prefix(self, prefix: str, owner: str) -> str:
        """What its physical name begins with."""
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
    of its files. port: where its tasks listen, for others on its networks; ports: published.
    needs: names of workloads that must be healthy before this one starts.
    networks: names of those that it is on, see `networks`.
    order: `stop-first` where two tasks must never run at once (state, host ports).
    stop_grace_s: seconds from SIGTERM to SIGKILL.
    """

    name: str
    user: int
    port: int
    health: Health
    resources: Resources
    stop_grace_s: float
    order: Literal["start-first", "stop-first"] = "start-first"
    kind: Kind = "service"
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


def service_inputs(workload: Workload, prefix: str) -> model.ServiceInputs:
    """The Swarm service, with stand-ins for what is only known when something runs."""
    volume, placement = workload.volume, workload.placement
    mounts, env = list(workload.mounts), dict(workload.env)
    if volume is not None:
        mounts.insert(0, Mount(type="bind", source=volume.plan.path, target=volume.target))
        env[volume.variable] = _LATER
        placement = dataclasses.replace(
            placement, constraints=[*placement.constraints, on_node(_LATER)]
        )
    return model.ServiceInputs(
        name=names.physical(prefix, workload.name),
        image=f"{_LATER}@sha256:0",
        command=list(workload.command),
        args=list(workload.args),
        env=env,
        user=f"{workload.user}:{workload.user}",
        mode=_MODE[workload.kind],
        replicas=workload.replicas,
        networks=list(workload.networks),
        secrets=[_stand_in(file, workload) for file in workload.secrets],
        configs=[_stand_in(file, workload) for file in workload.configs],
        mounts=mounts,
        ports=list(workload.ports),
        health=workload.health,
        resources=workload.resources,
        placement=placement,
        update=Update(order=workload.order, monitor_s=watched_s(workload.health)),
        stop_grace_s=workload.stop_grace_s,
        labels=dict(workload.labels),
    )


def on_node(node: str) -> str:
    """The constraint of tasks that run on the node of that plain name."""
    return f"node.labels.{NODE_LABEL} == {node}"


def _stand_in(file: File, workload: Workload) -> model.File:
    return model.File(_LATER, _LATER, file.target, workload.user, workload.user)
