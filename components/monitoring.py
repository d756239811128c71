"""What watches the platform: Prometheus and Alertmanager on every manager, and the exporters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pulumi

from components.handles import Ground, ServiceHandle
from components.plan import exporters, networks
from components.plan import monitoring as plan
from components.plan.database import MONITOR_SECRET
from components.plan.nodes import NodePlan
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class MonitoringArgs:
    """planned: all workloads, these among them. scraped: names of the MCP servers with the
    runtime's metrics. machines: all of them. image, gpu_image: with their digests, the latter ""
    where no GPU is watched.

    certificate_ends: the gateway's, ISO 8601. database_password: of the role that watches database.
    slack, heartbeat: where they take messages, None for none. email: None for none; password: of
    its user. runbooks: below which address this repository's files are read, "" for none.
    needed: what has to be there before anything is missed.
    """

    planned: Sequence[Workload]
    scraped: Sequence[str]
    machines: Sequence[NodePlan]
    ground: Ground
    image: pulumi.Input[str]
    gpu_image: str
    budget: plan.Budget
    certificate_ends: pulumi.Output[str]
    databases: Sequence[ServiceHandle]
    database_password: pulumi.Input[str]
    slack: pulumi.Input[str] | None
    heartbeat: pulumi.Input[str] | None
    runbooks: str
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
                machines=args.machines,
                budget=args.budget,
                certificate_ends=int(datetime.fromisoformat(ends).timestamp()),
            )

        exporting = [deploy(by_name[exporters.NODE], args.ground, Given(args.image), self)]
        for server in args.databases:
            contents = {MONITOR_SECRET: args.database_password}
            given = Given(args.image, contents, needed=[server])
            exporter = by_name[exporters.of(server.name)]
            exporting.append(deploy(exporter, args.ground, given, self))
        if exporters.GPU in by_name:
            given = Given(args.gpu_image, {exporters.COUNTERS_FILE: exporters.counters()})
            exporting.append(deploy(by_name[exporters.GPU], args.ground, given, self))
        of_database = [one for one in args.scraped if networks.DATA in by_name[one].networks]
        alerting: dict[str, pulumi.Input[str]] = {
            plan.ALERTS_FILE: plan.alerting(
                slack=args.slack is not None,
                email=args.email,
                of_database=of_database,
                heartbeat=args.heartbeat is not None,
                runbooks=args.runbooks,
            ),
            plan.PASSWORD_SECRET: args.password,
        }
        if args.slack is not None:
            alerting[plan.SLACK_SECRET] = args.slack
        if args.heartbeat is not None:
            alerting[plan.HEARTBEAT_SECRET] = args.heartbeat
        given = Given(args.image, alerting)
        alertmanager = deploy(by_name[plan.ALERTMANAGER], args.ground, given, self)
        watching: dict[str, pulumi.Input[str]] = {
            plan.CONFIG_FILE: plan.config(args.ground.prefix, jobs),
            plan.EXPECTED_FILE: args.certificate_ends.apply(expected),
        }
        given = Given(args.image, watching, needed=[*args.needed, *exporting, alertmanager])
        prometheus = deploy(by_name[plan.PROMETHEUS], args.ground, given, self)
        self.handles = (*exporting, alertmanager, prometheus)
        self.register_outputs({})
