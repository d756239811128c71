"""The package `swarm` as Pulumi programs use it (`import providers.swarm.resources as swarm`)."""

from __future__ import annotations

import pulumi

from providers.runtime.sdk import Declared, DeclaredProvider
from providers.swarm import certificate, cluster, keypair, member, provider


class Provider(DeclaredProvider, provider=provider.Swarm):
    """Inputs: managers, user, private_key, cluster_id."""


class KeyPair(Declared, lifecycle=keypair.KeyPair):
    """See `keypair.KeyPairOutputs`."""

    public_key: pulumi.Output[str]
    private_key: pulumi.Output[str]


class Certificate(Declared, lifecycle=certificate.Certificate):
    """Inputs: see `certificate.CertificateInputs`."""

    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]
    not_after: pulumi.Output[str]


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
