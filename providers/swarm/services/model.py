"""The typed inputs of a Swarm service. Plain values; `render.py` turns them into the API's JSON.

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

    id: str = prop(doc="Output secretId or configId.")
    name: str = prop(doc="Output secretName or configName.")
    target: str = prop(doc="Secret: file name below /run/secrets. Config: absolute path.")
    uid: int = prop(default=0, doc="Owner's number.")
    gid: int = prop(default=0, doc="Group's number.")
    mode: int = prop(default=0o400, doc="Permission bits, for example 0o400 (256).")


@dataclass(frozen=True)
class Mount:
    """A bind mount (the source must exist on the node), a named volume, or a tmpfs."""

    type: str = prop(doc="bind, volume or tmpfs")
    target: str = prop(doc="Path in the container.")
    source: str = prop(default="", doc="Node path or volume name; empty for tmpfs.")
    read_only: bool = prop(default=False, doc="Whether the container may only read.")
    size_mb: int | None = prop(default=None, doc="tmpfs only: its size limit in MiB.")
    recursive: bool = prop(default=True, doc="bind only: with what is mounted below the source.")


@dataclass(frozen=True)
class Port:
    """A port of the container published on the task's own node (host mode, no routing mesh)."""

    published: int = prop(doc="Port of the node.")
    target: int = prop(doc="Port of the container.")
    protocol: str = prop(default="tcp", doc="tcp or udp")


@dataclass(frozen=True)
class Health:
    """A health check. A task counts as running only after its first success."""

    test: list[str] = prop(doc='["CMD", "program", …] or ["CMD-SHELL", "line"], as Docker has it.')
    interval_s: float = prop(default=5.0, doc="Seconds between two checks.")
    timeout_s: float = prop(default=3.0, doc="Seconds that one check may take.")
    retries: int = prop(default=3, doc="Failures in a row that make a task unhealthy.")
    start_period_s: float = prop(default=30.0, doc="Seconds in which failures don't count.")


@dataclass(frozen=True)
class Resources:
    """Limits of one task, and what the scheduler reserves for it."""

    cpus: float = prop(default=1.0, doc="Limit in processors.")
    memory_mb: int = prop(default=256, doc="Limit in MiB.")
    pids: int = prop(default=256, doc="Limit of processes and threads.")
    reserve_cpus: float = prop(default=0.0, doc="Reserved processors.")
    reserve_memory_mb: int = prop(default=0, doc="Reserved MiB.")
    gpus: int = prop(
        default=0,
        doc="Whole GPUs for this task alone, which is placed where they are free. `NodeSetup`"
        " publishes a node's GPUs.",
    )


@dataclass(frozen=True)
class Placement:
    """Where tasks may run (`node.labels.tier == primary`), and over what they are spread."""

    constraints: list[str] = prop(
        default_factory=list, doc="For example node.role == manager; all must hold."
    )
    spread: list[str] = prop(default_factory=list, doc="For example node.labels.zone or node.id.")


@dataclass(frozen=True)
class Update:
    """How a new spec is rolled out; monitor_s must be longer than the health check's window."""

    order: str = prop(default="start-first", doc="start-first or stop-first (state, host ports)")
    parallelism: int = prop(default=1, doc="Tasks replaced at once.")
    delay_s: float = prop(default=0.0, doc="Seconds between two of them.")
    monitor_s: float = prop(default=30.0, doc="How long tasks must run to count as converged.")
    failure_action: str = prop(default="rollback", doc="rollback, pause or continue")


@dataclass(frozen=True)
class Restart:
    """When Swarm replaces a task that ended. max_attempts 0: without limit."""

    condition: str = prop(default="any", doc="any or on-failure")
    delay_s: float = prop(default=5.0, doc="Seconds before a new task.")
    max_attempts: int = prop(default=0, doc="0: without limit.")
    window_s: float = prop(default=0.0, doc="Seconds in which attempts count.")


@dataclass(frozen=True)
class Registry:
    """Credentials for the image's pull: sent in a header, never part of the spec."""

    server: str = prop(doc="host or host:port.")
    username: str = prop(doc="Of the account.")
    password: str = prop(secret=True, doc="Of the account.")


@dataclass(frozen=True)
class TaskInputs:
    """The container of a service's or a job's task, and where it may run."""

    name: str = prop(replace=True, doc="Physical name, at most 63 characters; the DNS name too.")
    image: str = prop(doc="With its digest: server/name@sha256:… (a tag may move).")
    command: list[str] = prop(default_factory=list, doc="Entrypoint; empty: the image's own.")
    args: list[str] = prop(default_factory=list, doc="Arguments of the command.")
    env: dict[str, str] = prop(default_factory=dict, doc="No secrets here: those are files.")
    user: str = prop(default="", doc='For example "10001:10001"; empty: the image\'s own.')
    networks: list[str] = prop(default_factory=list, doc="Network ids.")
    secrets: list[File] = prop(default_factory=list, doc="Swarm secrets as files.")
    configs: list[File] = prop(default_factory=list, doc="Swarm configs as files.")
    mounts: list[Mount] = prop(default_factory=list, doc="Directories of the node, volumes, tmpfs.")
    resources: Resources = prop(default_factory=Resources, doc="Limits and reservations.")
    placement: Placement = prop(default_factory=Placement, doc="Where tasks may run.")
    stop_grace_s: float = prop(default=30.0, doc="From SIGTERM to SIGKILL.")
    read_only_root: bool = prop(default=True, doc="Whether the root file system is read-only.")
    capabilities_add: list[str] = prop(default_factory=list, doc="All others are dropped.")
    init: bool = prop(default=True, doc="Docker's init as the first process.")
    hostname: str | None = prop(default=None, doc="None: the container's id.")
    labels: dict[str, str] = prop(
        default_factory=dict, doc="Of the service: no restart. A job has them from its next run on."
    )
    registry: Registry | None = prop(default=None, doc="None: images are public.")


@dataclass(frozen=True)
class ServiceInputs(TaskInputs):
    """All inputs of one Swarm service."""

    mode: str = prop(default="replicated", replace=True, doc="replicated or global")
    replicas: int = prop(default=1, doc="Ignored in global mode.")
    ports: list[Port] = prop(default_factory=list, doc="Published on each task's node.")
    health: Health | None = prop(default=None, doc="None: the image's own, if it has one.")
    update: Update = prop(default_factory=Update, doc="How a change is rolled out.")
    restart: Restart = prop(default_factory=Restart, doc="When a task is replaced.")


@dataclass(frozen=True)
class JobInputs(TaskInputs):
    """A task that runs to its end, without a health check, not even its image's."""

    tasks: int = prop(default=1, doc="How many run at the same time; each must exit with 0.")
    retries: int = prop(default=0, doc="How many tasks may fail before the job counts as failed.")
    triggers: dict[str, str] = prop(
        default_factory=dict, doc="Any changed value runs the job again, as any other input does."
    )
    scheduled: bool = prop(
        default=False,
        doc="Whether a `Schedule` runs it later. Then new credentials of the registry run it again:"
        " Swarm takes them no other way.",
    )


@dataclass(frozen=True)
class JobOutputs:
    """How the last run ended."""

    exit_status: int = prop(volatile=True, doc="0, or a failed task's; -1: it had none.")
    logs: list[str] = prop(secret=True, volatile=True, doc="Its last log lines.")


@dataclass(frozen=True)
class ServiceOutputs:
    """`service_id` and `dns_name` never change, so what depends on them doesn't either."""

    service_id: str = prop(doc="Docker's id.")
    dns_name: str = prop(doc="tasks.<name>: resolves to every healthy task on a shared network.")
    condition: str = prop(
        volatile=True, doc="Empty while exactly the wanted spec runs; else what differs."
    )
    proven: bool = prop(
        default=False,
        volatile=True,
        doc="Whether this spec has been healthy on all replicas: then lost health doesn't fail "
        "the rollout.",
    )
