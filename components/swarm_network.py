"""An overlay network on which services talk to one another."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.handles import ClusterHandle, NetworkHandle
from components.plan import names
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class SwarmNetworkArgs:
    """prefix: of physical names. encrypted: IPsec between nodes. mtu: bytes, 0 for Docker's own.

    internal: the network has no way out.
    """

    cluster: ClusterHandle
    prefix: str
    encrypted: bool
    mtu: int
    internal: bool = False


class SwarmNetwork(pulumi.ComponentResource):
    """One overlay network. handle: for services that join it."""

    handle: NetworkHandle

    def __init__(
        self, name: str, args: SwarmNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:SwarmNetwork", name, None, opts)
        network = swarm.Network(
            f"{name}-overlay",
            name_prefix=names.physical(args.prefix, name),
            encrypted=args.encrypted,
            mtu=args.mtu or None,
            internal=args.internal or None,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.cluster.provider,
                depends_on=list(args.cluster.members),
            ),
        )
        self.handle = NetworkHandle(name=name, network_id=network.network_id)
        self.register_outputs({"network_id": network.network_id})
