"""A database of the operator's: nothing of it is created, but it is checked from the cluster."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.handles import Ground, JobHandle
from components.plan import own_database as plan
from components.plan.workload import Workload
from components.workload import Given, deploy_job


@dataclass(frozen=True)
class OwnDatabaseArgs:
    """check: the job. image: the database's, with its digest, which has the clients. address: as
    the plan's Address has its variables."""

    check: Workload
    ground: Ground
    image: pulumi.Input[str]
    address: pulumi.Input[str]


class OwnDatabase(pulumi.ComponentResource):
    """Done when the cluster has reached it. handle: for what starts after that."""

    handle: JobHandle

    def __init__(
        self, name: str, args: OwnDatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:OwnDatabase", name, None, opts)
        given = Given(args.image, {plan.ADDRESS_SECRET: args.address})
        self.handle = deploy_job(args.check, args.ground, given, self)
        self.register_outputs({})
