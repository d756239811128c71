"""What the layers hand to one another: frozen, and as little as the next layer needs.

Plain fields decide which resources exist; `Output` fields carry what is only known once something
runs, and with it the order: who takes an output is made after whoever promised it. Outputs of
services and networks are constants of that resource, so that a change in one does not ripple.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True)
class NodeHandle:
    """One machine that can be set up and become a member of the Swarm.

    name: its plain name, for example `manager-1`; physical_name: with project and stack.
    role: `manager` or `worker`; tier: `primary` or `secondary`.
    host_key: the public line that its sshd is pinned to.
    ready: the wait for it, for whoever needs the machine and not a value.
    files: what lies on it, contents by path.
    labels: what its Swarm node is to carry.
    admitted: what makes the others let it in; it joins after these, and they go after it.
    """

    name: str
    physical_name: str
    role: str
    tier: str
    instance_id: pulumi.Output[str]
    address: pulumi.Output[str]
    private_address: pulumi.Output[str]
    host_key: pulumi.Output[str]
    ready: pulumi.Resource
    files: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    admitted: tuple[pulumi.Resource, ...] = ()


@dataclass(frozen=True)
class LoginHandle:
    """The key that logs in to all machines. private_keys: with those that it has followed, which a
    machine that was away at a rotation still knows. Private ones are secret. is_first: there are
    none of these.
    """

    public_key: pulumi.Output[str]
    private_key: pulumi.Output[str]
    private_keys: pulumi.Output[str]
    is_first: pulumi.Output[bool]


@dataclass(frozen=True)
class ClusterHandle:
    """A Swarm with all its members.

    provider: give it to every swarm resource: `ResourceOptions(parent=self, provider=…)`.
    members: every membership; networks wait for them, so that services find their nodes.
    managers: the nodes that run the gateway, in the order of the configuration.
    """

    provider: pulumi.ProviderResource
    cluster_id: pulumi.Output[str]
    members: tuple[pulumi.Resource, ...]
    managers: tuple[NodeHandle, ...]


@dataclass(frozen=True)
class NetworkHandle:
    """An overlay network. name: the plain one; network_id: for `Service(networks=…)`."""

    name: str
    network_id: pulumi.Output[str]


@dataclass(frozen=True)
class ServiceHandle:
    """A service that is healthy once its outputs resolve.

    name: the plain name, for example `ai_memory`; physical_name: the Swarm service's.
    dns_name: `tasks.<physical name>`, resolves to every task's address on a shared network.
    port: where its tasks listen. ready: its rollout, for whoever needs it and not a value.
    """

    name: str
    physical_name: str
    dns_name: pulumi.Output[str]
    port: int
    ready: pulumi.Resource


@dataclass(frozen=True)
class JobHandle:
    """A job. name: the plain one. ready: its run within this `up`, for whoever needs that it has
    ended well."""

    name: str
    ready: pulumi.Resource


@dataclass(frozen=True)
class VolumeHandle:
    """A directory on one node's disk, there and marked once its outputs resolve.

    node: plain name of the node; volume_id: what its marker says.
    """

    volume_id: pulumi.Output[str]
    node: pulumi.Output[str]


@dataclass(frozen=True)
class RegistryHandle:
    """Where images are pushed to and nodes pull from.

    server: `host` or `host:port`; repository: the path below it that images are put in, may be "".
    password: always a secret.
    """

    server: str
    repository: str
    username: str
    password: pulumi.Output[str]


@dataclass(frozen=True)
class Ground:
    """What every workload stands on. prefix: of physical names. networks: by their plain names."""

    prefix: str
    cluster: ClusterHandle
    networks: Mapping[str, NetworkHandle]
    registry: RegistryHandle
