"""One MCP server as the catalog describes it. The annotated example is any `server.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PORT = 8000
"""The port on which every server listens: each task has its own address."""


@dataclass(frozen=True)
class SecretVariable:
    """A credential: a Swarm secret, in the container the file `/run/secrets/<env>`."""

    env: str
    description: str
    example: str
    required: bool


@dataclass(frozen=True)
class Variable:
    """An environment variable that may be set and is not secret."""

    name: str
    description: str
    example: str
    required: bool


@dataclass(frozen=True)
class Resources:
    """Upper limits of one replica: processors, memory in MiB, processes and threads.

    gpus: whole GPUs, which it doesn't share.
    """

    cpus: float
    memory_mb: int
    pids: int
    gpus: int = 0


@dataclass(frozen=True)
class Health:
    """How Docker checks a replica: times in seconds; `retries` failures make it unhealthy."""

    interval_s: int
    timeout_s: int
    retries: int
    start_period_s: int


@dataclass(frozen=True)
class Deploy:
    """How a server runs.

    tier: 1 runs twice on primary nodes, 2 runs once anywhere.
    grace_s: seconds for the calls in flight at a stop; a tool may take 90 % of them.
    """

    tier: int
    replicas: int
    resources: Resources
    health: Health
    grace_s: int = 20


@dataclass(frozen=True)
class Probe:
    """A tool that reads, called once a minute where the platform is monitored."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """One folder of `mcp_catalog/`. name: folder, route below `/mcp/` and end of the service name.

    env: variables of the container; secrets, variables: what the operator is asked for.
    packages: Debian packages that the operator wants in its image. probe: None for none.
    """

    name: str
    deploy: Deploy
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretVariable, ...] = ()
    variables: tuple[Variable, ...] = ()
    packages: tuple[str, ...] = ()
    probe: Probe | None = None
