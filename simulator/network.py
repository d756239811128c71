"""The network of one simulator: a Docker bridge with its own subnet.

The host has its first address; the API listens there, so that the host and the nodes can reach it.
The caller assigns nodes' addresses, and they keep them.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from simulator.docker import LABEL, docker
from simulator.exceptions import DockerError, NoFreeSubnet

POOL = ipaddress.IPv4Network("172.28.0.0/14")
"""The pool of subnets: apart from Swarm's default pools and Docker's first bridges."""


def ensure(
    name: str, simulator: str, wanted: ipaddress.IPv4Network | None = None
) -> ipaddress.IPv4Network:
    """The subnet of the network `name`, which is created if missing: the wanted one or a free one.

    Raises NoFreeSubnet.
    """
    found = subnet_of(name)
    if found is not None:
        return found
    for candidate in candidates(simulator) if wanted is None else [wanted]:
        try:
            docker(
                *("network", "create", "--driver", "bridge", "--label", f"{LABEL}={simulator}"),
                *("--subnet", str(candidate), "--gateway", str(candidate[1]), name),
            )
        except DockerError as error:
            if "overlap" in str(error):
                continue  # taken since the check
            raise
        return candidate
    raise NoFreeSubnet(
        f"{wanted or f'every /24 of {POOL}'} is taken; expected a subnet for the simulator's "
        "network that no route of this machine covers; remove Docker networks that aren't needed "
        "(docker network prune)"
    )


def subnet_of(name: str) -> ipaddress.IPv4Network | None:
    """The subnet of the network `name`; None if there is no such network."""
    try:
        text = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name)
    except DockerError as error:
        if "No such network" in str(error) or "not found" in str(error):
            return None
        raise
    return ipaddress.IPv4Network(text)


def candidates(seed: str) -> Iterator[ipaddress.IPv4Network]:
    """The pool's /24s that no route covers, in an order that depends on the seed."""
    taken = routes()
    subnets = list(POOL.subnets(new_prefix=24))
    random.Random(seed).shuffle(subnets)
    return (one for one in subnets if not any(one.overlaps(other) for other in taken))


def private(address: str) -> str:
    """The private address that goes with a public one. The host has no route to it."""
    return f"10.{address.split('.', 1)[1]}"


def routes(table: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """This machine's routes, except the default route."""
    found = []
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (
            socket.inet_ntoa(struct.pack("=I", int(fields[place], 16))) for place in (1, 7)
        )
        network = ipaddress.IPv4Network(f"{address}/{mask}")
        if network.prefixlen:
            found.append(network)
    return found
