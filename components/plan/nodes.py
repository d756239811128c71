"""Which machines there are: node groups written out, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeGroup:
    """Machines of the same kind. instance_types and regions are tried in order.

    role: `manager` or `worker`; tier: `primary` or `secondary`.
    generation: change it to replace the group's machines. replace: by machine, a token; change it
    to replace that one.
    """

    name: str
    count: int
    role: str
    tier: str
    instance_types: tuple[str, ...]
    regions: tuple[str, ...]
    image_family: str
    generation: str
    replace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodePlan:
    """One planned machine. name: `<group>-<number from 1>`; labels: what its Swarm node carries.

    instance_types, regions: preferences of a launch. image_family, generation: what the machine is;
    another one is another machine.
    """

    name: str
    role: str
    tier: str
    instance_types: tuple[str, ...]
    regions: tuple[str, ...]
    image_family: str
    generation: str
    labels: dict[str, str]

    @property
    def machine(self) -> str:
        """What the machine is, as a text: another text means another disk."""
        return f"{self.image_family} {self.generation}"

    @property
    def gpu(self) -> bool:
        """Whether the machine may have GPUs."""
        return any(map(gpus, self.instance_types))

    @property
    def gpus(self) -> int:
        """How many GPUs the machine has at least, whichever type is rented."""
        return min(map(gpus, self.instance_types))


def gpus(instance_type: str) -> int:
    """How many a machine of that type has. Lambda Cloud's names say so: `gpu_8x_h100_sxm5`."""
    found = re.match(r"gpu_(\d+)x_", instance_type)
    return int(found[1]) if found else 0


TIER_LABEL = "tier"
NODE_LABEL = "node"
"""A node's plain name; Swarm can spread only over labels."""
GPU_LABEL = "gpu"
"""`true` on a node that has GPUs, whichever type is rented."""


def node_names(groups: Iterable[NodeGroup]) -> list[str]:
    """The names of all machines, in the order of the configuration."""
    return [f"{group.name}-{number + 1}" for group in groups for number in range(group.count)]


def _generation(group: NodeGroup, name: str) -> str:
    """The group's generation, with the machine's own token if it has one."""
    return "/".join(filter(None, (group.generation, group.replace.get(name))))


def _gpu_label(group: NodeGroup) -> dict[str, str]:
    return {GPU_LABEL: "true"} if all(map(gpus, group.instance_types)) else {}


def nodes(groups: Iterable[NodeGroup]) -> tuple[NodePlan, ...]:
    """Every machine of the platform."""
    return tuple(
        NodePlan(
            name=name,
            role=group.role,
            tier=group.tier,
            instance_types=group.instance_types,
            regions=group.regions,
            image_family=group.image_family,
            generation=_generation(group, name),
            labels={TIER_LABEL: group.tier, NODE_LABEL: name, **_gpu_label(group)},
        )
        for group in groups
        for name in node_names([group])
    )
