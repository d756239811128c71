"""The platform's database: one PostgreSQL server, its data on one node's disk."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.handles import (
    ClusterHandle,
    NetworkHandle,
    RegistryHandle,
    ServiceHandle,
    VolumeHandle,
)
from components.plan import database as plan
from components.plan import names
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class DatabaseArgs:
    """prefix: of physical names. image: with its digest. memory_mb: the container's limit."""

    prefix: str
    cluster: ClusterHandle
    network: NetworkHandle
    registry: RegistryHandle
    volume: VolumeHandle
    image: pulumi.Input[str]
    memory_mb: int = 1024


class Database(pulumi.ComponentResource):
    """Done when the server answers queries. Its data stay on the node when it is destroyed.

    handle: for services on the same network. url: with the password, secret; whoever takes it is
    made after the database is healthy.
    """

    handle: ServiceHandle
    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args.cluster.provider)
        # No punctuation: clients put it into addresses of their own making.
        password = random.RandomPassword(
            f"{name}-password", length=32, special=False, opts=pulumi.ResourceOptions(parent=self)
        )
        secret = swarm.Secret(
            f"{name}-password-file",
            name_prefix=names.file_prefix(args.prefix, name, plan.PASSWORD_SECRET),
            data=password.result,
            opts=child,
        )
        fields = plan.service_fields(args.prefix, name, args.memory_mb)
        service = swarm.Service(
            f"{name}-service",
            **fields,
            image=args.image,
            env=args.volume.volume_id.apply(plan.environment),
            placement={"constraints": [args.volume.node.apply(plan.constraint)]},
            networks=[args.network.network_id],
            secrets=[
                {
                    "id": secret.secret_id,
                    "name": secret.secret_name,
                    "target": plan.PASSWORD_SECRET,
                    "uid": plan.USER_ID,
                    "gid": plan.USER_ID,
                }
            ],
            registry={
                "server": args.registry.server,
                "username": args.registry.username,
                "password": args.registry.password,
            },
            opts=child,
        )
        self.handle = ServiceHandle(
            name=name,
            physical_name=fields["name"],
            dns_name=service.dns_name,
            port=plan.PORT,
        )
        self.url = pulumi.Output.secret(
            pulumi.Output.all(service.dns_name, password.result).apply(
                lambda known: plan.url(known[0], known[1])
            )
        )
        self.register_outputs({"dns_name": service.dns_name, "url": self.url})
