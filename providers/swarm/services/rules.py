"""The rules for service inputs; reports all faults at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from providers.runtime.declare import Fault
from providers.swarm.naming import name_faults
from providers.swarm.services import placement
from providers.swarm.services.model import JobInputs, ServiceInputs, TaskInputs
from providers.swarm.services.patience import watched_s

_CHOICES = {
    "mode": ("replicated", "global"),
    "update.order": ("start-first", "stop-first"),
    "update.failureAction": ("rollback", "pause", "continue"),
    "restart.condition": ("any", "on-failure"),
}


def faults_of(inputs: ServiceInputs) -> list[Fault]:
    """Every fault of a service that is visible without a cluster."""
    replicas = f"got {inputs.replicas}, expected 0 or more"
    return [
        *_task(inputs),
        *_choices(inputs),
        *([Fault("replicas", replicas)] if inputs.replicas < 0 else []),
        *_rollout(inputs),
    ]


def job_faults(inputs: JobInputs) -> list[Fault]:
    """Every fault of a job that is visible without a cluster."""
    return [
        *_task(inputs),
        *([Fault("tasks", f"got {inputs.tasks}, expected 1 or more")] if inputs.tasks < 1 else []),
        *(
            [Fault("retries", f"got {inputs.retries}, expected 0 or more")]
            if inputs.retries < 0
            else []
        ),
    ]


def _task(inputs: TaskInputs) -> list[Fault]:
    return [
        *name_faults("name", inputs.name, hashed=False),
        *_counts(inputs),
        *_files(inputs),
        *_mounts(inputs),
        *(
            Fault(f"placement.constraints[{index}]", wrong)
            for index, text in enumerate(inputs.placement.constraints)
            if (wrong := placement.fault(text))
        ),
    ]


def _choices(inputs: ServiceInputs) -> Iterator[Fault]:
    values = {
        "mode": inputs.mode,
        "update.order": inputs.update.order,
        "update.failureAction": inputs.update.failure_action,
        "restart.condition": inputs.restart.condition,
    }
    for path, value in values.items():
        if value not in _CHOICES[path]:
            yield Fault(path, f"got {value!r}, expected one of {', '.join(_CHOICES[path])}")


def _counts(inputs: TaskInputs) -> Iterator[Fault]:
    resources = inputs.resources
    if not inputs.image:
        yield Fault("image", "expected an image, got nothing")
    if resources.memory_mb < 6:
        yield Fault("resources.memoryMb", f"got {resources.memory_mb}, expected at least 6")
    if resources.cpus <= 0 or resources.pids <= 0:
        yield Fault("resources", "expected limits of cpus and pids above 0")
    if resources.gpus < 0:
        yield Fault("resources.gpus", f"got {resources.gpus}, expected 0 or more")
    if resources.reserve_memory_mb > resources.memory_mb:
        yield Fault("resources.reserveMemoryMb", "more is reserved than the limit allows")
    if resources.reserve_cpus > resources.cpus:
        yield Fault("resources.reserveCpus", "more is reserved than the limit allows")


def _files(inputs: TaskInputs) -> Iterator[Fault]:
    for path, files in (("secrets", inputs.secrets), ("configs", inputs.configs)):
        targets = [file.target for file in files]
        for index, target in enumerate(targets):
            if not target or target in targets[:index]:
                yield Fault(f"{path}[{index}].target", f"{target!r} is empty or listed twice")


def _mounts(inputs: TaskInputs) -> Iterator[Fault]:
    for index, mount in enumerate(inputs.mounts):
        path = f"mounts[{index}]"
        if mount.type not in ("bind", "volume", "tmpfs"):
            yield Fault(f"{path}.type", f"got {mount.type!r}, expected bind, volume or tmpfs")
        if not mount.target.startswith("/"):
            yield Fault(f"{path}.target", f"got {mount.target!r}, expected an absolute path")
        if (mount.type == "tmpfs") != (not mount.source):
            yield Fault(f"{path}.source", "bind and volume need one, a tmpfs has none")
        if mount.type != "tmpfs" and mount.size_mb is not None:
            yield Fault(f"{path}.sizeMb", f"only for tmpfs, not for {mount.type}")
        if mount.type != "bind" and not mount.recursive:
            yield Fault(f"{path}.recursive", f"only a bind can be without, not a {mount.type}")


def _rollout(inputs: ServiceInputs) -> Iterator[Fault]:
    health, update = inputs.health, inputs.update
    if inputs.ports and update.order == "start-first":
        yield Fault(
            "update.order",
            "start-first can't work: the old task still holds the host port; use stop-first",
        )
    if health is not None and not health.test:
        yield Fault("health.test", "expected a command")
    if health is not None and update.monitor_s < watched_s(health):
        yield Fault(
            "update.monitorS",
            f"got {update.monitor_s:g} s, expected at least {watched_s(health):g} s (retries x "
            "interval of the health check, and a little): it could not see the check fail",
        )
