"""Stores as on two managers, one for the audit log, and a shipper that reads what this machine's
Docker keeps of its containers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.image_cache import ImageCache, read
from components.plan import logs as plan
from components.plan.workload import Workload, service_inputs
from simulator import images
from tests.support.docker import docker

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Logged:
    """prefix: of everything, the network and the image among it."""

    prefix: str
    base: str
    containers: str
    running: list[str] = field(default_factory=list)

    def start(self, workload: Workload, *more: str, name: str = "") -> str:
        """A task of that workload, with what a Swarm would give it. more: arguments."""
        planned = service_inputs(workload, self.prefix)
        name = f"{planned.name}-{name or secrets.token_hex(2)}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--hostname", name),
            *("--network", self.prefix, "--network-alias", f"tasks.{planned.name}"),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--user", planned.user, "--memory", f"{planned.resources.memory_mb}m"),
            *("--pids-limit", str(planned.resources.pids)),
            *("--label", f"com.docker.swarm.service.name={planned.name}"),
            *(word for key, value in planned.env.items() for word in ("--env", f"{key}={value}")),
            *(word for mount in planned.mounts for word in self._mounted(mount, name)),
            *(self.prefix, *planned.command, *planned.args, *more),
        )
        self.running.append(name)
        return name

    def _mounted(self, mount, name: str) -> tuple[str, str]:
        match mount.type:
            case "tmpfs":
                return "--tmpfs", mount.target
            case "bind":
                options = f"source={self.containers},target={mount.target}"
                return "--mount", f"type=bind,{options},readonly,bind-nonrecursive"
        return "--volume", f"{name}:{mount.target}"

    def says(self, service: str, code: str) -> str:
        """Runs Python in a container of that service, and returns its name at once."""
        name = f"{self.prefix}-{service}-{secrets.token_hex(2)}"
        label = f"com.docker.swarm.service.name={self.prefix}-{service}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--label", label),
            *("--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=3"),
            *(self.base, "python3", "-u", "-c", code),
        )
        return name

    def find(self, store: str, *asked: str) -> list[str]:
        """What `make logs` runs on a node."""
        words = ("python3", "-S", "-m", "sophia_logs.find", *asked)
        return docker("exec", store, *words).splitlines()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    prefix = f"logtest-{secrets.token_hex(4)}"
    base = images.ensure_base(print)
    cache = ImageCache(
        tmp_path_factory.mktemp("contexts"), Path.home() / ".cache" / "sophia" / "image-packages"
    )
    directory = str(cache.stage(read(ROOT / "images" / "logs", base)))
    root = docker("info", "--format", "{{.DockerRootDir}}")
    docker("network", "create", prefix)
    try:
        docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", prefix, directory)
        yield Logged(prefix, base, f"{root}/containers")
    finally:
        left = docker("ps", "--all", "--quiet", "--filter", f"name={prefix}").split()
        docker("rm", "--force", "--volumes", *left, ok=False)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={prefix}").split()
        docker("volume", "rm", *volumes, ok=False)
        docker("network", "rm", prefix)
        docker("rmi", "--force", prefix, ok=False)


@dataclass(frozen=True)
class Stores:
    first: str
    second: str
    audit: str
    shipper: str


@pytest.fixture(scope="module")
def stores(logged: Logged) -> Iterator[Stores]:
    store, audit, shipper = plan.workloads(logged.prefix, "gateway")
    made = [logged.start(workload) for workload in (store, store, audit, shipper)]
    yield Stores(*made)
    for name in made:
        print(name, docker("logs", "--tail", "20", name, ok=False), sep="\n")
