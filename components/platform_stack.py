"""The whole platform: machines, Swarm, network, images, services and gateway, wired together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pulumi

from components import volumes
from components.database import Backups, Database, DatabaseArgs
from components.firewall import Firewall, FirewallArgs
from components.gateway import Gateway, GatewayArgs
from components.handles import (
    ClusterHandle,
    Ground,
    LoginHandle,
    NetworkHandle,
    NodeHandle,
    RegistryHandle,
    ServiceHandle,
    VolumeHandle,
)
from components.images import Image, ImageArgs, ImageBuilder, ImageBuilderArgs
from components.lambda_instance import LambdaInstance, LambdaInstanceArgs
from components.mcp_service import McpService, McpServiceArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.plan import cost, monitoring, names, networks, nodes, provided, workloads
from components.plan import database as plan
from components.plan.firewall import Sources
from components.plan.workload import Workload
from components.settings_model import LOGIN_KEY, NAMED_AFTER, SUBNET_SIZE, Sensitive, Settings
from components.swarm_cluster import SwarmCluster, SwarmClusterArgs
from components.swarm_network import SwarmNetwork, SwarmNetworkArgs
from components.version import VERSION
from providers.lambdalabs import resources as lambdalabs
from providers.swarm import resources as swarm

ROOT = Path(__file__).parents[1]
CATALOG = "mcp_catalog"


class PlatformStack(pulumi.ComponentResource):
    """Everything of one stack. exports: its outputs, by name."""

    exports: Mapping[str, pulumi.Input[object]]

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:PlatformStack", name, None, opts)
        self._settings = settings
        self._child = pulumi.ResourceOptions(parent=self)
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(cost.expected(settings.node_groups, settings.prices), self)
        if len(settings.layouts) > 1:
            pulumi.log.info(networks.SWAP, self)
        login = self._login()
        planned = nodes.nodes(settings.node_groups)
        home = volumes.home(
            plan.VOLUME,
            planned,
            settings.volumes.get(plan.VOLUME.name, ""),
            settings.confirm_data_loss,
            self._child,
        )
        machines = self._machines(planned, login, home)
        cluster = SwarmCluster(
            "swarm",
            SwarmClusterArgs(
                nodes=machines,
                user=settings.ssh_user,
                login=login,
                address_pools=settings.overlay.address_pools,
                subnet_size=settings.overlay.subnet_size,
                token_generation=settings.rotation.join_tokens,
                recover_on=settings.recover_on,
            ),
            self._child,
        ).handle
        registry = RegistryHandle(
            server=settings.registry.server,
            repository=settings.registry.repository,
            username=settings.registry.username,
            password=_secret(settings.registry.password),
        )
        self._images = ImageBuilder(
            "images",
            ImageBuilderArgs(
                registry=registry,
                private_ca=bool(settings.registry.ca),
                refresh=settings.refresh_images,
            ),
            self._child,
        )
        volume = volumes.directory(
            plan.VOLUME, home, machines, cluster, settings.confirm_data_loss, self
        )
        gateway, database, attached = self._services(
            Ground(settings.prefix, cluster, self._networks(cluster), registry), volume
        )

        managers = cluster.managers
        self.exports = {
            "version": VERSION,
            "manager_ip": managers[0].address,
            "manager_ips": [manager.address for manager in managers],
            "gateway_url": gateway.url,
            "gateway_urls": gateway.urls,
            "gateway_token": gateway.token,
            "gateway_tokens": gateway.tokens,
            "gateway_certificate": gateway.certificate,
            "ca_certificate": gateway.ca_certificate,
            "mcp_endpoints": gateway.endpoints,
            "backup_passphrase": database.passphrase,
            "nodes": {m.name: _described(m, settings.ssh_user) for m in machines},
            LOGIN_KEY: login.private_key,
            NAMED_AFTER: settings.stack,
            SUBNET_SIZE: settings.overlay.subnet_size,
            networks.OUTPUT: attached,
            # Exported with it.
            networks.LAYOUTS: attached.apply(lambda _: [*map(asdict, settings.layouts)]),
        }
        self.register_outputs({})

    def _login(self) -> LoginHandle:
        pair = swarm.KeyPair(
            "login", generation=self._settings.rotation.login_key, opts=self._child
        )
        return LoginHandle(
            public_key=pair.public_key,
            private_key=pair.newest,
            private_keys=pair.private_key.apply(self._with_former),
            is_first=pair.is_first,
        )

    def _with_former(self, keys: str) -> str:
        """After a forced replacement of the pair, machines still know the key of the last `up`."""
        former = self._settings.former_login.reveal()
        return keys if former in keys else f"{keys}{former}"

    def _machines(
        self, planned: Sequence[nodes.NodePlan], login: LoginHandle, home: swarm.VolumeHome
    ) -> list[NodeHandle]:
        """All machines, with one key of the account and one firewall for the stack."""
        settings = self._settings
        account = lambdalabs.Provider(
            "account",
            api_url=settings.lambda_api_url,
            api_key=_secret(settings.lambda_api_key),
            requests_per_second=settings.pace.requests_per_second,
            launch_interval=settings.pace.launch_interval,
            poll_seconds=settings.pace.poll_seconds,
            opts=self._child,
        )
        key = lambdalabs.SshKey(
            "login-key",
            name=pulumi.Output.all(login.public_key, login.is_first).apply(
                lambda of: names.key(
                    names.physical(settings.prefix, "login"), of[0], is_first=of[1]
                )
            ),
            public_key=login.public_key,
            opts=pulumi.ResourceOptions(parent=self, provider=account),
        )
        firewall = Firewall(
            "firewall",
            FirewallArgs(
                prefix=settings.prefix,
                machines=planned,
                sources=Sources(settings.firewall.ssh_sources, settings.firewall.gateway_sources),
                gateway_port=settings.gateway.port,
                # Also for networks that are left in this run.
                encrypted=any(
                    layout.encrypted for layout in (*settings.layouts, *settings.former_layouts)
                ),
                account_key=key.id,
            ),
            pulumi.ResourceOptions(parent=self, providers=[account]),
        )
        # A change that would lose the volume is refused before any of it reaches the state.
        of_machines = pulumi.ResourceOptions(parent=self, providers=[account], depends_on=[home])
        machines = [
            LambdaInstance(
                node.name,
                LambdaInstanceArgs(
                    plan=node,
                    project=settings.project,
                    stack=settings.stack,
                    user=settings.ssh_user,
                    ssh_key_name=key.name,
                    ssh_key_id=key.id,
                    private_key=login.private_keys,
                    registry_server=settings.registry.server,
                    registry_ca=settings.registry.ca,
                    gpu_probe=settings.gpu_probe,
                    volumes=volumes.held_by(node.name, [home]),
                    confirm_data_loss=settings.confirm_data_loss,
                    firewall_rulesets=firewall.rulesets_of(node),
                ),
                of_machines,
            ).handle
            for node in planned
        ]
        return [firewall.admitted(machine) for machine in machines]

    def _networks(self, cluster: ClusterHandle) -> dict[str, NetworkHandle]:
        """By name, the networks of this run's layouts; those of the former one stay unchanged."""
        made = {}
        for layout in self._settings.layouts:
            for network in self._settings.networks:
                args = SwarmNetworkArgs(
                    cluster=cluster,
                    prefix=self._settings.prefix,
                    encrypted=layout.encrypted,
                    mtu=layout.mtu,
                    internal=network in networks.INTERNAL,
                )
                name = layout.name(network)
                made[name] = SwarmNetwork(name, args, self._child).handle
        return made

    def _services(
        self, ground: Ground, volume: VolumeHandle
    ) -> tuple[Gateway, Database, pulumi.Output[dict[str, list[str]]]]:
        """Every workload, each created once what it needs is healthy; and each one's networks once
        all are healthy.
        """
        settings, planned = self._settings, workloads.planned(self._settings)
        base = self._image("base", CATALOG, settings.base_image)
        installed = {server.name: server.packages for server in settings.servers}
        sources = {provided.ACCOUNT: _secret(settings.lambda_api_key)}
        made: dict[str, ServiceHandle] = {}
        for workload in workloads.in_order(planned):
            needed = [made[name] for name in workload.needs]
            if workload.name == workloads.DATABASE:
                job = next((one for one in planned if one.name == workloads.BACKUP), None)
                database = self._database(workload, job, ground, volume)
                sources[workload.name] = database.url
                made[workload.name] = database.handle
            elif workload.name in (workloads.PUBLISHER, workloads.BACKUP, *monitoring.NAMES):
                continue  # the gateway's, the database's and the last component create these
            elif workload.name == workloads.GATEWAY:
                publisher = next(one for one in planned if one.name == workloads.PUBLISHER)
                gateway = self._gateway(workload, publisher, ground, needed)
                made[workload.name] = gateway.handle
            elif workload.name == workloads.BACKEND:
                made[workload.name] = self._backend(workload, ground, base)
            else:
                given = settings.credentials[workload.name]
                secrets = {
                    env: _secret(given[env]) if env in given else sources[provided.CREDENTIALS[env]]
                    for env in (file.target for file in workload.secrets)
                }
                packages = installed.get(workload.name, ())
                image = self._image(workload.name, CATALOG, base, packages).reference
                server = McpServiceArgs(workload, ground, image, secrets, needed)
                made[workload.name] = McpService(workload.name, server, self._child).handle
        if settings.monitoring.enabled:
            watched = self._monitoring(planned, ground, gateway)
            made |= {handle.name: handle for handle in watched.handles}
        attached = {workload.name: list(workload.networks) for workload in planned}
        running = pulumi.Output.all(*(handle.dns_name for handle in made.values()))
        return gateway, database, running.apply(lambda _: attached)

    def _database(
        self, workload: Workload, job: Workload | None, ground: Ground, volume: VolumeHandle
    ) -> Database:
        """job: that backs it up."""
        image = self._image(workload.name, "images", self._settings.base_image).reference
        backups, settings = None, self._settings.backup
        if job and settings:
            own = settings.passphrase
            backups = Backups(
                job,
                access_key=_secret(settings.access_key),
                secret_key=_secret(settings.secret_key),
                passphrase=_secret(own) if own.reveal() else None,
                authority=settings.repository.authority,
            )
        args = DatabaseArgs(workload, ground, image, volume, backups)
        return Database(workload.name, args, self._child)

    def _backend(self, workload: Workload, ground: Ground, base: Image) -> ServiceHandle:
        """The platform's own, or the operator's instead."""
        own = self._settings.backend
        image = own.image or self._image(workload.name, "images", base).reference
        secrets = {env: _secret(value) for env, value in own.secrets.items()}
        args = McpServiceArgs(workload, ground, image, secrets)
        return McpService(workload.name, args, self._child).handle

    def _gateway(
        self,
        workload: Workload,
        publisher: Workload,
        ground: Ground,
        needed: Sequence[ServiceHandle],
    ) -> Gateway:
        settings = self._settings.gateway
        [backend] = (handle for handle in needed if handle.name == workloads.BACKEND)
        return Gateway(
            workload.name,
            GatewayArgs(
                workload=workload,
                publisher=publisher,
                ground=ground,
                image=self._image(workload.name, "images", self._settings.base_image).reference,
                servers=[handle for handle in needed if handle is not backend],
                backend=backend,
                hosts=settings.hosts,
                origins=settings.origins,
                callers=settings.callers,
                certificate=settings.certificate,
                private_key=_secret(settings.private_key),
            ),
            self._child,
        )

    def _monitoring(
        self, planned: Sequence[Workload], ground: Ground, gateway: Gateway
    ) -> Monitoring:
        settings, wanted = self._settings, self._settings.monitoring
        slack = wanted.slack.reveal()
        if not slack and wanted.email is None:
            key = f"{settings.project}:monitoring"
            pulumi.log.warn(f"alerts reach nobody: set {key}.slack or {key}.email", self)
        scraped = [server.name for server in settings.servers]
        if not settings.backend.image:  # the operator's own may have no /metrics
            scraped.append(workloads.BACKEND)
        return Monitoring(
            "watchers",
            MonitoringArgs(
                planned=planned,
                scraped=scraped,
                nodes=sum(group.count for group in settings.node_groups),
                managers=len(ground.cluster.managers),
                ground=ground,
                image=self._image("monitoring", "images", settings.base_image).reference,
                certificate_ends=gateway.certificate.apply(lambda known: known["ends"]),
                slack=_secret(wanted.slack) if slack else None,
                email=wanted.email,
                password=_secret(wanted.password),
                needed=[gateway.handle],
            ),
            self._child,
        )

    def _image(
        self, name: str, place: str, base: str | Image, packages: Sequence[str] = ()
    ) -> Image:
        """The image built from the folder `place/name`."""
        directory = ROOT / place / name
        return Image(name, ImageArgs(self._images, directory, base, packages), self._child)


def _secret(value: Sensitive) -> pulumi.Output[str]:
    return pulumi.Output.secret(value.reveal())


def _described(machine: NodeHandle, user: str) -> dict[str, object]:
    return {
        "address": machine.address,
        "host_key": machine.host_key,
        "instance_id": machine.instance_id,
        "role": machine.role,
        "tier": machine.tier,
        "user": user,
    }
