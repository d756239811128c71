"""What a machine does at its first boot, as a cloud-init text.

Works on Lambda Stack (Ubuntu) and on Debian 12: both have Docker, sshd and cloud-init, and a user
that cloud-init calls `default`. The text holds the host's private key: treat it as a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parents[2] / "templates"


@dataclass(frozen=True)
class FirstBoot:
    """What cloud-init texts differ in.

    host_private_key: OpenSSH PEM; host_public_key: its public line.
    registry_ca: PEM that Docker trusts for registry_server, "" for the system's own.
    gpu: whether Docker knows NVIDIA's runtime; its cgroup driver keeps NVML usable when systemd
    reloads.
    """

    user: str
    host_private_key: str
    host_public_key: str
    registry_server: str
    registry_ca: str
    gpu: bool


def render(boot: FirstBoot) -> str:
    """The user data of one machine: a YAML document that starts with `#cloud-config`."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return templates.get_template("cloud-init.yaml.j2").render(
        user=boot.user,
        host_private_key=boot.host_private_key,
        host_public_key=boot.host_public_key,
        sshd=templates.get_template("sshd.conf.j2").render(),
        daemon=templates.get_template("daemon.json.j2").render(gpu=boot.gpu),
        registry_server=boot.registry_server,
        registry_ca=boot.registry_ca,
    )


def finished() -> str:
    """A shell command that waits for the first boot's end and proves that it did its work.

    `cloud-init status --wait` exits with 2 after warnings it recovered from.
    """
    return (
        "said=$(sudo cloud-init status --wait --long 2>&1); code=$?;"
        ' if [ $code -ne 0 ] && [ $code -ne 2 ]; then echo "$said"; exit $code; fi;'
        " sudo docker version --format '{{.Server.Version}}'"
    )
