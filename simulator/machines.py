"""Node containers: machines with systemd, sshd, cloud-init and a Docker of their own.

A node keeps its address, its disk and its Docker volume over `docker restart`, which to it is a
reboot. What starts it and why: the flags are those with which systemd and a nested dockerd run
where `--privileged` is refused.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from simulator import images
from simulator.docker import LABEL, docker
from simulator.exceptions import DockerError

INSTANCE_LABEL = "sophia.instance"

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024

CONFIG = """\
datasource_list: [NoCloud]
network: {config: disabled}
locale: false
apt: {preserve_sources_list: true}
grub_dpkg: {enabled: false}
growpart: {mode: "off"}
resize_rootfs: false
ssh: {emit_keys_to_console: false}
system_info:
  default_user:
    name: ubuntu
    gecos: Ubuntu
    lock_passwd: true
    groups: [adm, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
"""

INIT = """\
#!/bin/sh
# The first process of a node: what a container runtime made read-only, systemd writes.
mount -o remount,rw /sys
mount -o remount,rw /proc/sys
# The node's containers lie below the node in the host's cgroups, and vanish with it.
group=$(sed -n 's/^[0-9]*:memory://p; s/^0:://p' /proc/self/cgroup | head -n 1)
echo "DOCKER_OPTS=--cgroup-parent=$group/docker" > /etc/default/docker
exec /lib/systemd/systemd
"""

FINISH = f"""\
cat > "$1/etc/cloud/cloud.cfg.d/90_simulator.cfg" <<'END'
{CONFIG}END
cat > "$1/usr/local/sbin/node-init" <<'END'
{INIT}END
chmod 755 "$1/usr/local/sbin/node-init"
mkdir -p "$1/var/lib/cloud/seed/nocloud"
rm -f "$1"/etc/ssh/ssh_host_*
: > "$1/etc/machine-id"
chroot "$1" systemctl set-default multi-user.target
chroot "$1" systemctl mask getty.target console-getty.service systemd-modules-load.service \\
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \\
  dev-hugepages.mount dev-mqueue.mount apt-daily.timer apt-daily-upgrade.timer \\
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
"""

RECIPE = images.Recipe(
    "sophia-sim-node",
    (
        *("systemd", "systemd-sysv", "dbus", "openssh-server", "cloud-init", "docker.io", "sudo"),
        *("iproute2", "ca-certificates", "curl", "locales", "iptables"),
    ),
    FINISH,
)

RIGHTS = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--device-cgroup-rule", "a *:* rwm", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)


@dataclass(frozen=True)
class Node:
    """One machine as it is to be: `container` is its name to Docker, `hostname` its own."""

    container: str
    hostname: str
    network: str
    ip: str
    simulator: str
    instance_id: str
    user_data: str
    public_keys: tuple[str, ...]


def ensure_image(progress: images.Progress) -> str:
    """The node image's tag; it is built if it isn't there."""
    return images.ensure(RECIPE, progress)


def start(node: Node) -> None:
    """Make and boot the node; returns when its container runs. Raises DockerError.

    The seed is copied into the container, so that nothing of it lies on the host.
    """
    _make_room()
    docker(
        *("create", "--name", node.container, "--hostname", node.hostname),
        *(
            "--label",
            f"{LABEL}={node.simulator}",
            "--label",
            f"{INSTANCE_LABEL}={node.instance_id}",
        ),
        *("--network", node.network, "--ip", node.ip),
        *RIGHTS,
        *("--mount", _volume(node), "--env", "container=docker", "--stop-signal", "SIGRTMIN+3"),
        *(RECIPE.tag, "/usr/local/sbin/node-init"),
    )
    docker("cp", "-", f"{node.container}:/", stdin=_seed(node))
    docker("start", node.container)


def restart(container: str) -> None:
    """Reboot the node; one that is off is switched on."""
    docker("restart", "--time", "10", container)


def power_on(container: str) -> None:
    """Boot the node again; one that runs is left alone."""
    docker("start", container)


def kill(container: str) -> None:
    """Take the node's power away."""
    docker("kill", container)


def remove(container: str) -> None:
    """Remove the node and its disk; one that isn't there is fine."""
    docker("rm", "--force", "--volumes", container)
    volume = f"{container}-docker"
    try:
        docker("volume", "rm", "--force", volume)
    except DockerError as error:
        if "No such volume" not in str(error):
            raise


def states(simulator: str) -> dict[str, str]:
    """Docker's state (created, running, exited, …) of each node of a simulator, by instance id."""
    lines = docker(
        *("ps", "--all", "--filter", f"label={LABEL}={simulator}", "--filter"),
        *(
            f"label={INSTANCE_LABEL}",
            "--format",
            f'{{{{.Label "{INSTANCE_LABEL}"}}}} {{{{.State}}}}',
        ),
    )
    pairs = (line.split() for line in lines.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _make_room() -> None:
    """Lets the kernel watch the files of more machines, where this process may say so.

    A node's systemd takes 8 inotify instances; with the usual 128 in all, the 17th node hangs
    before its sshd starts, without a word.
    """
    with contextlib.suppress(OSError):
        if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
            INOTIFY.write_text(str(INOTIFY_INSTANCES))


def _volume(node: Node) -> str:
    name = f"{node.container}-docker"
    label = f"{LABEL}={node.simulator}"
    return f'type=volume,src={name},dst=/var/lib/docker,"volume-label={label}"'


def _seed(node: Node) -> bytes:
    """The files of cloud-init's NoCloud data source, as a tar for the root directory."""
    meta = {
        "instance-id": node.instance_id,
        "local-hostname": node.hostname,
        "public-keys": list(node.public_keys),
    }
    user_data = node.user_data or "#cloud-config\n{}\n"
    return _tar([("meta-data", json.dumps(meta)), ("user-data", user_data)])


def _tar(files: Iterable[tuple[str, str]]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in files:
            data = text.encode()
            entry = tarfile.TarInfo(f"var/lib/cloud/seed/nocloud/{name}")
            entry.size = len(data)
            entry.mode = 0o600
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
