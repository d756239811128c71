"""Whether this machine's kernel can encrypt the traffic between nodes.

Nodes share the kernel and can't load modules, but the kernel loads what they ask for. So a
container asks exactly as a node's Docker does.
"""

from __future__ import annotations

from simulator.docker import docker
from simulator.exceptions import DockerError

TRY = """\
set -e
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport \\
  aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64
iptables -t mangle -A OUTPUT -p udp --dport 4789 \\
  -m u32 --u32 '0>>22&0x3C@12&0xFFFFFF00=0x1000' -j MARK --set-mark 0xD0C4E3
iptables -A INPUT -p udp --dport 4789 -m policy --dir in --pol ipsec -j ACCEPT
"""
"""A security association and the rules of an encrypted overlay (moby v20.10.24,
libnetwork/drivers/overlay/encryption.go: programSA, programMangle, programInput)."""


def trouble(image: str) -> str:
    """Why an overlay can't be encrypted, "" if it can. image: one with iproute2 and iptables."""
    rights = ("--cap-add", "NET_ADMIN", "--network", "none")
    try:
        docker("run", "--rm", *rights, image, "/bin/sh", "-c", TRY)
    except DockerError as error:
        return str(error).partition(": ")[2].splitlines()[-1]
    return ""
