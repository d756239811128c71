"""Services that the tests of a real Swarm start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

from providers.swarm.services.model import (
    JobInputs,
    Resources,
    Restart,
    ServiceInputs,
    ServiceOutputs,
    Update,
)
from simulator.docker import docker, exists

_COPY = """
set -- /bin/sh /bin/sleep /bin/cat /usr/bin/tail /bin/rm /usr/bin/touch
tar -chP "$@" $(ldd "$@" | grep -o '/[^ :]*[.]so[^ :]*' | sort -u)
"""


IMAGE = "127.0.0.1:9/sophia-swarm-test:1"
"""Made from the node image's files. The registry in its name refuses at once: nothing is pulled."""
SERVE = "trap 'exit 0' TERM; echo serving; while :; do sleep 0.1; done"
NO_OUTPUTS = ServiceOutputs("", "", "")

SURE = 5.0
"""Monitor time, in seconds, for what ends soon: on a busy machine the news of it comes late."""


def service(name: str, script: str = SERVE, **fields: Any) -> ServiceInputs:
    """A small service, one replica; `fields` are added to the usual ones, or replace them."""
    usual = {"update": Update(monitor_s=1.0), "restart": Restart(delay_s=0.5)}
    return ServiceInputs(**(_task(name, script) | usual | fields))


def job(name: str, script: str, **fields: Any) -> JobInputs:
    """A small job, as `service` is one."""
    return JobInputs(**(_task(name, script) | fields))


def _task(name: str, script: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
        "init": False,
        "resources": Resources(cpus=0.5, memory_mb=32, pids=32),
        "stop_grace_s": 2.0,
    }


def load_image(node_image: str, nodes: Iterable[str]) -> None:
    """Makes IMAGE (3 MB) unless it exists; loads it into the Docker of these node containers."""
    if not exists("image", IMAGE):
        with subprocess.Popen(
            ["docker", "run", "--rm", node_image, "/bin/sh", "-c", _COPY], stdout=subprocess.PIPE
        ) as files:
            subprocess.run(
                ["docker", "import", "--change", 'CMD ["/bin/sh"]', "-", IMAGE],
                stdin=files.stdout,
                check=True,
                capture_output=True,
            )
    saved = subprocess.run(["docker", "save", IMAGE], check=True, capture_output=True).stdout
    for node in nodes:
        docker("exec", "-i", node, "docker", "load", stdin=saved)
