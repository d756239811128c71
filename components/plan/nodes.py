"""Which machines there are: node groups written out, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeGroup:
    """Machines that are alike. instance_types and regions are tried in order.

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
    """One machine to be. name: `<group>-<number from 1>`; labels: what its Swarm node carries.

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
    def gpu(self) -> bool:
        """Whether the machine has GPUs. Lambda Cloud's names say so: `gpu_1x_a10`."""
        return any(kind.startswith("gpu_") for kind in self.instance_types)


TIER_LABEL = "tier"
NODE_LABEL = "node"
"""A node's plain name; Swarm can only spread over labels."""
DATABASE_LABEL = "sophia.database"


def node_names(groups: Iterable[NodeGroup]) -> list[str]:
    """The names of all machines, in the order of the configuration."""
    return [f"{group.name}-{number + 1}" for group in groups for number in range(group.count)]


def _generation(group: NodeGroup, name: str) -> str:
    """The group's, and the machine's own token where it has one."""
    return "/".join(filter(None, (group.generation, group.replace.get(name))))


def default_database_node(groups: Iterable[NodeGroup]) -> str:
    """Where the database's data live unless settings say: the first machine on primary nodes.

    "" when there is no machine at all.
    """
    every = list(groups)
    primary = [group for group in every if group.tier == "primary"] or every
    return next(iter(node_names(primary)), "")


def nodes(groups: Iterable[NodeGroup], database_node: str) -> tuple[NodePlan, ...]:
    """Every machine of the platform; exactly one carries the database's label."""
    return tuple(
        NodePlan(
            name=name,
            role=group.role,
            tier=group.tier,
            instance_types=group.instance_types,
            regions=group.regions,
            image_family=group.image_family,
            generation=_generation(group, name),
            labels={TIER_LABEL: group.tier, NODE_LABEL: name}
            | ({DATABASE_LABEL: "true"} if name == database_node else {}),
        )
        for group in groups
        for name in node_names([group])
    )
