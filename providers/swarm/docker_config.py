"""Docker's daemon.json on a node: what a change needs, and the scripts that apply it. Pure."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence

from providers.swarm.node_files import PUT, put
from providers.swarm.services.placement import GPU

DAEMON = "/etc/docker/daemon.json"
_KNOWN = "/var/lib/sophia/daemon.json"
"""Copy on the node of the running configuration: a run may end between write and restart."""

RELOADABLE = frozenset(
    {
        *("debug", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads"),
        *("max-download-attempts", "default-runtime", "runtimes", "authorization-plugins"),
        *("insecure-registries", "registry-mirrors", "shutdown-timeout", "features"),
    }
)
"""Keys that Docker reloads on SIGHUP (docs.docker.com, dockerd, "Configuration reload behavior").
All others need a restart."""


_WORDS = r"daemon\.json|failed to start daemon"
"""Lines of Docker's log that say why it doesn't start."""


class Step(enum.Enum):
    """What Docker needs in order to use another configuration."""

    NONE = "true"
    RELOAD = "systemctl reload docker"
    RESTART = "systemctl restart docker"


def fault(content: str) -> str | None:
    """Why a text isn't a valid daemon.json, or None."""
    try:
        parsed = json.loads(content)
    except ValueError as error:
        return f"expected JSON: {error}"
    return None if isinstance(parsed, dict) else "expected a JSON object"


_PUBLISHED = "node-generic-resources"
GPUS = f"{GPU}=*"
"""In `node-generic-resources`: all GPUs of the node, each as `<GPU>=<its UUID>`."""

FIND_GPUS = (
    "command -v nvidia-smi >/dev/null || exit 0; nvidia-smi --query-gpu=uuid --format=csv,noheader"
)
"""A script that prints the UUIDs of a node's GPUs, one per line."""

_RUNTIME = "/etc/nvidia-container-runtime/config.toml"
_SWARM = f'swarm-resource = "DOCKER_RESOURCE_{GPU}"'

HAND_OUT_GPUS = (
    f"set -eu; mkdir -p $(dirname {_RUNTIME}); [ -s {_RUNTIME} ] || echo >{_RUNTIME};"
    f" grep -qxF '{_SWARM}' {_RUNTIME} ||"
    f" sed -i -e '/^#*swarm-resource *=/d' -e '1i {_SWARM}' {_RUNTIME}"
)
"""A script that makes NVIDIA's runtime give a task the GPUs that Swarm has assigned to it, not all
those that its image asks for. The runtime reads its file at each start of a container."""


def with_gpus(content: str, uuids: Sequence[str]) -> str:
    """The configuration for a node with these GPUs. Without any, NVIDIA's runtime, which may be
    missing, isn't the default."""
    parsed = json.loads(content)
    if GPUS not in parsed.get(_PUBLISHED, []):
        return content
    own = [f"{GPU}={uuid}" for uuid in uuids]
    named = [name for one in parsed[_PUBLISHED] for name in (own if one == GPUS else [one])]
    if not own and parsed.get("default-runtime") == "nvidia":
        del parsed["default-runtime"]
    parsed.pop(_PUBLISHED)
    return json.dumps(parsed | ({_PUBLISHED: named} if named else {}), indent=2) + "\n"


def step(running: str, wanted: str) -> Step:
    """The step from one configuration to the other. An unreadable one counts as empty."""
    if fault(running):
        return Step.RESTART
    old, new = json.loads(running), json.loads(wanted)
    changed = {key for key in old | new if key not in old or key not in new or old[key] != new[key]}
    if not changed:
        return Step.NONE
    return Step.RELOAD if changed <= RELOADABLE else Step.RESTART


LOADED = (
    f"set -eu; if [ ! -e {_KNOWN} ]; then umask 022; mkdir -p $(dirname {_KNOWN});"
    f" (cat {DAEMON} 2>/dev/null || echo '{{}}') >{_KNOWN}.new; mv {_KNOWN}.new {_KNOWN}; fi;"
    f" cat {_KNOWN}"
)
"""A script that prints the running configuration; on its first run, Docker's file."""


def apply(wanted: str, step: Step) -> str:
    """A script that writes the file and makes Docker use it.

    If Docker refuses, it runs with the former configuration again, and the script fails with
    Docker's message.
    """
    return f"""set -eu
{PUT}
{put(DAEMON, wanted)}
# Or systemd may refuse to start it a fourth time in a minute.
systemctl reset-failed docker
if ! {step.value} 2>/dev/null; then
  journalctl --sync
  said=$(journalctl -u docker -o cat --no-pager -n 100 | grep -E '{_WORDS}' | tail -n 1)
  cp {_KNOWN} {DAEMON}
  systemctl reset-failed docker
  systemctl restart docker 2>/dev/null || said="$said; nor does it start as before"
  echo "Docker refused its new configuration and has the former one again: ${{said:-no reason}}" >&2
  exit 1
fi
{put(_KNOWN, wanted)}
"""
