"""What a machine does at its first boot, as a cloud-init text. `node_setup` does the rest.

Works on Lambda Stack (Ubuntu) and on Debian 12: both have Docker, sshd and cloud-init, and a user
that cloud-init calls `default`. The text holds the host's private key: treat it as a secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.plan import templates


@dataclass(frozen=True)
class FirstBoot:
    """What differs between cloud-init texts: what a machine keeps for ever.

    host_private_key: OpenSSH PEM; host_public_key: its public line.
    """

    user: str
    host_private_key: str
    host_public_key: str


def render(boot: FirstBoot) -> str:
    """The user data of one machine: a YAML document that starts with `#cloud-config`."""
    return templates.render(
        "cloud-init.yaml.j2",
        user=boot.user,
        host_private_key=boot.host_private_key,
        host_public_key=boot.host_public_key,
    )
