"""Which ports of a machine answer, seen from a container."""

from __future__ import annotations

import json
from collections.abc import Iterable

from simulator import node_image
from simulator.docker import LABEL, docker

PROGRAM = """\
import asyncio, json, socket, sys

async def answer(kind, address, port):
    probe = socket.socket(type=kind)
    probe.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2):
            await loop.sock_connect(probe, (address, port))
            if kind == socket.SOCK_DGRAM:
                await loop.sock_sendall(probe, b"?")
                await loop.sock_recv(probe, 9)
            return "open"
    except ConnectionRefusedError:
        return "closed"
    except OSError:
        return None
    finally:
        probe.close()

async def main(address, ports):
    kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
    places = [(name, int(port)) for name, port in (one.split("/") for one in ports)]
    answers = await asyncio.gather(*(answer(kinds[name], address, port) for name, port in places))
    found = zip(ports, answers)
    print(json.dumps({place: said for place, said in found if said}))

asyncio.run(main(sys.argv[1], sys.argv[2:]))
"""


def from_node(node: str, address: str, ports: Iterable[str]) -> dict[str, str]:
    """What a node sees of the ports (such as `tcp/22`) of an address: open or closed, by port.
    Those that stay silent are left out."""
    command = ("exec", node, "python3", "-c", PROGRAM, address)
    answers: dict[str, str] = json.loads(docker(*command, *ports))
    return answers


def from_outside(simulator: str, source: str, address: str, ports: Iterable[str]) -> dict[str, str]:
    """Like `from_node`, from a container that is not a node: `source` is its address."""
    container = ("run", "--rm", "--label", f"{LABEL}={simulator}", "--network", simulator)
    command = (*container, "--ip", source, node_image.RECIPE.tag, "python3", "-c", PROGRAM, address)
    answers: dict[str, str] = json.loads(docker(*command, *ports))
    return answers
