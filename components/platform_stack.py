"""The whole platform: machines, Swarm, network, images, services and gateway, wired together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pulumi

from components import platform_machines, volumes
from components.handles import (
    ClusterHandle,
    Ground,
    NetworkHandle,
    NodeHandle,
    RegistryHandle,
)
from components.plan import cost, networks, nodes
from components.plan import database as plan
from components.plan.standby import SECOND_VOLUME
from components.plan.volumes import VolumePlan
from components.platform_services import Services
from components.sensitive import secret
from components.settings_model import (
    AUTHORITY,
    FORMER_TOKENS,
    LOGIN_KEY,
    NAMED_AFTER,
    SUBNET_SIZE,
    TOKENS,
    Settings,
)
from components.swarm_cluster import SwarmCluster, SwarmClusterArgs
from components.swarm_network import SwarmNetwork, SwarmNetworkArgs
from components.version import VERSION
from providers.swarm import resources as swarm


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
        login = platform_machines.login(settings, self._child)
        planned = nodes.nodes(settings.node_groups)
        homes = self._homes(planned)
        machines = platform_machines.machines(
            settings, planned, login, [home for _, home in homes], self
        )
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
            password=secret(settings.registry.password),
        )
        directories = [
            volumes.directory(volume, home, machines, cluster, settings.confirm_data_loss, self)
            for volume, home in homes
        ]
        ground = Ground(settings.prefix, cluster, self._networks(cluster), registry)
        running = Services(settings, ground, self).deploy(directories)
        gateway = running.gateway

        managers = cluster.managers
        self.exports = {
            "version": VERSION,
            "manager_ip": managers[0].address,
            "manager_ips": [manager.address for manager in managers],
            "gateway_url": gateway.url,
            "gateway_urls": gateway.urls,
            "gateway_token": gateway.token,
            TOKENS: gateway.tokens,
            FORMER_TOKENS: gateway.former_tokens,
            "gateway_certificate": gateway.certificate,
            AUTHORITY: gateway.ca_certificate,
            "mcp_endpoints": gateway.endpoints,
            "backup_passphrase": running.passphrase,
            "nodes": {m.name: _described(m, settings.ssh_user) for m in machines},
            LOGIN_KEY: login.private_key,
            NAMED_AFTER: settings.stack,
            SUBNET_SIZE: settings.overlay.subnet_size,
            networks.OUTPUT: running.attached,
            # Exported with it.
            networks.LAYOUTS: running.attached.apply(lambda _: [*map(asdict, settings.layouts)]),
        }
        self.register_outputs({})

    def _homes(
        self, planned: Sequence[nodes.NodePlan]
    ) -> list[tuple[VolumePlan, swarm.VolumeHome]]:
        """The database's volumes, the standby's on another node; none for a database of the
        operator's."""
        settings = self._settings
        if settings.database:
            return []
        made: list[tuple[VolumePlan, swarm.VolumeHome]] = []
        for volume in (plan.VOLUME, *([SECOND_VOLUME] if settings.standby else [])):
            home = volumes.home(
                volume,
                planned,
                settings.volumes.get(volume.name, ""),
                settings.confirm_data_loss,
                self._child,
                apart=made[0][1] if made else None,
            )
            made.append((volume, home))
        return made

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


def _described(machine: NodeHandle, user: str) -> dict[str, object]:
    return {
        "address": machine.address,
        "host_key": machine.host_key,
        "instance_id": machine.instance_id,
        "role": machine.role,
        "tier": machine.tier,
        "user": user,
    }
