"""The files that every node has, written over ssh whenever they change."""

from __future__ import annotations

from pathlib import Path

from components.plan import node_report, templates

REPORT = "/var/lib/sophia-report"
"""The folder on each node where `node_report` writes its numbers."""
_PROGRAM = "/usr/local/lib/sophia/node_report.py"


def files(
    *, gpu: bool, registry_server: str, registry_ca: str, watched: bool = False
) -> dict[str, str]:
    """Contents by path.

    gpu: whether Docker knows NVIDIA's runtime; its cgroup driver keeps NVML usable when systemd
    reloads. registry_ca: PEM that Docker trusts for registry_server, "" for the system's own.
    watched: whether the node reports its numbers.
    """
    found = {
        "/etc/ssh/sshd_config.d/10-sophia.conf": templates.render("sshd.conf.j2"),
        "/etc/apt/apt.conf.d/52-sophia": templates.render("apt.conf.j2"),
        "/etc/docker/daemon.json": templates.render(
            "daemon.json.j2", gpu=gpu, metrics=node_report.DAEMON if watched else ""
        ),
        "/etc/systemd/system/sophia-link-local.service": templates.render("link-local.service.j2"),
    }
    if watched:
        found[_PROGRAM] = Path(node_report.__file__).read_text()
        found["/etc/systemd/system/sophia-report.service"] = templates.render(
            "node-report.service.j2", program=_PROGRAM, folder=REPORT
        )
    if registry_ca:
        # Docker reads it at each pull.
        found[f"/etc/docker/certs.d/{registry_server}/ca.crt"] = registry_ca.strip() + "\n"
    return found
