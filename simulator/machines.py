"""Node containers: machines with their own systemd, sshd, cloud-init and Docker.

A node keeps its address, its disk and its Docker volume over `docker restart`, which it sees as a
reboot. It has the rights that systemd and a nested dockerd need where `--privileged` is refused;
README.md lists the distributions they were tried on.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from simulator import engine, node_image
from simulator.docker import LABEL, docker
from simulator.exceptions import DockerError

INSTANCE_LABEL = "sophia.instance"

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024

PATIENCE = 1800.0
"""Seconds for Docker to start or stop a node: longer than anybody waits for one, since a slow
machine isn't broken. An engine that ends, or refuses, is noticed at once."""

_FILTER = f"/{node_image.FILTER}"
_KEEP_AND_RUN = (
    f"cat > {_FILTER}.new && chmod 755 {_FILTER}.new && mv {_FILTER}.new {_FILTER} && {_FILTER}"
)

_SEED = "var/lib/cloud/seed/nocloud"

_RIGHTS = (
    *("--cap-add", "ALL"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--device-cgroup-rule", "a *:* rwm", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)
_CGROUPS = {
    "1": ("--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    # A bind of the host's tree would show a group that is not the root of the node's namespace.
    "2": ("--cgroupns", "private"),
}


_ALL_IS_AVAILABLE = 23
"""The first Docker whose ALL omits capabilities that dockerd itself lacks (moby: `oci/caps` takes
containerd's `cap.Current`). It refuses to drop such a capability; earlier ones refuse to add it."""


def rights(host: engine.Version) -> tuple[str, ...]:
    """What `docker create` grants a node on this engine."""
    drop = () if host.docker >= _ALL_IS_AVAILABLE else ("--cap-drop", "SYS_RESOURCE")
    return (*_RIGHTS, *drop, *_CGROUPS[host.cgroup])


@dataclass(frozen=True)
class Node:
    """One wanted machine: `container` is its name in Docker, `hostname` its own.

    private_ip: a second address, in a /24 that only nodes know; "" for none.
    """

    container: str
    hostname: str
    network: str
    ip: str
    simulator: str
    instance_id: str
    user_data: str
    public_keys: tuple[str, ...]
    private_ip: str = ""


def start(node: Node) -> None:
    """Make and boot the node; returns when its container runs. Raises DockerError.

    The seed is copied into the container, so none of it stays on the host.
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
        *rights(engine.version()),
        *("--mount", _volume(node), "--env", "container=docker"),
        *("--env", f"{node_image.PRIVATE}={_network(node.private_ip)}"),
        *("--stop-signal", "SIGRTMIN+3"),
        *(node_image.RECIPE.tag, "/usr/local/sbin/node-init"),
        timeout=PATIENCE,
    )
    docker("cp", "-", f"{node.container}:/", stdin=_seed(node), timeout=PATIENCE)
    docker("start", node.container, timeout=PATIENCE)


def protect(container: str, script: str) -> None:
    """Have the node run a script of `packet_filter`, now and first thing at each boot."""
    try:
        run = ("exec", "--interactive", container, "sh", "-c", _KEEP_AND_RUN)
        docker(*run, stdin=script.encode(), timeout=PATIENCE)
    except DockerError as error:
        if "is not running" not in str(error):
            raise
        kept = _tar([(node_image.FILTER, script, 0o755)])
        docker("cp", "-", f"{container}:/", stdin=kept, timeout=PATIENCE)


def restart(container: str) -> None:
    """Reboot the node; switch it on if it is off."""
    docker("restart", "-t", "10", container, timeout=PATIENCE)


def power_on(container: str) -> None:
    """Boot the node unless it runs."""
    docker("start", container, timeout=PATIENCE)


def kill(container: str) -> None:
    """Cut the node's power."""
    docker("kill", container, timeout=PATIENCE)


def remove(container: str) -> None:
    """Remove the node and its disk; a missing one is fine."""
    docker("rm", "--force", "--volumes", container, timeout=PATIENCE)
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
    """Raises the kernel's limit for watching files, if this process may.

    A node's systemd takes 8 inotify instances; with the usual 128 in all, the 17th node hangs
    silently before its sshd starts.
    """
    with contextlib.suppress(OSError):
        if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
            INOTIFY.write_text(str(INOTIFY_INSTANCES))


def _volume(node: Node) -> str:
    name = f"{node.container}-docker"
    label = f"{LABEL}={node.simulator}"
    return f'type=volume,src={name},dst=/var/lib/docker,"volume-label={label}"'


def _network(address: str) -> str:
    return f"{address}/24" if address else ""


def _seed(node: Node) -> bytes:
    """The files of cloud-init's NoCloud data source, as a tar for the root directory."""
    meta = {
        "instance-id": node.instance_id,
        "local-hostname": node.hostname,
        "public-keys": list(node.public_keys),
    }
    user_data = node.user_data or "#cloud-config\n{}\n"
    return _tar(
        [
            (f"{_SEED}/meta-data", json.dumps(meta), 0o600),
            (f"{_SEED}/user-data", user_data, 0o600),
        ]
    )


def _tar(files: Iterable[tuple[str, str, int]]) -> bytes:
    """path, text and mode of each file"""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text, mode in files:
            data = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = mode
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
