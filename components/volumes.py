"""Volumes: their homes, chosen before there are machines, and the directories on them."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.handles import ClusterHandle, NodeHandle, VolumeHandle
from components.plan import volumes as plan
from components.plan.nodes import NodePlan
from components.plan.volumes import VolumePlan
from providers.swarm import resources as swarm


def home(
    volume: VolumePlan,
    nodes: Sequence[NodePlan],
    wanted: str,
    confirm_data_loss: str,
    opts: pulumi.ResourceOptions,
    apart: swarm.VolumeHome | None = None,
) -> swarm.VolumeHome:
    """The volume's node, known before the machines. wanted: a node's name, "" for any. apart: the
    home of a volume that must be on another node.
    """
    return swarm.VolumeHome(
        f"{volume.name}-home",
        name=volume.name,
        candidates=apart.home.apply(lambda other: plan.candidates(nodes, other))
        if apart
        else plan.candidates(nodes),
        node=wanted,
        confirm_data_loss=confirm_data_loss,
        opts=opts,
    )


def held_by(name: str, homes: Sequence[swarm.VolumeHome]) -> pulumi.Output[list[str]]:
    """The ids of the volumes on the node of that name."""
    known = [pulumi.Output.all(home.home, home.volume_id) for home in homes]
    return pulumi.Output.all(*known).apply(lambda all: [id for node, id in all if node == name])


def directory(
    volume: VolumePlan,
    home: swarm.VolumeHome,
    machines: Sequence[NodeHandle],
    cluster: ClusterHandle,
    confirm_data_loss: str,
    parent: pulumi.Resource,
) -> VolumeHandle:
    """The volume's directory on its home."""
    by_name = {machine.name: machine for machine in machines}
    # Only its own node's values: the replacement of another node doesn't affect the volume.
    instance_id: pulumi.Output[str] = home.home.apply(lambda name: by_name[name].instance_id)
    made = swarm.Volume(
        f"{volume.name}-volume",
        name=volume.name,
        volume_id=home.volume_id,
        node=home.home,
        instance_id=instance_id,
        address=home.home.apply(lambda name: by_name[name].address),
        host_key=home.home.apply(lambda name: by_name[name].host_key),
        path=volume.path,
        uid=volume.uid,
        mode=volume.mode,
        is_copy=volume.is_copy,
        confirm_data_loss=confirm_data_loss,
        opts=pulumi.ResourceOptions(parent=parent, provider=cluster.provider),
    )
    return VolumeHandle(made.volume_id, made.node, instance_id)
