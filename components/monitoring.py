"""What watches the platform: Prometheus and Alertmanager on every manager, an exporter a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pulumi

from components.handles import Ground, ServiceHandle
from components.plan import monitoring as plan
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class MonitoringArgs:
    """planned: all workloads, these three among them. scraped: names of the MCP servers with the
    runtime's metrics. nodes, managers: how many there are. image: with its digest.

    certificate_ends: the gateway's, ISO 8601. slack: where it takes messages, None for none.
    email: None for none; password: of its user. needed: what has to be there before anything is
    missed.
    """

    planned: Sequence[Workload]
    scraped: Sequence[str]
    nodes: int
    managers: int
    ground: Ground
    image: pulumi.Input[str]
    certificate_ends: pulumi.Output[str]
    slack: pulumi.Input[str] | None
    email: plan.Email | None
    password: pulumi.Input[str]
    needed: Sequence[ServiceHandle]


class Monitoring(pulumi.ComponentResource):
    """Done when all of it is healthy. handles: of its services."""

    handles: tuple[ServiceHandle, ...]

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Monitoring", name, None, opts)
        by_name = {workload.name: workload for workload in args.planned}
        jobs = plan.jobs(args.planned, args.scraped)

        def expected(ends: str) -> str:
            return plan.expected(
                by_name,
                jobs,
                nodes=args.nodes,
                managers=args.managers,
                certificate_ends=int(datetime.fromisoformat(ends).timestamp()),
            )

        exporter = deploy(by_name[plan.EXPORTER], args.ground, Given(args.image), self)
        alerting: dict[str, pulumi.Input[str]] = {
            plan.ALERTS_FILE: plan.alerting(slack=args.slack is not None, email=args.email),
            plan.PASSWORD_SECRET: args.password,
        }
        if args.slack is not None:
            alerting[plan.SLACK_SECRET] = args.slack
        given = Given(args.image, alerting)
        alertmanager = deploy(by_name[plan.ALERTMANAGER], args.ground, given, self)
        watching: dict[str, pulumi.Input[str]] = {
            plan.CONFIG_FILE: plan.config(args.ground.prefix, jobs),
            plan.EXPECTED_FILE: args.certificate_ends.apply(expected),
        }
        given = Given(args.image, watching, needed=[*args.needed, exporter, alertmanager])
        prometheus = deploy(by_name[plan.PROMETHEUS], args.ground, given, self)
        self.handles = (exporter, alertmanager, prometheus)
        self.register_outputs({})
