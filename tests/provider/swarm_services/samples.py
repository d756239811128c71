"""Services that the tests of a real Swarm start."""

from __future__ import annotations

from typing import Any

from providers.swarm.services.model import (
    Resources,
    Restart,
    ServiceInputs,
    ServiceOutputs,
    Update,
)

IMAGE = "127.0.0.1:9/sophia-swarm-test:1"
SERVE = "trap 'exit 0' TERM; echo serving; while :; do sleep 0.1; done"
NO_OUTPUTS = ServiceOutputs("", "", "")

SURE = 5.0
"""Monitor time, in seconds, for what ends soon: on a busy machine the news of it comes late."""


def service(name: str, script: str = SERVE, **fields: Any) -> ServiceInputs:
    """A small service, one replica; `fields` are added to the usual ones, or replace them."""
    usual: dict[str, Any] = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
        "init": False,
        "resources": Resources(cpus=0.5, memory_mb=32, pids=32),
        "update": Update(monitor_s=1.0),
        "restart": Restart(delay_s=0.5),
        "stop_grace_s": 2.0,
    }
    return ServiceInputs(**(usual | fields))
