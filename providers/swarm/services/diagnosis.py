"""Why a task failed: its cause in one line, and its last log lines. Pure.

Evidence (Engine 20.10, measured): an unhealthy container ends `failed` with "unhealthy
container", or `complete` without an error when it exits cleanly on SIGTERM; then only its
container's health log shows it. Out of memory is exit code 137, like any SIGKILL; only the
container's OOMKilled proves it, and it is missing in one of twelve cases under load. The health
status of a stopped container always reads unhealthy: its failing streak counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from providers.swarm.wire import Json

LOG_LINES = 20
_STREAMS = (0, 1, 2)
_LINE = 500


class Kind(Enum):
    """The kind of failure."""

    IMAGE = "image"
    REJECTED = "rejected"
    CRASH = "crash"
    KILLED = "killed"
    MEMORY = "memory"
    HEALTH = "health"
    PORT = "port"


_TAKEN = re.compile(
    r":(?P<port>\d+)(?:/\w+)?(?::[^ ]*)?:? .*?(?:address already in use|port is already allocated)"
)
"""Docker 20.10 says `listen tcp4 0.0.0.0:8443: bind: address already in use` or `Bind for
0.0.0.0:8443 failed: port is already allocated`, Docker 28 `failed to bind host port for
0.0.0.0:8443:192.0.2.3:8443/tcp: address already in use`."""


@dataclass(frozen=True)
class Failure:
    """One task's end. when: the API's timestamp (text that sorts). logs: its last lines."""

    kind: Kind
    cause: str
    when: str = ""
    logs: tuple[str, ...] = ()


def explain(task: Json, container: Json | None, logs: tuple[str, ...], node: str) -> Failure:
    """The cause of a task's end.

    container: as the Engine of the task's node shows it, or None if that can't be reached.
    node: its name, for the message; may be empty.
    """
    kind, cause = _cause(task, container)
    place = f" on {node}" if node else ""
    return Failure(kind, f"{cause}{place}", str(task["Status"].get("Timestamp", "")), logs)


def _cause(task: Json, container: Json | None) -> tuple[Kind, str]:
    status, spec = task["Status"], task["Spec"]["ContainerSpec"]
    err = str(status.get("Err", ""))
    code = (status.get("ContainerStatus") or {}).get("ExitCode", 0)
    if taken := _TAKEN.search(err):
        port = taken["port"]
        look = f"look there with `ss -lntup 'sport = :{port}'`"
        return Kind.PORT, f"port {port} is held by something outside the Swarm ({look})"
    if status["State"] == "rejected":
        if "No such image" in err:
            return Kind.IMAGE, f"image {spec['Image']} could not be pulled: {err}"
        return Kind.REJECTED, f"the node refused the task: {err}"
    state: Mapping[str, Any] = (container or {}).get("State") or {}
    if state.get("OOMKilled"):
        return Kind.MEMORY, f"out of memory: {_limit(task)} (exit code {code})"
    if "unhealthy container" in err or _unhealthy(container):
        return Kind.HEALTH, f"health check fails{health_output(container)}"
    if status["State"] == "complete":
        hint = ""
        if container is None and spec.get("Healthcheck"):
            hint = " (by itself, or stopped because its health check failed)"
        return Kind.CRASH, f"exited with code {code}, but a service must keep running{hint}"
    if "non-zero exit" not in err:
        return Kind.CRASH, err or f"ended with code {code}"
    if code == 137:
        return Kind.KILLED, f"killed (exit code 137), perhaps out of memory: {_limit(task)}"
    return Kind.CRASH, f"exited with code {code}"


def _limit(task: Json) -> str:
    limits = (task["Spec"].get("Resources") or {}).get("Limits") or {}
    return f"its limit is {limits.get('MemoryBytes', 0) // 2**20} MiB"


def health_output(container: Json | None) -> str:
    """`: <last output of the health check>`, or nothing if it is unknown."""
    health = ((container or {}).get("State") or {}).get("Health") or {}
    failed = [entry for entry in health.get("Log") or [] if entry.get("ExitCode") != 0]
    if not failed:
        return ""
    failed.sort(key=lambda entry: not _cut_short(entry))
    output = " ".join(str(failed[-1].get("Output", "")).split())
    return f": {output[:_LINE] or 'no output'} (exit code {failed[-1].get('ExitCode')})"


def _cut_short(check: Json) -> bool:
    """Whether the container's end may have stopped this check, or prevented its start."""
    output = str(check.get("Output", ""))
    return check.get("ExitCode") == 137 or output.startswith("OCI runtime exec failed")


def _unhealthy(container: Json | None) -> bool:
    health = ((container or {}).get("State") or {}).get("Health") or {}
    check = ((container or {}).get("Config") or {}).get("Healthcheck") or {}
    return bool(health.get("FailingStreak", 0) >= (check.get("Retries") or 3))


def told(what: str, cause: str, logs: Sequence[str]) -> list[str]:
    """A failure as the user sees it, line by line."""
    lines = [f"its last {len(logs)} log lines:", *(f"  {line}" for line in logs)] if logs else []
    return [f"{what}: {cause}", *lines]


def log_lines(raw: bytes) -> tuple[str, ...]:
    """The last lines of a raw stream as the Engine sends it: frames of [stream, 0, 0, 0, length].

    Logs of a terminal have no frames; what isn't a frame is treated as text.
    """
    content = b""
    position = 0
    while position < len(raw):
        header = raw[position : position + 8]
        if len(header) < 8 or header[0] not in _STREAMS or header[1:4] != b"\0\0\0":
            content += raw[position:]
            break
        length = int.from_bytes(header[4:], "big")
        content += raw[position + 8 : position + 8 + length]
        position += 8 + length
    lines = content.decode(errors="replace").splitlines()
    return tuple(line[:_LINE] for line in lines[-LOG_LINES:])
