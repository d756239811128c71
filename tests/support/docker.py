"""Looking at, and breaking, the simulated cloud's machines from outside, with the docker client."""

from __future__ import annotations

import subprocess
from pathlib import Path

from simulator.settings import identity


def docker(*arguments: str, ok: bool = True) -> str:
    """The output of `docker …`; empty where it fails and need not succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0 and not ok:
        return ""
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def label(home: Path) -> str:
    """What every Docker object of the simulator below `home` is labelled with."""
    return f"sophia.simulator={identity(home / 'simulator')}"


def nodes(home: Path) -> list[str]:
    """The names of the containers that are instances, running or not."""
    names = docker(
        "ps", "-a", "--filter", f"label={label(home)}", "--filter", "label=sophia.instance",
        "--format", "{{.Names}}", ok=False,
    )  # fmt: skip
    return sorted(names.split())


def services(home: Path) -> list[str]:
    """The Swarm services any node knows of."""
    for node in nodes(home):
        if listed := docker("exec", node, "docker", "service", "ls", "-q", ok=False):
            return listed.split()
    return []


def tasks(home: Path, service: str) -> list[tuple[str, str]]:
    """(node container, task container id) of the running tasks of a service."""
    found = []
    for node in nodes(home):
        listed = docker(
            "exec", node, "docker", "ps", "-q", "--no-trunc",
            "--filter", f"label=com.docker.swarm.service.name={service}", ok=False,
        )  # fmt: skip
        found += [(node, container) for container in listed.split()]
    return found


def left_overs(home: Path) -> dict[str, list[str]]:
    """Everything the simulator below `home` has in Docker, by kind."""
    chosen = ("--filter", f"label={label(home)}", "-q")
    return {
        "containers": docker("ps", "-a", *chosen).split(),
        "volumes": docker("volume", "ls", *chosen).split(),
        "networks": docker("network", "ls", *chosen).split(),
    }
