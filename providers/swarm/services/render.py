"""Service inputs → the Engine API's ServiceSpec (1.41). Pure.

Docker: https://docs.docker.com/engine/api/v1.41/#operation/ServiceCreate
"""

from __future__ import annotations

import base64
import hashlib
import json

from providers.swarm import labels
from providers.swarm.services import placement
from providers.swarm.services.model import (
    File,
    Health,
    JobInputs,
    Mount,
    Restart,
    ServiceInputs,
    TaskInputs,
    Update,
)
from providers.swarm.wire import Json

SPEC_LABEL = "sophia.spec"
"""On a service's containers: the hash of their task template."""

_MIB = 1024 * 1024
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


def render(inputs: ServiceInputs, urn: str) -> Json:
    """The whole ServiceSpec. The same inputs give the same spec, byte for byte."""
    template = _task_template(inputs, _health(inputs.health), _restart(inputs.restart))
    template["ContainerSpec"]["Labels"] = {SPEC_LABEL: fingerprint(template)}
    return {
        "Name": inputs.name,
        "Labels": {**inputs.labels, labels.OWNER: labels.owner(urn, inputs.name)},
        "TaskTemplate": template,
        "Mode": _mode(inputs),
        "UpdateConfig": _rollout(inputs.update, inputs.update.failure_action),
        "RollbackConfig": _rollout(inputs.update, "pause"),
        "EndpointSpec": {
            "Mode": "dnsrr",
            "Ports": [
                {
                    "Protocol": port.protocol,
                    "TargetPort": port.target,
                    "PublishedPort": port.published,
                    "PublishMode": "host",
                }
                for port in inputs.ports
            ],
        },
    }


def render_job(inputs: JobInputs, urn: str) -> Json:
    """The ServiceSpec of a job. Its SPEC_LABEL differs whenever it has to run again."""
    condition = "on-failure" if inputs.retries else "none"
    again = _restart(Restart(condition, max_attempts=inputs.retries))
    template = _task_template(inputs, {"Test": ["NONE"]}, again)
    asked = {"template": template, "tasks": inputs.tasks, "triggers": inputs.triggers}
    template["ContainerSpec"]["Labels"] = {SPEC_LABEL: fingerprint(asked)}
    return {
        "Name": inputs.name,
        "Labels": {**inputs.labels, labels.OWNER: labels.owner(urn, inputs.name)},
        "TaskTemplate": template,
        "Mode": {
            "ReplicatedJob": {"MaxConcurrent": inputs.tasks, "TotalCompletions": inputs.tasks},
        },
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def fingerprint(template: Json) -> str:
    """Twelve hex digits that change whenever Swarm has to start new tasks."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def registry_auth(inputs: TaskInputs) -> dict[str, str]:
    """The X-Registry-Auth header: the Engine hands it to the nodes, and never shows it again.

    None for an image from elsewhere: that registry would be sent the password.
    """
    registry = inputs.registry
    if registry is None or not inputs.image.startswith(f"{registry.server}/"):
        return {}
    text = json.dumps(
        {
            "username": registry.username,
            "password": registry.password,
            "serveraddress": registry.server,
        }
    )
    return {"X-Registry-Auth": base64.urlsafe_b64encode(text.encode()).decode()}


def _task_template(inputs: TaskInputs, health: Json, restart: Json) -> Json:
    resources = inputs.resources
    return {
        "ContainerSpec": _container(inputs, health),
        "Resources": {
            "Limits": {
                "NanoCPUs": _nano(resources.cpus),
                "MemoryBytes": resources.memory_mb * _MIB,
                "Pids": resources.pids,
            },
            "Reservations": {
                "NanoCPUs": _nano(resources.reserve_cpus),
                "MemoryBytes": resources.reserve_memory_mb * _MIB,
                **_gpus(resources.gpus),
            },
        },
        "RestartPolicy": restart,
        "Placement": {
            "Constraints": list(inputs.placement.constraints),
            "Preferences": [
                {"Spread": {"SpreadDescriptor": descriptor}}
                for descriptor in inputs.placement.spread
            ],
        },
        "Networks": [{"Target": network} for network in inputs.networks],
        "LogDriver": {"Name": "json-file", "Options": dict(_LOG_OPTIONS)},
    }


def _gpus(count: int) -> Json:
    # Omitted if there are none: writing it would restart existing services.
    if not count:
        return {}
    wanted = {"DiscreteResourceSpec": {"Kind": placement.GPU, "Value": count}}
    return {"GenericResources": [wanted]}


def _restart(restart: Restart) -> Json:
    return {
        "Condition": restart.condition,
        "Delay": _nano(restart.delay_s),
        "MaxAttempts": restart.max_attempts,
        "Window": _nano(restart.window_s),
    }


def _container(inputs: TaskInputs, health: Json) -> Json:
    return {
        "Image": inputs.image,
        "Command": list(inputs.command),
        "Args": list(inputs.args),
        "Env": [f"{key}={value}" for key, value in sorted(inputs.env.items())],
        "User": inputs.user,
        "Hostname": inputs.hostname or "",
        "Init": inputs.init,
        "ReadOnly": inputs.read_only_root,
        "StopGracePeriod": _nano(inputs.stop_grace_s),
        "Privileges": {"NoNewPrivileges": True},
        "CapabilityDrop": ["ALL"],
        "CapabilityAdd": [_capability(name) for name in inputs.capabilities_add],
        "Mounts": [_mount(mount) for mount in inputs.mounts],
        "Healthcheck": health,
        "Secrets": [_file(file, "Secret") for file in inputs.secrets],
        "Configs": [_file(file, "Config") for file in inputs.configs],
    }


def _mode(inputs: ServiceInputs) -> Json:
    if inputs.mode == "global":
        return {"Global": {}}
    return {"Replicated": {"Replicas": inputs.replicas}}


def _rollout(update: Update, failure_action: str) -> Json:
    return {
        "Parallelism": update.parallelism,
        "Delay": _nano(update.delay_s),
        "Monitor": _nano(update.monitor_s),
        "Order": update.order,
        "FailureAction": failure_action,
        "MaxFailureRatio": 0,
    }


def _mount(mount: Mount) -> Json:
    rendered: Json = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.type != "tmpfs":
        # Omitted by default: writing it would restart existing services.
        # Docker takes nothing else for a source below its own folder.
        options = {"NonRecursive": True, "Propagation": "rslave"}
        how = {} if mount.recursive else {"BindOptions": options}
        return rendered | {"Source": mount.source, **how}
    size = {} if mount.size_mb is None else {"SizeBytes": mount.size_mb * _MIB}
    return rendered | {"TmpfsOptions": {**size, "Mode": 0o1777}}


def _health(health: Health | None) -> Json:
    if health is None:
        return {}
    return {
        "Test": list(health.test),
        "Interval": _nano(health.interval_s),
        "Timeout": _nano(health.timeout_s),
        "Retries": health.retries,
        "StartPeriod": _nano(health.start_period_s),
    }


def _file(file: File, kind: str) -> Json:
    return {
        f"{kind}ID": file.id,
        f"{kind}Name": file.name,
        "File": {
            "Name": file.target,
            "UID": str(file.uid),
            "GID": str(file.gid),
            "Mode": file.mode,
        },
    }


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def _nano(units: float) -> int:
    return round(units * 1_000_000_000)
