"""The Swarm: its identity, its members, and the provider that talks to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from components.handles import ClusterHandle, LoginHandle, NodeHandle
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class SwarmClusterArgs:
    """nodes: all machines; at least one is a manager. user, login: who logs in to them, and how.

    address_pools, subnet_size: for the addresses of overlay networks, fixed for ever.
    token_generation: another text rotates the join tokens.
    recover_on: name of the manager that continues alone when the others are lost for good, or "".
    """

    nodes: Sequence[NodeHandle]
    user: str
    login: LoginHandle
    address_pools: Sequence[str]
    subnet_size: int
    token_generation: str = ""
    recover_on: str = ""


class SwarmCluster(pulumi.ComponentResource):
    """Sets machines up and joins them to one Swarm. handle: for services."""

    handle: ClusterHandle

    def __init__(
        self, name: str, args: SwarmClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:SwarmCluster", name, None, opts)
        managers = tuple(node for node in args.nodes if node.role == "manager")
        workers = tuple(node for node in args.nodes if node.role != "manager")
        founder = managers[0]
        provider_of = partial(
            swarm.Provider,
            managers=[{"address": node.address, "host_key": node.host_key} for node in managers],
            user=args.user,
            private_key=args.login.private_keys,
        )
        joining = provider_of(f"{name}-machines", pulumi.ResourceOptions(parent=self))
        setups = {
            node.name: swarm.NodeSetup(
                f"{name}-{node.name}-setup",
                node=node.name,
                instance_id=node.instance_id,
                address=node.address,
                host_key=node.host_key,
                user=args.user,
                authorized_keys=[args.login.public_key],
                files=[{"path": path, "content": text} for path, text in node.files.items()],
                opts=pulumi.ResourceOptions(parent=self, provider=joining, depends_on=[node.ready]),
            )
            for node in args.nodes
        }
        cluster = swarm.Cluster(
            f"{name}-identity",
            founder={
                "address": founder.address,
                "host_key": founder.host_key,
                "advertise_address": founder.private_address,
            },
            address_pools=list(args.address_pools),
            subnet_size=args.subnet_size,
            token_generation=args.token_generation,
            recover_on=next((n.address for n in managers if n.name == args.recover_on), ""),
            # Each is asked whether it is already in a swarm of ours: all must answer.
            opts=pulumi.ResourceOptions(
                parent=self, provider=joining, depends_on=[setups[node.name] for node in managers]
            ),
        )

        def member(node: NodeHandle, after: Sequence[swarm.Member]) -> swarm.Member:
            return swarm.Member(
                f"{name}-{node.name}",
                node_name=node.physical_name,
                address=node.address,
                host_key=node.host_key,
                advertise_address=node.private_address,
                instance_id=node.instance_id,
                role=node.role,
                labels=dict(node.labels),
                cluster_id=cluster.cluster_id,
                manager_token=cluster.manager_token,
                worker_token=cluster.worker_token,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=joining,
                    depends_on=[setups[node.name], *node.admitted, *after],
                    deleted_with=cluster,
                ),
            )

        members: list[swarm.Member] = []
        # A chain of managers: each changes who is a majority. The provider lets workers in a few at
        # a time, and out one at a time; a chain of them is too long for the SDK at 1,000 nodes.
        for node in managers:
            members.append(member(node, members[-1:]))
        last = members[-1:]
        members += [member(node, last) for node in workers]
        provider = provider_of(
            f"{name}-services",
            pulumi.ResourceOptions(parent=self),
            cluster_id=cluster.cluster_id,
            cluster=cluster,
        )
        self.handle = ClusterHandle(
            provider=provider,
            cluster_id=cluster.cluster_id,
            members=tuple(members),
            managers=managers,
        )
        self.register_outputs({"cluster_id": cluster.cluster_id})
