"""The typed inputs of a Swarm service. Plain values only; `render.py` makes the API's JSON of them.

Seconds are `float` and end in `_s`, memory is whole MiB and ends in `_mb`, modes are `int`
(0o400). Defaults are the safe ones: read-only root, every capability dropped, limits set.
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.runtime.declare import prop


@dataclass(frozen=True)
class File:
    """A Swarm secret (below /run/secrets) or config (anywhere) as a file in the container.

    `id` and `name` are the outputs of `Secret` (secret_id, secret_name) or `Config`.
    """

    id: str = prop()
    name: str = prop()
    target: str = prop(doc="Secret: file name below /run/secrets. Config: absolute path.")
    uid: int = prop(default=0)
    gid: int = prop(default=0)
    mode: int = prop(default=0o400, doc="Permission bits, for example 0o400 (256).")


@dataclass(frozen=True)
class Mount:
    """A bind mount (the source must exist on the node), a named volume, or a tmpfs."""

    type: str = prop(doc="bind, volume or tmpfs")
    target: str = prop()
    source: str = prop(default="", doc="Node path or volume name; empty for tmpfs.")
    read_only: bool = prop(default=False)
    size_mb: int | None = prop(default=None, doc="tmpfs only: its size limit in MiB.")


@dataclass(frozen=True)
class Port:
    """A port of the container published on the task's own node (host mode, no routing mesh)."""

    published: int = prop()
    target: int = prop()
    protocol: str = prop(default="tcp")


@dataclass(frozen=True)
class Health:
    """A health check. A task counts as running only after its first success."""

    test: list[str] = prop(doc='["CMD", "program", …] or ["CMD-SHELL", "line"], as Docker has it.')
    interval_s: float = prop(default=5.0)
    timeout_s: float = prop(default=3.0)
    retries: int = prop(default=3)
    start_period_s: float = prop(default=30.0, doc="Failures in this time are not counted.")


@dataclass(frozen=True)
class Resources:
    """Limits of one task, and what the scheduler sets aside for it."""

    cpus: float = prop(default=1.0)
    memory_mb: int = prop(default=256)
    pids: int = prop(default=256)
    reserve_cpus: float = prop(default=0.0)
    reserve_memory_mb: int = prop(default=0)
    gpus: int = prop(
        default=0,
        doc="Whole GPUs for this task alone, which is placed where they are free. Nodes publish"
        " theirs by `NodeSetup`.",
    )


@dataclass(frozen=True)
class Placement:
    """Where tasks may run (`node.labels.tier == primary`) and over what they are spread."""

    constraints: list[str] = prop(default_factory=list)
    spread: list[str] = prop(default_factory=list, doc="For example node.labels.zone or node.id.")


@dataclass(frozen=True)
class Update:
    """How a new spec is rolled out; monitor_s must be longer than the health check's window."""

    order: str = prop(default="start-first", doc="start-first or stop-first (state, host ports)")
    parallelism: int = prop(default=1)
    delay_s: float = prop(default=0.0)
    monitor_s: float = prop(default=30.0, doc="How long tasks must run to count as converged.")
    failure_action: str = prop(default="rollback", doc="rollback, pause or continue")


@dataclass(frozen=True)
class Restart:
    """When Swarm replaces a task that ended. max_attempts 0: without limit."""

    condition: str = prop(default="any", doc="any or on-failure")
    delay_s: float = prop(default=5.0)
    max_attempts: int = prop(default=0)
    window_s: float = prop(default=0.0)


@dataclass(frozen=True)
class Registry:
    """Credentials for the image's pull: sent in a header, never part of the spec."""

    server: str = prop()
    username: str = prop()
    password: str = prop(secret=True)


@dataclass(frozen=True)
class TaskInputs:
    """What the container of a service's or a job's task is made of, and where it may run."""

    name: str = prop(replace=True, doc="Physical name, at most 63 characters; the DNS name too.")
    image: str = prop(doc="With its digest: server/name@sha256:… (a tag may move).")
    command: list[str] = prop(default_factory=list, doc="Entrypoint; empty: the image's own.")
    args: list[str] = prop(default_factory=list)
    env: dict[str, str] = prop(default_factory=dict, doc="No secrets here: those are files.")
    user: str = prop(default="", doc='For example "10001:10001"; empty: the image\'s own.')
    networks: list[str] = prop(default_factory=list, doc="Network ids.")
    secrets: list[File] = prop(default_factory=list)
    configs: list[File] = prop(default_factory=list)
    mounts: list[Mount] = prop(default_factory=list)
    resources: Resources = prop(default_factory=Resources)
    placement: Placement = prop(default_factory=Placement)
    stop_grace_s: float = prop(default=30.0, doc="From SIGTERM to SIGKILL.")
    read_only_root: bool = prop(default=True)
    capabilities_add: list[str] = prop(default_factory=list, doc="All others are dropped.")
    init: bool = prop(default=True, doc="Docker's init as the first process.")
    hostname: str | None = prop(default=None)
    labels: dict[str, str] = prop(
        default_factory=dict, doc="Of the service: no restart. A job takes them to its next run."
    )
    registry: Registry | None = prop(default=None)


@dataclass(frozen=True)
class ServiceInputs(TaskInputs):
    """Everything one Swarm service is made of."""

    mode: str = prop(default="replicated", replace=True, doc="replicated or global")
    replicas: int = prop(default=1, doc="Not looked at in global mode.")
    ports: list[Port] = prop(default_factory=list)
    health: Health | None = prop(default=None, doc="None: the image's own, if it has one.")
    update: Update = prop(default_factory=Update)
    restart: Restart = prop(default_factory=Restart)


@dataclass(frozen=True)
class JobInputs(TaskInputs):
    """A task that runs to its end. It has no health check, its image's own neither."""

    tasks: int = prop(default=1, doc="How many run, all at once; each has to exit with 0.")
    retries: int = prop(default=0, doc="How many tasks may fail before the job has failed.")
    triggers: dict[str, str] = prop(
        default_factory=dict, doc="Any changed value runs it again, as any other input does."
    )


@dataclass(frozen=True)
class JobOutputs:
    """How the last run ended."""

    exit_status: int = prop(volatile=True, doc="0, or the one of a failed task; -1: it had none.")
    logs: list[str] = prop(secret=True, volatile=True, doc="The last lines that it wrote.")


@dataclass(frozen=True)
class ServiceOutputs:
    """`service_id` and `dns_name` never change, so that what depends on them does not either."""

    service_id: str = prop()
    dns_name: str = prop(doc="tasks.<name>: resolves to every healthy task on a shared network.")
    condition: str = prop(
        volatile=True, doc="Empty while exactly the wanted spec runs; else what is different."
    )
    proven: bool = prop(
        default=False,
        volatile=True,
        doc="Whether this spec has run, healthy on all replicas: lost health is then no failure "
        "of the rollout.",
    )
