"""The package `swarm` as Pulumi programs use it (`import providers.swarm.resources as swarm`)."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.runtime.private_keys import separate
from providers.runtime.sdk import Declared, DeclaredProvider
from providers.swarm import (
    certificate,
    cluster,
    config,
    job,
    keypair,
    member,
    network,
    node_setup,
    provider,
    schedule,
    secret,
    service,
    volume,
    volume_home,
)


class Provider(DeclaredProvider, provider=provider.Swarm):
    """Inputs: managers, user, private_key, cluster_id.

    cluster: holds the objects created through this provider, and ends them when it is deleted.
    """

    def __init__(
        self,
        resource_name: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        cluster: Cluster | None = None,
        **config: Any,
    ) -> None:
        super().__init__(resource_name, opts, **config)
        self.cluster = cluster


class InCluster(Declared):
    """A run that deletes the cluster doesn't delete its objects one by one (`deleted_with`)."""

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any
    ) -> None:
        cluster = getattr(opts.provider if opts else None, "cluster", None)
        with_cluster = pulumi.ResourceOptions(deleted_with=cluster)
        opts = pulumi.ResourceOptions.merge(opts, with_cluster)
        super().__init__(resource_name, opts, **inputs)


class KeyPair(Declared, lifecycle=keypair.KeyPair):
    """Inputs: see `keypair.KeyPairInputs`."""

    public_key: pulumi.Output[str]
    private_key: pulumi.Output[str]

    @property
    def newest(self) -> pulumi.Output[str]:
        """The private key without its former ones."""
        return self.private_key.apply(lambda keys: separate(keys)[0])

    @property
    def is_first(self) -> pulumi.Output[bool]:
        """Whether there are no former ones; that is not secret."""
        return pulumi.Output.unsecret(self.private_key.apply(lambda keys: len(separate(keys)) == 1))


class Certificate(Declared, lifecycle=certificate.Certificate):
    """Inputs: see `certificate.CertificateInputs`."""

    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]
    not_after: pulumi.Output[str]


class NodeSetup(Declared, lifecycle=node_setup.NodeSetup):
    """Inputs: see `node_setup.NodeSetupInputs`."""


class Cluster(Declared, lifecycle=cluster.Cluster):
    """Inputs: see `cluster.ClusterInputs`."""

    cluster_id: pulumi.Output[str]
    manager_token: pulumi.Output[str]
    worker_token: pulumi.Output[str]
    status: pulumi.Output[str]


class Member(Declared, lifecycle=member.Member):
    """Inputs: see `member.MemberInputs`."""

    node_id: pulumi.Output[str]
    state: pulumi.Output[str]


class Network(InCluster, lifecycle=network.Network):
    """Inputs: see `network.NetworkInputs`."""

    network_id: pulumi.Output[str]
    network_name: pulumi.Output[str]


class Secret(InCluster, lifecycle=secret.Secret):
    """Inputs: see `secret.SecretInputs`."""

    secret_id: pulumi.Output[str]
    secret_name: pulumi.Output[str]


class Config(InCluster, lifecycle=config.Config):
    """Inputs: see `config.ConfigInputs`."""

    config_id: pulumi.Output[str]
    config_name: pulumi.Output[str]


class Service(InCluster, lifecycle=service.Service):
    """Inputs: see `services.model.ServiceInputs`."""

    service_id: pulumi.Output[str]
    dns_name: pulumi.Output[str]


class Job(InCluster, lifecycle=job.Job):
    """Inputs: see `services.model.JobInputs`."""

    exit_status: pulumi.Output[int]
    logs: pulumi.Output[list[str]]


class Schedule(InCluster, lifecycle=schedule.Schedule):
    """Inputs: see `schedule.ScheduleInputs`."""


class VolumeHome(Declared, lifecycle=volume_home.VolumeHome):
    """Inputs: see `volume_home.VolumeHomeInputs`."""

    home: pulumi.Output[str]
    volume_id: pulumi.Output[str]


class Volume(Declared, lifecycle=volume.Volume):
    """Inputs: see `volume.VolumeInputs`. Its `volume_id` is known once the directory exists."""

    volume_id: pulumi.Output[str]
    node: pulumi.Output[str]
    path: pulumi.Output[str]
