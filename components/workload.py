"""A workload on the Swarm: its secrets and configs, then its service, or its job and schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pulumi

from components.handles import Ground, JobHandle, ServiceHandle, VolumeHandle
from components.plan import policies
from components.plan import workload as plan
from components.plan.workload import File, Workload
from providers.swarm import resources as swarm
from providers.swarm.services.model import TaskInputs


@dataclass(frozen=True)
class Given:
    """What a workload gets that is only known when something runs.

    image: with its digest. contents: of its secrets and configs, by target. The workload waits for
    whatever any of these waits for. volume: for a workload that has one.
    needed: what it starts after.
    """

    image: pulumi.Input[str]
    contents: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    volume: VolumeHandle | None = None
    needed: Sequence[ServiceHandle | JobHandle] = ()


def deploy(
    workload: Workload, ground: Ground, given: Given, parent: pulumi.Resource
) -> ServiceHandle:
    """Creates all of it below `parent`. What uses the handle's outputs waits until it is healthy.

    Raises KeyError or ValueError for a content or a volume that was not given. An image without a
    digest ends the program once the reference is known.
    """
    planned = plan.service_inputs(workload, ground.prefix)
    opts = _options(ground, parent)
    inputs = _inputs(planned, workload, ground, given, opts)
    if given.volume is not None:
        # Its tasks start anew on another machine: what needs it waits again until it is healthy.
        inputs["labels"] = {**inputs.get("labels", {}), "sophia.machine": given.volume.instance_id}
    service = swarm.Service(f"{workload.name}-service", opts=_after(opts, given), **inputs)
    return ServiceHandle(
        name=workload.name,
        physical_name=planned.name,
        dns_name=service.dns_name,
        port=workload.port,
        ready=service,
    )


def deploy_job(
    workload: Workload, ground: Ground, given: Given, parent: pulumi.Resource
) -> JobHandle:
    """The same for a job, which runs now, and for a cron's schedule, which runs it again. One that
    has a volume also runs again once that is on another machine."""
    planned = plan.job_inputs(workload, ground.prefix)
    opts = _options(ground, parent)
    inputs = _inputs(planned, workload, ground, given, opts)
    if given.volume is not None:
        # A new disk has nothing of what the job did on the former one.
        inputs["triggers"] = {"machine": given.volume.instance_id}
    job = swarm.Job(f"{workload.name}-job", opts=_after(opts, given), **inputs)
    if workload.kind == "cron":
        swarm.Schedule(
            f"{workload.name}-schedule",
            job=planned.name,
            calendar=workload.schedule,
            managers=[
                {
                    "node": manager.name,
                    "instance_id": manager.instance_id,
                    "address": manager.address,
                    "host_key": manager.host_key,
                }
                for manager in ground.cluster.managers
            ],
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[job])),
        )
    return JobHandle(name=workload.name, ready=job)


def _options(ground: Ground, parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent, provider=ground.cluster.provider)


def _after(opts: pulumi.ResourceOptions, given: Given) -> pulumi.ResourceOptions:
    needed = pulumi.ResourceOptions(depends_on=[handle.ready for handle in given.needed])
    return pulumi.ResourceOptions.merge(opts, needed)


def _inputs(
    planned: TaskInputs,
    workload: Workload,
    ground: Ground,
    given: Given,
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """The planned inputs, with the given values instead of the placeholders."""
    # Leave out empty values, as a person would.
    inputs = {
        item.name: value
        for item in fields(planned)
        if (value := getattr(planned, item.name)) not in (None, "", [], {})
    }
    if workload.secrets:
        inputs["secrets"] = [
            _file("secret", one, workload, ground, given, opts) for one in workload.secrets
        ]
    if workload.configs:
        inputs["configs"] = [
            _file("config", one, workload, ground, given, opts) for one in workload.configs
        ]
    if workload.volume is not None:
        if given.volume is None:
            raise ValueError(f"workload {workload.name} needs a volume, but was given none")
        node = given.volume.node.apply(plan.on_node)
        inputs["env"] = {**workload.env, workload.volume.variable: given.volume.volume_id}
        inputs["placement"] = {
            "constraints": [*workload.placement.constraints, node],
            "spread": list(workload.placement.spread),
        }
    inputs["image"] = pulumi.Output.from_input(given.image).apply(
        lambda image: policies.by_digest(workload.name, image)
    )
    inputs["networks"] = [ground.networks[name].network_id for name in workload.networks]
    inputs["registry"] = {
        "server": ground.registry.server,
        "username": ground.registry.username,
        "password": ground.registry.password,
    }
    return inputs


def _file(
    kind: Literal["secret", "config"],
    file: File,
    workload: Workload,
    ground: Ground,
    given: Given,
    opts: pulumi.ResourceOptions,
) -> dict[str, object]:
    """Creates a secret or config, and returns how it is mounted."""
    make = swarm.Secret if kind == "secret" else swarm.Config
    made = make(
        f"{workload.name}-{file.role}",
        name_prefix=file.prefix(ground.prefix, workload.name),
        data=given.contents[file.target],
        opts=opts,
    )
    return {
        "id": getattr(made, f"{kind}_id"),
        "name": getattr(made, f"{kind}_name"),
        "target": file.target,
        "uid": workload.user,
        "gid": workload.user,
    }
