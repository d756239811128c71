"""The platform's database: one PostgreSQL server, its data on one node's disk."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.handles import Ground, ServiceHandle, VolumeHandle
from components.plan import database as plan
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class DatabaseArgs:
    """image: with its digest."""

    workload: Workload
    ground: Ground
    image: pulumi.Input[str]
    volume: VolumeHandle


class Database(pulumi.ComponentResource):
    """Done when the server answers queries. Its data stay on the node when it is destroyed.

    handle: for services on the same network. url: secret, with the password; what uses it is
    created after the database is healthy.
    """

    handle: ServiceHandle
    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Database", name, None, opts)
        # No punctuation: clients build addresses with it.
        password = random.RandomPassword(
            f"{name}-password", length=32, special=False, opts=pulumi.ResourceOptions(parent=self)
        )
        contents = {plan.PASSWORD_SECRET: password.result}
        given = Given(args.image, contents, args.volume)
        self.handle = deploy(args.workload, args.ground, given, self)
        self.url = pulumi.Output.secret(
            pulumi.Output.all(self.handle.dns_name, password.result).apply(
                lambda known: plan.url(known[0], known[1])
            )
        )
        self.register_outputs({"dns_name": self.handle.dns_name, "url": self.url})
