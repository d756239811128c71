"""What the layers pass to one another: frozen, and only what the next layer needs.

Plain fields decide which resources exist; `Output` fields carry what is only known once something
runs, and with it the order: what uses an output is created after the resource that it comes from.
Outputs of services and networks are constants of that resource, so a change in one doesn't ripple.
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
    ready: resolves when it is ready, for those who need the machine but no value of it.
    files: on the machine, contents by path. labels: for its Swarm node.
    admitted: rules by which the others let it in; it joins after these exist, and they are
    deleted after it has left.
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
    """The key that logs in to all machines. private_keys: the key and its predecessors, which a
    machine that was unreachable at a rotation still knows. Private ones are secret. is_first:
    whether it has no predecessors.
    """

    public_key: pulumi.Output[str]
    private_key: pulumi.Output[str]
    private_keys: pulumi.Output[str]
    is_first: pulumi.Output[bool]


@dataclass(frozen=True)
class ClusterHandle:
    """A Swarm with all its members.

    provider: pass it to every swarm resource: `ResourceOptions(parent=self, provider=…)`.
    members: all memberships; networks wait for them, so services find their nodes.
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
    port: where its tasks listen. ready: its rollout, for those who need no value of it.
    """

    name: str
    physical_name: str
    dns_name: pulumi.Output[str]
    port: int
    ready: pulumi.Resource


@dataclass(frozen=True)
class JobHandle:
    """A job. name: the plain one. ready: its run within this `up`, for those who need it to have
    succeeded."""

    name: str
    ready: pulumi.Resource


@dataclass(frozen=True)
class VolumeHandle:
    """A directory on one node's disk, which exists and is marked once its outputs resolve.

    node: plain name of the node; volume_id: written in its marker. instance_id: the machine whose
    disk it is on; on another one it begins empty.
    """

    volume_id: pulumi.Output[str]
    node: pulumi.Output[str]
    instance_id: pulumi.Output[str]


@dataclass(frozen=True)
class RegistryHandle:
    """Where images are pushed to and nodes pull from.

    server: `host` or `host:port`; repository: the path below it for images, may be "".
    password: always a secret.
    """

    server: str
    repository: str
    username: str
    password: pulumi.Output[str]


@dataclass(frozen=True)
class Ground:
    """What every workload builds on. prefix: of physical names. networks: by their plain names."""

    prefix: str
    cluster: ClusterHandle
    networks: Mapping[str, NetworkHandle]
    registry: RegistryHandle
