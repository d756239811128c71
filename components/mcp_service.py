"""An MCP server with its credentials as Swarm secrets: one of the catalog, or the backend, which
serves all of them as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.handles import Ground, JobHandle, ServiceHandle
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class McpServiceArgs:
    """image: with its digest.

    secrets: credentials by environment variable; each becomes the file `/run/secrets/<variable>`.
        The service waits for whatever a credential's output waits for. needed: what it starts
        after.
    """

    workload: Workload
    ground: Ground
    image: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]
    needed: Sequence[ServiceHandle | JobHandle] = ()


class McpService(pulumi.ComponentResource):
    """Runs one MCP server; done when all replicas are healthy. handle: for routes."""

    handle: ServiceHandle

    def __init__(
        self, name: str, args: McpServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:McpService", name, None, opts)
        given = Given(args.image, args.secrets, needed=args.needed)
        self.handle = deploy(args.workload, args.ground, given, self)
        self.register_outputs({"dns_name": self.handle.dns_name})
