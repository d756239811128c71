"""The setting `overlay`: the addresses of the Swarm's networks. Pure.

Pools can't be changed once the Swarm exists, so they must be large enough from the first day.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from components.catalog.model import Server
from components.plan import backend
from components.plan.networks import LOGS, MONITORING
from components.plan.nodes import NodeGroup
from components.reading import Fault, Reader
from components.settings_model import Overlay

PRIVATE = tuple(
    map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
)
"""RFC 1918 and RFC 6598. All other addresses are somebody's, or this machine's own."""

DOCKER_BRIDGES = ("172.17.0.0/16", "172.18.0.0/16")
"""Docker's networks for docker0 and docker_gwbridge on every machine."""

SUBNET_SIZE, FIRST_SUBNET_SIZE = 20, 24
"""Default prefix lengths: of a new platform, and of one of the first version."""

LEAST_MTU = 576
"""Bytes; what every IPv4 host must accept (RFC 791)."""


def read(
    top: Reader,
    groups: Sequence[NodeGroup],
    servers: Iterable[Server],
    networks: Sequence[str],
) -> Overlay:
    """The setting; what is wrong goes to the reader's faults. networks: names of ours."""
    reader = top.inner("overlay")
    overlay = Overlay(
        address_pools=reader.texts("addressPools", ("10.200.0.0/16",)),
        subnet_size=reader.integer("subnetSize", SUBNET_SIZE, low=16, high=29),
        encrypted=reader.flag("encrypted", True),
        mtu=reader.integer("mtu", 0, low=0, high=9000),
    )
    reader.finish()
    if 0 < overlay.mtu < LEAST_MTU:
        reader.fault("mtu", overlay.mtu, f"0 (Docker's own choice) or {LEAST_MTU} to 9000")
    needed = addresses(groups, servers, monitored=MONITORING in networks, logged=LOGS in networks)
    if 2 ** (32 - overlay.subnet_size) < needed:
        enough = 32 - (needed - 1).bit_length()
        expected = f"{enough} or less: this platform holds up to {needed} addresses"
        reader.fault("subnetSize", overlay.subnet_size, expected)
    _pools(reader, overlay, networks)
    return overlay


def addresses(
    groups: Sequence[NodeGroup],
    servers: Iterable[Server],
    *,
    monitored: bool = False,
    logged: bool = False,
) -> int:
    """The most addresses that any network holds at once.

    `services`: its two ends and its router; one per machine; each server and the backend twice,
    while it is updated; the database; a gateway per manager, and the service with their
    configuration; a Prometheus per manager. `monitoring`: an exporter per machine and per machine
    with GPUs, the database's twice, and two watchers per manager. `logs`: what fills the stores per
    machine, two stores and a Prometheus per manager, and the backend.
    """
    machines = sum(group.count for group in groups)
    managers = sum(group.count for group in groups if group.role == "manager")
    replicas = sum(server.deploy.replicas for server in servers) + backend.REPLICAS
    services = 3 + machines + 2 * replicas + 1 + managers + 1
    return max(
        services + managers * monitored,
        (3 + 3 * machines + 2 + 2 * managers) * monitored,
        (3 + 2 * machines + (2 + monitored) * managers + 2 * backend.REPLICAS) * logged,
    )


def no_room(project: str, overlay: Overlay, networks: Sequence[str]) -> Fault | None:
    """A fault if networks of another mtu or encryption don't fit beside the former ones."""
    pools = map(ipaddress.IPv4Network, overlay.address_pools)
    subnets = _subnets(networks)
    found, needed = _rooms(pools, overlay.subnet_size), subnets + len(networks)
    if found >= needed:
        return None
    got = f"another mtu or encrypted, which needs new networks beside the {subnets} present ones"
    expected = f"pools with room for {needed}; they have room for {found} and can't be changed"
    return Fault(f"{project}:overlay", got, expected, "restore the former values")


def _rooms(pools: Iterable[ipaddress.IPv4Network], subnet_size: int) -> int:
    """The number of subnets in these pools."""
    return sum(2 ** (subnet_size - pool.prefixlen) for pool in pools)


def _subnets(networks: Sequence[str]) -> int:
    """Of Swarm's ingress, and of ours."""
    return 1 + len(networks)


def _pools(reader: Reader, overlay: Overlay, networks: Sequence[str]) -> None:
    taken = [
        (ipaddress.IPv4Network(bridge), "Docker's own bridge on every machine")
        for bridge in DOCKER_BRIDGES
    ]
    sound: list[ipaddress.IPv4Network] = []
    for index, text in enumerate(overlay.address_pools):
        key = f"addressPools[{index}]"
        try:
            pool = ipaddress.IPv4Network(text)
        except ValueError as error:
            reader.fault(key, text, "an IPv4 network such as 10.200.0.0/16", str(error))
            continue
        if not any(pool.subnet_of(private) for private in PRIVATE):
            expected = f"a part of {', '.join(map(str, PRIVATE))} (private addresses)"
            reader.fault(key, text, expected)
            continue
        if pool.prefixlen > overlay.subnet_size:
            expected = f"a network of /{overlay.subnet_size} or larger (subnetSize)"
            reader.fault(key, text, expected)
            continue
        overlapped = [(other, owner) for other, owner in taken if pool.overlaps(other)]
        for other, owner in overlapped[:1]:
            reader.fault(key, text, f"addresses that don't overlap {other}, {owner}")
        taken.append((pool, f"another of the {reader.path} pools"))
        sound.append(pool)
    if len(sound) == len(overlay.address_pools):
        _room(reader, sound, overlay.subnet_size, networks)


def _room(
    reader: Reader,
    pools: Sequence[ipaddress.IPv4Network],
    subnet_size: int,
    networks: Sequence[str],
) -> None:
    found, subnets = _rooms(pools, subnet_size), _subnets(networks)
    if found < subnets:
        ours = " and ".join(networks)
        expected = f"room for {subnets} (Swarm's ingress, and the networks {ours})"
        advice = "take a larger pool, or a larger subnetSize"
        got = f"room for {found} network{'s' if found > 1 else ''} of /{subnet_size}"
        reader.faults.append(Fault(reader.key("addressPools"), got, expected, advice))
