"""Facts about this machine on which `make up` depends. Only reads.

Standard library only, and any Python from 3.9 on: this runs before any package is installed, even
without a suitable Python.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import gzip
import json
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator import engine, images, network, node_image, packages
from simulator.docker import LABEL, docker, exists
from simulator.exceptions import DockerError
from toolchain import build, places

HERE = Path(__file__).parent

MODULES = {
    "overlay": "CONFIG_OVERLAY_FS",
    "bridge": "CONFIG_BRIDGE",
    "veth": "CONFIG_VETH",
    "vxlan": "CONFIG_VXLAN",
    "br_netfilter": "CONFIG_BRIDGE_NETFILTER",
    "ip_vs": "CONFIG_IP_VS",
    "esp4": "CONFIG_INET_ESP",
}
"""Kernel modules that matter, and the build option of each."""

COMMANDS = ("apt-get", "docker", "dockerd", "mmdebstrap", "newuidmap")


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers (`docker info`). here: it runs on this machine's own kernel."""

    version: str
    cgroup_version: str
    security: tuple[str, ...]
    system: str
    here: bool


@dataclass(frozen=True)
class Machine:
    """The facts that `needs` judges.

    python: path of a suitable one, "" if there is none; python_package: would install it.
    packages: those that would install each command of simulator.packages.NEEDED_FOR.
    in_use: nodes are running. engine_trouble: why no engine answers.
    docker_group: this user is in it. modules: whether the kernel has them, None if unknown.
    memory, docker_disk, cache_disk: bytes available. subordinate_ids: whether this user has some.
    namespaces: what forbids user namespaces, or mmdebstrap's error when it tried, "" for none.
    firewall: ufw is on. not_writable: folders that `make up` writes into and this user can't.
    """

    root: bool
    system: str
    architecture: str
    python: str
    python_package: str
    commands: frozenset[str]
    packages: Mapping[str, Sequence[str]]
    engine: Engine | None
    engine_trouble: str
    engine_address: str
    docker_group: bool
    cgroup_version: str
    controllers: frozenset[str]
    modules: Mapping[str, bool | None]
    memory: int
    docker_folder: Path
    docker_disk: int
    cache_folder: Path
    cache_disk: int
    engine_built: bool
    images_built: bool
    in_use: bool
    trust_writable: bool
    subordinate_ids: bool
    namespaces: str
    subnet_free: bool
    firewall: bool
    not_writable: tuple[Path, ...]


def look() -> Machine:
    """This machine, now."""
    root = os.geteuid() == 0
    trouble = engine.trouble()
    found, folder = (None, engine.DATA) if trouble else _engine()
    built = found is not None and _images_built()
    return Machine(
        root=root,
        system=platform.system(),
        architecture=platform.machine(),
        python=_said("find-python"),
        python_package=_said("python-package"),
        commands=frozenset(name for name in COMMANDS if packages.where(name)),
        packages={name: packages.providing([name]) for name in packages.NEEDED_FOR},
        engine=found,
        engine_trouble=trouble or "",
        engine_address=engine.host_address(),
        docker_group=_in_group("docker"),
        cgroup_version="2" if _CONTROLLERS.exists() else "1",
        controllers=controllers(),
        modules=modules(platform.release()),
        memory=_memory(),
        docker_folder=folder,
        docker_disk=_free(folder),
        cache_folder=places.cache(),
        cache_disk=_free(places.cache()),
        engine_built=_engine_is_there(),
        images_built=built,
        in_use=found is not None and docker("ps", "--quiet", "--filter", f"label={LABEL}") != "",
        trust_writable=root or _may_write(engine.TRUSTED),
        subordinate_ids=subordinate_ids(_user(), os.geteuid()),
        namespaces="" if root or built else _namespaces(),
        subnet_free=next(network.candidates(""), None) is not None,
        firewall="ENABLED=yes" in _text(Path("/etc/ufw/ufw.conf")).split(),
        not_writable=tuple(
            folder
            for folder in (places.ROOT, places.state(), places.cache())
            if not _may_write(folder)
        ),
    )


def modules(release: str, root: Path = Path("/")) -> dict[str, bool | None]:
    """Which of MODULES the kernel has, built in or loadable. root: for tests."""
    known = {entry.name for entry in (root / "sys/module").glob("*")}
    folder = root / "lib/modules" / release
    listed = [_text(folder / name) for name in ("modules.builtin", "modules.dep")]
    for line in "\n".join(listed).splitlines():
        known.add(Path(line.partition(":")[0]).name.partition(".ko")[0].replace("-", "_"))
    options = _options(root, release)
    return {
        name: True
        if name in known or options.get(option) in ("y", "m")
        # A modular kernel lists them all; otherwise its build options tell.
        else (False if any(listed) or options else None)
        for name, option in MODULES.items()
    }


def _options(root: Path, release: str) -> dict[str, str]:
    """The running kernel's build options, if available."""
    text = _text(root / "boot" / f"config-{release}")
    with contextlib.suppress(OSError):
        text = text or gzip.decompress((root / "proc/config.gz").read_bytes()).decode()
    return dict(re.findall(r"^(CONFIG_\w+)=(\w)$", text, re.MULTILINE))


_CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")


def controllers(root: Path = Path("/")) -> frozenset[str]:
    """The enabled cgroup controllers. root: for tests."""
    unified = _text(root / _CONTROLLERS.relative_to("/"))
    if unified:
        return frozenset(unified.split())
    lines = (line.split() for line in _text(root / "proc/cgroups").splitlines()[1:])
    return frozenset(fields[0] for fields in lines if fields[3] == "1")


def _engine() -> tuple[Engine, Path]:
    """The engine that answers, and the folder of its data."""
    info = json.loads(docker("info", "--format", "{{json .}}"))
    # Another kernel or name means another machine, as with DOCKER_HOST or Docker Desktop.
    here = (info["KernelVersion"], info["Name"]) == (platform.release(), socket.gethostname())
    found = Engine(
        version=info["ServerVersion"],
        cgroup_version=info.get("CgroupVersion", "1"),
        security=tuple(info.get("SecurityOptions") or ()),
        system=info["OperatingSystem"],
        here=here,
    )
    return found, Path(info["DockerRootDir"])


def _images_built() -> bool:
    recipes = (images.REGISTRY, node_image.RECIPE)
    with contextlib.suppress(DockerError):
        return images.base() is not None and all(exists("image", one.tag) for one in recipes)
    return False


def _engine_is_there() -> bool:
    names = (build.engine_name(), build.docker_name())
    built = all(os.path.isdir(places.cache() / name) for name in names)
    return built or shutil.which("pulumi") is not None


def subordinate_ids(user: str, uid: int, folder: Path = Path("/etc")) -> bool:
    """Whether this user may map 65536 ids (subuid(5)). folder: for tests."""
    return all(
        any(
            fields[0] in (user, str(uid)) and int(fields[2]) >= 65536
            for fields in (line.split(":") for line in _text(folder / name).splitlines())
            if len(fields) == 3 and fields[2].isdigit()
        )
        for name in ("subuid", "subgid")
    )


FORBIDDING = (("kernel/unprivileged_userns_clone", "0"), ("user/max_user_namespaces", "0"))
"""Kernel settings, and the values with which they forbid user namespaces."""
RESTRICTING = "kernel/apparmor_restrict_unprivileged_userns"
"""Ubuntu's, since 24.04: forbids them to programs without a profile; mmdebstrap has one."""


def _namespaces() -> str:
    """What forbids user namespaces, or, if it exists, mmdebstrap's error when it tried."""
    for name, value in FORBIDDING:
        if _text(Path("/proc/sys") / name).strip() == value:
            return f"{name.replace('/', '.')} is {value}"
    if not (shutil.which("mmdebstrap") and shutil.which("newuidmap")):
        return ""
    tried = subprocess.run(
        ["mmdebstrap", "--unshare-helper", "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode == 0:
        return ""
    if _text(Path("/proc/sys") / RESTRICTING).strip() == "1":
        return f"{RESTRICTING.replace('/', '.')} is 1"
    # The cause comes first, then what fails for it.
    said = tried.stderr.strip() or f"exit status {tried.returncode}"
    return said.splitlines()[0].removeprefix("E: ")


def _user() -> str:
    """This user's name, "" for one that only has a number, as in a container."""
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return ""


def _in_group(name: str) -> bool:
    """Whether this process is in the group: a new member has to log in again."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam(name).gr_gid in os.getgroups()
    return False


def _may_write(folder: Path) -> bool:
    """Whether this user may create files in the folder, or the folder itself."""
    return os.access(_existing(folder), os.W_OK | os.X_OK)


def _memory() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    """The folder, or else the nearest one above it; one that this user may not see isn't there."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def _said(script: str) -> str:
    done = subprocess.run([HERE / script], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""
