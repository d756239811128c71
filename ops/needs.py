"""What a machine lacks for `make up`, with the command that installs each thing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ops.machine import Machine
from simulator.engine import ALLOW_TRUST, SOCKET
from simulator.network import POOL
from simulator.packages import NEEDED_FOR
from toolchain.ways import numbers

GIB = 1 << 30
OLDEST_DOCKER = (20, 10)
"""The first version with cgroup v2 and `--cgroupns`."""
DOCKER_GIB = 10
"""Images of nodes and services, and what four nodes pull: 8.3 GiB were seen, with Docker 29."""
CACHE_GIB = 1
BUILD_GIB = 6
"""Go's caches while the engine is built; they are removed afterwards."""
MEMORY_GIB = 3
"""Four nodes and all services took 2 GiB."""
CONTROLLERS = ("cpu", "memory", "pids")
REQUIRED_MODULES = ("overlay", "bridge", "veth", "vxlan")

JOIN = 'sudo usermod -aG docker "$USER", then log in again'
_ELSEWHERE = "clone into a folder of yours, and set HOME to one"
AS_ROOT = "run this as root, which needs none"
ALLOWING = {
    "kernel.unprivileged_userns_clone": 1,
    "user.max_user_namespaces": 65536,
    "kernel.apparmor_restrict_unprivileged_userns": 0,
}
"""The value of each kernel setting with which it allows user namespaces."""


@dataclass(frozen=True)
class Need:
    """What is missing, and how to fix it: a command or a sentence."""

    problem: str
    remedy: str


def missing(machine: Machine) -> list[Need]:
    """Everything that prevents `make up` from working here."""
    if machine.system != "Linux":
        return [Need(f"the system is {machine.system}", "use a Linux machine")]
    return [*_programs(machine), *_engine(machine), *_kernel(machine), *_room(machine)]


def notes(machine: Machine) -> list[str]:
    """What `make up` installs by itself, and what will be missing without harm."""
    return [*_installs(machine), *_without(machine), *_firewall(machine)]


def _programs(machine: Machine) -> Iterator[Need]:
    if machine.architecture != "x86_64":
        # The images' Python packages are pinned for it.
        yield Need(f"the processor is {machine.architecture}", "use an x86_64 machine")
    absent = [f"{name} ({NEEDED_FOR[name][1]})" for name in _absent(machine)]
    if not machine.python:
        absent.insert(0, "Python 3.11 to 3.13 with venv")
    if absent and not (machine.root and "apt-get" in machine.commands):
        sudo = "" if machine.root else "sudo "
        wanted = " ".join(_packages(machine))
        install = f"{sudo}apt-get update && {sudo}apt-get install -y {wanted}"
        yield Need(f"missing: {', '.join(absent)}", install)


def _absent(machine: Machine) -> list[str]:
    """The commands that have to be installed; the engine's only if none answers."""
    wanted = [] if machine.engine else ["docker", "dockerd"]
    if not machine.images_built:
        wanted += ["mmdebstrap"] if machine.root else ["mmdebstrap", "newuidmap"]
    return [command for command in wanted if command not in machine.commands]


def _packages(machine: Machine) -> list[str]:
    """The packages for everything that is absent."""
    wanted = {package for name in _absent(machine) for package in machine.packages[name]}
    return sorted(wanted | (set() if machine.python else {machine.python_package}))


def _engine(machine: Machine) -> Iterator[Need]:
    if machine.engine is None:
        yield from _no_engine(machine)
        return
    found = machine.engine
    if not found.here:
        yield Need(
            f"Docker at {machine.engine_address} runs on another machine ({found.system})",
            "use this machine's engine: unset DOCKER_HOST, or docker context use default",
        )
    if numbers(found.version) < OLDEST_DOCKER:
        yield Need(f"Docker is {found.version}, expected 20.10 or newer", "upgrade Docker")
    for option, what in (("rootless", "runs rootless"), ("userns", "remaps users (userns-remap)")):
        if any(entry.startswith(f"name={option}") for entry in found.security):
            yield Need(f"Docker {what}, where no node can run", "use an ordinary engine")
    if not machine.trust_writable:
        yield Need("this user may not change which registries Docker trusts", ALLOW_TRUST)


def _no_engine(machine: Machine) -> Iterator[Need]:
    trouble, address = machine.engine_trouble, machine.engine_address
    if "permission denied" in trouble:
        yield Need(f"no access to Docker at {address}", JOIN)
    elif address != SOCKET:
        yield Need(f"no Docker at {address}: {trouble}", "unset DOCKER_HOST, or start that engine")
    elif not machine.root:
        if "dockerd" in machine.commands:
            yield Need("no Docker engine runs", "sudo systemctl start docker")
        if not machine.docker_group:
            yield Need("Docker is for root only", JOIN)
    if not machine.root and not machine.trust_writable:
        yield Need("this user may not change which registries Docker trusts", ALLOW_TRUST)


def _kernel(machine: Machine) -> Iterator[Need]:
    absent = [name for name in REQUIRED_MODULES if machine.modules[name] is False]
    if absent:
        yield Need(f"the kernel has no {', '.join(absent)}", "use a kernel that has it")
    off = [name for name in CONTROLLERS if name not in machine.controllers]
    if off and machine.controllers:
        yield Need(
            f"cgroup controllers that are off: {', '.join(off)}",
            "boot without cgroup_disable= for them",
        )
    yield from _namespaces(machine)
    if not machine.subnet_free:
        yield Need(f"no free /24 in {POOL} for the nodes", "docker network prune")


def _namespaces(machine: Machine) -> Iterator[Need]:
    """What mmdebstrap needs to build images without root."""
    if machine.root or machine.images_built:
        return
    if not machine.subordinate_ids:
        yield Need(
            "this user has no subordinate ids (/etc/subuid, /etc/subgid) to build images with",
            'sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"',
        )
    if machine.namespaces:
        setting = machine.namespaces.partition(" is ")[0]
        allow = f"sudo sysctl {setting}={ALLOWING[setting]}" if setting in ALLOWING else AS_ROOT
        yield Need(f"no user namespaces to build images in: {machine.namespaces}", allow)


def _room(machine: Machine) -> Iterator[Need]:
    docker = 1 if machine.in_use else DOCKER_GIB
    cache = 0 if machine.engine_built else CACHE_GIB + BUILD_GIB
    for folder, free, wanted in (
        (machine.docker_folder, machine.docker_disk, docker),
        (machine.cache_folder, machine.cache_disk, cache),
    ):
        if free < wanted * GIB:
            problem = f"{free / GIB:.1f} GiB are free for {folder}, expected {wanted} GiB"
            yield Need(problem, f"make room on the file system of {folder}")
    if machine.not_writable:
        folders = ", ".join(map(str, machine.not_writable))
        yield Need(f"this user can't write into {folders}", _ELSEWHERE)
    if machine.memory < MEMORY_GIB * GIB and not machine.in_use:
        problem = f"{machine.memory / GIB:.1f} GiB of memory are available"
        yield Need(f"{problem}, expected {MEMORY_GIB} GiB", "end other programs, or add memory")


def _installs(machine: Machine) -> Iterator[str]:
    if machine.root and (wanted := _packages(machine)):
        yield f"this will install {' '.join(wanted)}"


def _without(machine: Machine) -> Iterator[str]:
    if machine.modules["esp4"] is False:
        yield "the kernel has no esp4: traffic between nodes will not be encrypted"
    if machine.modules["ip_vs"] is False:
        yield "the kernel has no ip_vs: services with a virtual address (none of ours) won't answer"


def _firewall(machine: Machine) -> Iterator[str]:
    if machine.firewall:
        yield f"ufw is on: let the nodes in with `ufw allow from {POOL}` unless you have done so"


def summary(machine: Machine) -> str:
    """The machine in a few words."""
    docker = f"Docker {machine.engine.version}" if machine.engine else "no Docker engine yet"
    cgroups = f"cgroup v{machine.cgroup_version}"
    disk = f"{machine.docker_disk / GIB:.0f} GiB of disk"
    return f"{docker}, {cgroups}, {machine.memory / GIB:.0f} GiB of memory, {disk}"
