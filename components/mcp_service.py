"""A catalog entry as one Swarm service, with its credentials as Swarm secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.catalog.model import Server
from components.handles import ClusterHandle, NetworkHandle, RegistryHandle, ServiceHandle
from components.plan import mcp_service as plan
from components.plan import names
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class McpServiceArgs:
    """prefix: of physical names. image: with its digest.

    secrets: credentials by environment variable; each becomes the file `/run/secrets/<variable>`.
    What a credential's output waits for, the service waits for.
    """

    server: Server
    prefix: str
    cluster: ClusterHandle
    network: NetworkHandle
    registry: RegistryHandle
    image: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]


class McpService(pulumi.ComponentResource):
    """Runs one MCP server; done when all replicas are healthy. handle: what routes lead to."""

    handle: ServiceHandle

    def __init__(
        self, name: str, args: McpServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:McpService", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args.cluster.provider)
        planned = plan.mcp_service(args.server, args.prefix)
        files = []
        for env, value in sorted(args.secrets.items()):
            secret = swarm.Secret(
                f"{name}-{env.lower().replace('_', '-')}",
                name_prefix=names.file_prefix(args.prefix, args.server.name, env),
                data=pulumi.Output.secret(value),
                opts=child,
            )
            files.append(
                {
                    "id": secret.secret_id,
                    "name": secret.secret_name,
                    "target": env,
                    "uid": plan.UID,
                    "gid": plan.UID,
                }
            )
        service = swarm.Service(
            f"{name}-service",
            **planned.inputs(),
            image=args.image,
            networks=[args.network.network_id],
            secrets=files,
            registry={
                "server": args.registry.server,
                "username": args.registry.username,
                "password": args.registry.password,
            },
            opts=child,
        )
        self.handle = ServiceHandle(
            name=args.server.name,
            physical_name=planned.name,
            dns_name=service.dns_name,
            port=args.server.deploy.port,
        )
        self.register_outputs({"dns_name": service.dns_name})
