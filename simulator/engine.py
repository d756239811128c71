"""The host's Docker engine: used as it is if it runs, else installed and started.

One that was started here is stopped when nothing runs in it any more. Who started it is recorded
outside the state folders, since several simulators share it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator import packages
from simulator.docker import docker
from simulator.exceptions import DockerError, DockerMissing

PID_FILE = Path("/run/sophia-dockerd.pid")
LOG_FILE = Path("/var/log/sophia-dockerd.log")
DATA = Path("/var/lib/docker")
SYSTEMD = Path("/run/systemd/system")
START_SECONDS = 60
SOCKET = "unix:///var/run/docker.sock"
TRUSTED = Path("/etc/docker/certs.d")
"""Where an engine finds each registry's CA, without a restart (Docker's documentation,
"Verify repository client with certificates")."""
ALLOW_TRUST = f'sudo install -d -o "$USER" {TRUSTED}'
"""Lets a user decide whom Docker trusts; a user of Docker could do that through Docker, too."""


def answers() -> bool:
    """Whether an engine answers us."""
    return trouble() is None


def is_installed() -> bool:
    """Whether an engine runs or could be started."""
    return not packages.missing(["docker"]) and (not packages.missing(["dockerd"]) or answers())


def ensure(progress: Callable[[str], None]) -> None:
    """An engine that answers. Raises DockerMissing, SimulatorError."""
    said = trouble()
    if said is None:
        return
    host = host_address()
    if host != SOCKET or "permission denied" in said:
        raise DockerMissing(
            f"no access to Docker at {host}: {said}; expected an engine that this user may use: "
            "join the group docker, or set DOCKER_HOST (or the docker context) to one that answers"
        )
    if packages.missing(["docker", "dockerd"]):
        progress("installing docker.io")
        packages.ensure(["docker", "dockerd"], LOG_FILE)
        if answers():
            return
    if os.geteuid() != 0:
        raise DockerMissing(
            f"no Docker engine runs ({said}), and without root this can't start one: "
            "start it (systemctl start docker) and run this again"
        )
    progress("starting dockerd")
    _start()


def remembers(name: str) -> bool:
    """Whether a stopped engine has a network of that name. False if that can't be read."""
    with contextlib.suppress(OSError):
        return name.encode() in (DATA / "network" / "files" / "local-kv.db").read_bytes()
    return False


def stop_if_ours() -> bool:
    """Stop the engine if a simulator started it and nothing runs in it; returns whether it did."""
    pid = _ours()
    if pid is None:
        return False
    if docker("ps", "--quiet"):
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        return False  # another user's
    deadline = time.monotonic() + START_SECONDS
    while _is_dockerd(pid):
        if time.monotonic() > deadline:
            raise DockerError(f"dockerd (pid {pid}) did not stop in {START_SECONDS} s: {LOG_FILE}")
        time.sleep(0.1)
    PID_FILE.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def kept(progress: Callable[[str], None]) -> Iterator[None]:
    """An engine that answers, and that no simulator stops during the context.

    For runs of many simulators: if it had to be started, it is stopped at the end. Raises like
    `ensure`.
    """
    ensure(progress)
    pid = _ours()
    if pid is not None:
        PID_FILE.unlink()
    try:
        yield
    finally:
        if pid is not None and _is_dockerd(pid):
            PID_FILE.write_text(str(pid))
            stop_if_ours()


@dataclass(frozen=True)
class Version:
    """Determines a node's rights: Docker's major version, and "1" or "2" for cgroups (a hybrid host
    counts as "1")."""

    docker: int
    cgroup: str


def version() -> Version:
    """The engine's. Raises DockerError."""
    said = docker("info", "--format", "{{.ServerVersion}} {{.CgroupVersion}}")
    number, cgroup = said.split()
    return Version(int(number.split(".")[0]), cgroup)


def power_id() -> str:
    """Changes whenever all containers went down together: the machine or its engine restarted."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        return f"{boot}:{Path('/run/docker.pid').read_text().strip()}"
    return boot


def trouble() -> str | None:
    """Why the engine doesn't answer; None if it answers."""
    try:
        docker("version", "--format", "{{.Server.Version}}", timeout=20)
    except DockerError as error:
        return str(error)
    return None


def host_address() -> str:
    """Where the docker command looks for its engine."""
    try:
        return docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    except DockerError:
        return SOCKET  # no docker command yet


def _start() -> None:
    if SYSTEMD.is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "start", "docker"], check=False)
    else:
        with LOG_FILE.open("ab") as log:
            process = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd="/",
            )  # fmt: skip
        PID_FILE.write_text(str(process.pid))
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise DockerMissing(
                f"dockerd was started but does not answer after {START_SECONDS} s, see {LOG_FILE}"
            )
        time.sleep(0.2)


def _ours() -> int | None:
    """The process id of an engine that a simulator started, if it still runs."""
    try:
        pid = int(PID_FILE.read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_dockerd(pid) else None


def _is_dockerd(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return "(dockerd)" in status and ") Z " not in status
