"""The files that every node has, written over ssh whenever they change."""

from __future__ import annotations

from components.plan import templates


def files(*, gpu: bool, registry_server: str, registry_ca: str) -> dict[str, str]:
    """Contents by path.

    gpu: whether Docker knows NVIDIA's runtime; its cgroup driver keeps NVML usable when systemd
    reloads. registry_ca: PEM that Docker trusts for registry_server, "" for the system's own.
    """
    found = {
        "/etc/ssh/sshd_config.d/10-sophia.conf": templates.render("sshd.conf.j2"),
        "/etc/apt/apt.conf.d/52-sophia": templates.render("apt.conf.j2"),
        "/etc/docker/daemon.json": templates.render("daemon.json.j2", gpu=gpu),
        "/etc/systemd/system/sophia-link-local.service": templates.render("link-local.service.j2"),
    }
    if registry_ca:
        # Docker reads it at each pull.
        found[f"/etc/docker/certs.d/{registry_server}/ca.crt"] = registry_ca.strip() + "\n"
    return found
