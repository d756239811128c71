"""Which ports answer this machine on each node's public address, and which of them may."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from components.plan.firewall import SSH_PORT
from ops.audit.findings import Check
from ops.audit.nodes import Node

WELL_KNOWN = (
    *(21, 23, 25, 53, 80, 111, 443, 2049, 2375, 2376, 2377, 3000, 3306, 4789, 5000, 5432, 6379),
    *(7946, 8000, 8080, 8404, 8405, 8443, 8888, 9000, 9090, 9100, 9187, 9323, 10250, 27017),
)
"""Tried on every node, whatever it reports as listening."""
_ANSWER = 2.0
"""Seconds for a port to answer; a closed firewall never does."""
_AT_ONCE = 200


def planned(outputs: Mapping[str, Any]) -> dict[str, set[int]]:
    """What the plan opens to the world, by node: ssh, and on managers the gateway. Pure."""
    gateway = urlsplit(outputs["gateway_url"]).port or 443
    return {
        name: {SSH_PORT, gateway} if node["role"] == "manager" else {SSH_PORT}
        for name, node in outputs["nodes"].items()
    }


def listening(node: Node) -> set[int]:
    """The ports at which anything listens for others than the node itself. Pure."""
    places = (line.split()[3].rpartition(":") for line in node.text("listening").splitlines())
    return {int(port) for host, _, port in places if not host.startswith(("127.", "[::1]"))}


def judged(allowed: Mapping[str, Collection[int]], open: Mapping[str, Collection[int]]) -> Check:
    """allowed, open: ports by node. Pure."""
    problems = {
        name: [
            *([] if SSH_PORT in ports else ["not even ssh answers: nothing is known"]),
            *(f"port {port} answers" for port in sorted(set(ports) - set(allowed[name]))),
        ]
        for name, ports in open.items()
    }
    return Check("ports", "from here, nothing answers but ssh and the gateway (TCP)", problems)


def checked(outputs: Mapping[str, Any], nodes: Sequence[Node]) -> Check:
    """Tries all listening and well-known ports of each node."""
    allowed = planned(outputs)
    known = {node.name: listening(node) for node in nodes}
    wanted = {
        (name, node["address"], port)
        for name, node in outputs["nodes"].items()
        for port in {*WELL_KNOWN, *allowed[name], *known.get(name, ())}
    }
    found: dict[str, set[int]] = {name: set() for name in outputs["nodes"]}
    for name, port in asyncio.run(_answering(wanted)):
        found[name].add(port)
    return judged(allowed, found)


async def _answering(places: Iterable[tuple[str, str, int]]) -> list[tuple[str, int]]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def answers(address: str, port: int) -> bool:
        async with free:
            try:
                async with asyncio.timeout(_ANSWER):
                    _, writer = await asyncio.open_connection(address, port)
            except OSError:  # TimeoutError, too
                return False
            writer.close()
            return True

    listed = sorted(places)
    told = await asyncio.gather(*(answers(address, port) for _, address, port in listed))
    return [(name, port) for (name, _, port), said in zip(listed, told, strict=True) if said]
