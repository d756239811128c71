"""The platform's services: the image, the secrets and the component of every planned workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.database import Backups, Database, DatabaseArgs, Standby
from components.gateway import Gateway, GatewayArgs
from components.gateway_certificate import OwnCa
from components.handles import Ground, JobHandle, ServiceHandle, VolumeHandle
from components.images import Image, ImageArgs, ImageBuilder, ImageBuilderArgs
from components.logs import Logs, LogsArgs
from components.mcp_service import McpService, McpServiceArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.own_database import OwnDatabase, OwnDatabaseArgs
from components.plan import (
    cost,
    database_roles,
    logs,
    monitoring,
    nodes,
    provided,
    standby,
    workloads,
)
from components.plan.workload import Workload
from components.sensitive import secret
from components.settings_model import Settings

ROOT = Path(__file__).parents[1]
CATALOG = "mcp_catalog"


@dataclass(frozen=True)
class Running:
    """passphrase: of the database's backups, "" for none. attached: each workload's networks by its
    name, known once all are healthy.
    """

    gateway: Gateway
    passphrase: pulumi.Output[str]
    attached: pulumi.Output[dict[str, list[str]]]


class Services:
    """Deploys them all on one ground, as children of `parent`."""

    def __init__(self, settings: Settings, ground: Ground, parent: pulumi.Resource) -> None:
        self._settings = settings
        self._ground = ground
        self._parent = parent
        self._opts = pulumi.ResourceOptions(parent=parent)
        builder = ImageBuilderArgs(
            registry=ground.registry,
            private_ca=bool(settings.registry.ca),
            refresh=settings.refresh_images,
        )
        self._images = ImageBuilder("images", builder, self._opts)

    def deploy(self, volumes: Sequence[VolumeHandle]) -> Running:
        """Every workload, each created once what it needs is healthy. volumes: the database's, and
        its standby's; none for a database of the operator's."""
        settings, planned = self._settings, workloads.planned(self._settings)
        base = self._image("base", CATALOG, settings.base_image)
        installed = {server.name: server.packages for server in settings.servers}
        sources = {provided.ACCOUNT: secret(settings.lambda_api_key)}
        if settings.database:
            sources[workloads.DATABASE] = secret(settings.database.url)
        database: Database | None = None
        made: dict[str, ServiceHandle] = {}
        checked: dict[str, JobHandle] = {}
        for workload in workloads.in_order(planned):
            needed = [made[name] for name in workload.needs if name in made]
            if workload.name == workloads.DATABASE:
                database = self._database({one.name: one for one in planned}, volumes)
                sources[workload.name] = database.url
                made[workload.name] = database.handle
            elif workload.name == workloads.CHECK:
                checked[workload.name] = self._checked(workload)
            elif workload.name == database_roles.revocation(workloads.DATABASE):
                assert database is not None, "in_order has it first"
                database.revoke_former(needed)
            elif workload.name == workloads.GATEWAY:
                publisher = next(one for one in planned if one.name == workloads.PUBLISHER)
                gateway = self._gateway(workload, publisher, needed)
                made[workload.name] = gateway.handle
            elif workload.name == workloads.BACKEND:
                made[workload.name] = self._backend(workload, base)
            elif workload.name in installed:
                given = settings.credentials[workload.name]
                secrets = {
                    env: secret(given[env]) if env in given else sources[provided.CREDENTIALS[env]]
                    for env in (file.target for file in workload.secrets)
                }
                packages = installed[workload.name]
                image = self._image(workload.name, CATALOG, base, packages).reference
                after = [checked[name] for name in workload.needs if name in checked]
                server = McpServiceArgs(workload, self._ground, image, secrets, [*needed, *after])
                made[workload.name] = McpService(workload.name, server, self._opts).handle
            # The rest are parts of the database, the gateway, and what is made last.
        if settings.logs:
            made |= {handle.name: handle for handle in self._logs(planned).handles}
        if settings.monitoring.enabled:
            there = [made[name] for name in (workloads.GATEWAY, *logs.NAMES) if name in made]
            watched = self._monitoring(planned, gateway, database, there)
            made |= {handle.name: handle for handle in watched.handles}
        attached = {workload.name: list(workload.networks) for workload in planned}
        running = pulumi.Output.all(*(handle.dns_name for handle in made.values()))
        passphrase = database.passphrase if database else pulumi.Output.secret("")
        return Running(gateway, passphrase, running.apply(lambda _: attached))

    def _database(
        self, planned: Mapping[str, Workload], volumes: Sequence[VolumeHandle]
    ) -> Database:
        """planned: all workloads, by name."""
        workload, settings = planned[workloads.DATABASE], self._settings
        image = self._image(workload.name, "images", settings.base_image).reference
        backups = second = None
        if settings.backup:
            own = settings.backup.passphrase
            backups = Backups(
                planned.get(workloads.BACKUP),
                access_key=secret(settings.backup.access_key),
                secret_key=secret(settings.backup.secret_key),
                passphrase=secret(own) if own.reveal() else None,
                authority=settings.backup.repository.authority,
                standby_job=planned.get(workloads.STANDBY_BACKUP),
            )
        if settings.standby:
            second = Standby(
                planned[standby.SECOND],
                planned[database_roles.admission(standby.SECOND)],
                planned[database_roles.revocation(standby.SECOND)],
                volumes[1],
                [planned[name] for name in standby.QUORUM],
            )
        args = DatabaseArgs(
            workload=workload,
            admission=planned[database_roles.admission(workload.name)],
            revocation=planned[database_roles.revocation(workload.name)],
            ground=self._ground,
            image=image,
            volume=volumes[0],
            rotate=settings.rotation.database,
            backups=backups,
            standby=second,
        )
        return Database(workload.name, args, self._opts)

    def _checked(self, workload: Workload) -> JobHandle:
        """The operator's database."""
        assert self._settings.database is not None
        image = self._image(workloads.DATABASE, "images", self._settings.base_image).reference
        address = secret(self._settings.database.address)
        args = OwnDatabaseArgs(workload, self._ground, image, address)
        return OwnDatabase(workload.name, args, self._opts).handle

    def _backend(self, workload: Workload, base: Image) -> ServiceHandle:
        """The platform's own, or the operator's instead."""
        own = self._settings.backend
        image = own.image or self._image(workload.name, "images", base).reference
        secrets = {env: secret(value) for env, value in own.secrets.items()}
        args = McpServiceArgs(workload, self._ground, image, secrets)
        return McpService(workload.name, args, self._opts).handle

    def _gateway(
        self,
        workload: Workload,
        publisher: Workload,
        needed: Sequence[ServiceHandle],
    ) -> Gateway:
        all_of_it, settings = self._settings, self._settings.gateway
        [backend] = (handle for handle in needed if handle.name == workloads.BACKEND)
        return Gateway(
            workload.name,
            GatewayArgs(
                workload=workload,
                publisher=publisher,
                ground=self._ground,
                image=self._image(workload.name, "images", self._settings.base_image).reference,
                servers=[handle for handle in needed if handle is not backend],
                backend=backend,
                hosts=settings.hosts,
                origins=settings.origins,
                callers=settings.callers,
                last_tokens={name: secret(one) for name, one in all_of_it.last_tokens.items()},
                former_tokens={name: secret(one) for name, one in all_of_it.former_tokens.items()},
                certificate=settings.certificate,
                private_key=secret(settings.private_key),
                own_ca=OwnCa(
                    all_of_it.rotation.gateway_ca, settings.keep_former_ca, all_of_it.last_authority
                ),
            ),
            self._opts,
        )

    def _monitoring(
        self,
        planned: Sequence[Workload],
        gateway: Gateway,
        database: Database | None,
        needed: Sequence[ServiceHandle],
    ) -> Monitoring:
        settings, wanted = self._settings, self._settings.monitoring
        slack = wanted.slack.reveal()
        if not slack and wanted.email is None:
            key = f"{settings.project}:monitoring"
            pulumi.log.warn(f"alerts reach nobody: set {key}.slack or {key}.email", self._parent)
        scraped = [server.name for server in settings.servers]
        if not settings.backend.image:  # the operator's own may have no /metrics
            scraped.append(workloads.BACKEND)
        return Monitoring(
            "watchers",
            MonitoringArgs(
                planned=planned,
                scraped=scraped,
                machines=nodes.nodes(settings.node_groups),
                ground=self._ground,
                image=self._image("monitoring", "images", settings.base_image).reference,
                gpu_image=wanted.gpu_exporter,
                budget=monitoring.Budget(
                    cost.a_month(settings.node_groups, settings.prices),
                    round(wanted.max_usd_per_month * 100),
                ),
                databases=database.members if database else [],
                database_password=database.monitor_password if database else "",
                certificate_ends=gateway.certificate.apply(lambda known: known["ends"]),
                slack=secret(wanted.slack) if slack else None,
                heartbeat=secret(wanted.heartbeat) if wanted.heartbeat.reveal() else None,
                runbooks=wanted.runbooks,
                email=wanted.email,
                password=secret(wanted.password),
                needed=needed,
            ),
            self._opts,
        )

    def _logs(self, planned: Sequence[Workload]) -> Logs:
        image = self._image("logs", "images", self._settings.base_image).reference
        return Logs("log-keepers", LogsArgs(planned, self._ground, image), self._opts)

    def _image(
        self, name: str, place: str, base: str | Image, packages: Sequence[str] = ()
    ) -> Image:
        """The image built from the folder `place/name`."""
        directory = ROOT / place / name
        return Image(name, ImageArgs(self._images, directory, base, packages), self._opts)
