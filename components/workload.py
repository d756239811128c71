"""A workload on the Swarm: its secrets and configs, then its service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import pulumi

from components.handles import Ground, ServiceHandle, VolumeHandle
from components.plan import workload as plan
from components.plan.workload import File, Workload
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class Given:
    """What a workload gets that is only known when something runs.

    image: with its digest. contents: of its secrets and configs, by target. What any of these
    waits for, the service waits for. volume: for a workload that has one.
    needed: what it starts after.
    """

    image: pulumi.Input[str]
    contents: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    volume: VolumeHandle | None = None
    needed: Sequence[ServiceHandle] = ()


def deploy(
    workload: Workload, ground: Ground, given: Given, parent: pulumi.Resource
) -> ServiceHandle:
    """Makes all of it below `parent`. What takes the handle's outputs waits until it is healthy.

    Raises KeyError or ValueError for a content or a volume that was not given.
    """
    opts = pulumi.ResourceOptions(parent=parent, provider=ground.cluster.provider)
    planned = plan.service_inputs(workload, ground.prefix)
    # What is empty is left out, as a person would.
    inputs = {
        item.name: value
        for item in fields(planned)
        if (value := getattr(planned, item.name)) not in (None, "", [], {})
    }
    if workload.secrets:
        inputs["secrets"] = [
            _secret(one, workload, ground, given, opts) for one in workload.secrets
        ]
    if workload.configs:
        inputs["configs"] = [
            _config(one, workload, ground, given, opts) for one in workload.configs
        ]
    if workload.volume is not None:
        if given.volume is None:
            raise ValueError(f"workload {workload.name} has a volume, and was given none")
        node = given.volume.node.apply(plan.on_node)
        inputs["env"] = {**workload.env, workload.volume.variable: given.volume.volume_id}
        inputs["placement"] = {
            "constraints": [*workload.placement.constraints, node],
            "spread": list(workload.placement.spread),
        }
    inputs["image"] = given.image
    inputs["networks"] = [ground.networks[name].network_id for name in workload.networks]
    inputs["registry"] = {
        "server": ground.registry.server,
        "username": ground.registry.username,
        "password": ground.registry.password,
    }
    after = pulumi.ResourceOptions(depends_on=[handle.ready for handle in given.needed])
    opts = pulumi.ResourceOptions.merge(opts, after)
    service = swarm.Service(f"{workload.name}-service", opts=opts, **inputs)
    return ServiceHandle(
        name=workload.name,
        physical_name=planned.name,
        dns_name=service.dns_name,
        port=workload.port,
        ready=service,
    )


def _secret(
    file: File, workload: Workload, ground: Ground, given: Given, opts: pulumi.ResourceOptions
) -> dict[str, object]:
    made = swarm.Secret(
        f"{workload.name}-{file.role}",
        name_prefix=file.prefix(ground.prefix, workload.name),
        data=given.contents[file.target],
        opts=opts,
    )
    return _mounted(file, workload, made.secret_id, made.secret_name)


def _config(
    file: File, workload: Workload, ground: Ground, given: Given, opts: pulumi.ResourceOptions
) -> dict[str, object]:
    made = swarm.Config(
        f"{workload.name}-{file.role}",
        name_prefix=file.prefix(ground.prefix, workload.name),
        data=given.contents[file.target],
        opts=opts,
    )
    return _mounted(file, workload, made.config_id, made.config_name)


def _mounted(
    file: File, workload: Workload, id: pulumi.Output[str], name: pulumi.Output[str]
) -> dict[str, object]:
    owner = workload.user
    return {"id": id, "name": name, "target": file.target, "uid": owner, "gid": owner}
