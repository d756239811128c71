"""Replicas of a small server behind the real gateway, in a Docker network without a Swarm."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from components.image_cache import ImageCache, read
from components.plan import gateway as plan
from simulator import images
from tests.support.docker import docker
from tests.support.gateway import (
    CALLERS,
    HOST,
    TOKEN,
    Gateway,
    platforms_certificate,
    trusting,
    write_files,
)
from tests.support.load import Target
from tests.support.mcp_process import free_port
from tests.support.polling import until
from toolchain import places

ROOT = Path(__file__).parents[1]
CALL = ("add", {"a": 1, "b": 2})
"""A tool that answers by itself, and its arguments."""


@dataclass
class Behind:
    """A running gateway. cpus: what each replica may use. replicas: names of their containers."""

    gateway: Gateway
    image: str
    port: int
    authority: str
    cpus: float
    replicas: list[str] = field(default_factory=list)

    def replica(self) -> Target:
        """Starts another replica, and waits until calls go to it. Calls it directly."""
        service, port = f"tasks.{self.gateway.prefix}-toy", free_port()
        name = f"{self.gateway.prefix}-toy-{len(self.replicas) + 1}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--network", self.gateway.network),
            *("--network-alias", service, "--cpus", str(self.cpus), "--memory", "192m"),
            *("--publish", f"127.0.0.1:{port}:8000", "--env", "LOG_LEVEL=WARNING"),
            *("--env", f"MCP_ALLOWED_HOSTS={service},127.0.0.1"),
            *("--volume", f"{ROOT}/tests/unit/sophia_mcp/toy_server.py:/opt/toy_server.py:ro"),
            *(self.image, "python", "/opt/toy_server.py"),
        )
        self.replicas.append(name)
        # The gateway believes what DNS names until it has asked, and here it names what just boots.
        health = f"http://127.0.0.1:{port}/health"
        until(lambda: httpx2.get(health).status_code, lambda seen: seen == 200, health)
        wanted = {"toy": len(self.replicas)}
        until(self.gateway.healthy, lambda seen: seen == wanted, f"{wanted} behind the gateway")
        return Target(f"http://127.0.0.1:{port}/mcp", *CALL)

    def through(self, token: str = TOKEN) -> Target:
        """Calls any of the replicas through the gateway."""
        return Target(f"https://127.0.0.1:{self.port}/mcp/toy", *CALL, self.authority, token)


@contextlib.contextmanager
def gateway(
    folder: Path,
    cpus: float,
    rate: int = plan.RATE,
    callers: Mapping[str, plan.Caller] = CALLERS,
    options: tuple[str, ...] = (),
) -> Iterator[Behind]:
    """A gateway without replicas; at the end all of it is gone. rate: as for `plan.config`.
    callers: by the `digest` of their token. options: of `docker run`, for the gateway.
    """
    prefix = f"bench-{secrets.token_hex(4)}"
    network, base = f"{prefix}-net", images.ensure_base(print)
    pem, authority = platforms_certificate()
    write_files(folder, prefix, pem, [HOST, "127.0.0.1"], ["toy"], rate=rate, callers=callers)
    port = free_port()
    try:
        docker("network", "create", network)
        server = _built(f"{prefix}-server", ROOT / "mcp_catalog" / "base", base, folder)
        image = _built(f"{prefix}-gateway", ROOT / "images" / "gateway", base, folder)
        published = ("--publish", f"127.0.0.1:{port}:{plan.PORT}", *options)
        trust = trusting(authority)
        running = Gateway(prefix, network, image, base, folder, trust, options=published)
        running.start()
        yield Behind(running, server, port, authority, cpus)
    finally:
        left = docker("ps", "--all", "--quiet", "--filter", f"name={prefix}").split()
        docker("rm", "--force", *left, ok=False)
        docker("network", "rm", network, ok=False)
        docker("rmi", "--force", f"{prefix}-server", f"{prefix}-gateway", ok=False)


def _built(tag: str, directory: Path, base: str, folder: Path) -> str:
    cache = ImageCache(folder / "contexts", places.cache() / "image-packages")
    context = cache.stage(read(directory, base))
    docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, str(context))
    return tag
