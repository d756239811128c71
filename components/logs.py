"""Logs of all nodes in one place: the stores on every manager, what fills them on every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.handles import Ground, ServiceHandle
from components.plan import logs as plan
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class LogsArgs:
    """planned: all workloads, these three among them. image: with its digest."""

    planned: Sequence[Workload]
    ground: Ground
    image: pulumi.Input[str]


class Logs(pulumi.ComponentResource):
    """Done when all of it is healthy. handles: of its services."""

    handles: tuple[ServiceHandle, ...]

    def __init__(
        self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Logs", name, None, opts)
        by_name = {workload.name: workload for workload in args.planned}
        stores = [
            deploy(by_name[store], args.ground, Given(args.image), self)
            for store in (plan.STORE, plan.AUDIT)
        ]
        given = Given(args.image, needed=stores)
        shipper = deploy(by_name[plan.SHIPPER], args.ground, given, self)
        self.handles = (*stores, shipper)
        self.register_outputs({})
