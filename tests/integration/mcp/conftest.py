"""The servers' images, built as the platform builds them, and their own Postgres."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from components.image_cache import ImageCache, read
from simulator.images import ensure_base
from tests.support.docker import docker
from tests.support.gateway import TOKEN, Gateway, platforms_certificate, trusting, write_files
from tests.support.mcp_process import ROOT, free_port
from tests.support.polling import until

PACKAGES = Path.home() / ".cache" / "sophia" / "image-packages"
PREFIX = f"mcp-test-{uuid4().hex[:8]}"
PASSWORD = "p@ss/word:%"
DATABASE_URL = "postgresql://sophia:p%40ss%2Fword%3A%25@database:5432/sophia"

# As Swarm will run them: nothing to write to but /tmp, no rights.
HARDENED = (
    "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--init", "--memory", "256m", "--pids-limit", "128",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """name: its name in Docker. port: where its server is reached on this machine."""

    name: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def health(self) -> str:
        """What Docker says of it: starting, healthy, unhealthy."""
        return docker("inspect", "-f", "{{.State.Health.Status}}", self.name)


def described_environment(server: str) -> list[str]:
    """The variables that its server.yaml gives to every container, as options of `docker run`."""
    described = yaml.safe_load((ROOT / "mcp_catalog" / server / "server.yaml").read_text())
    given = described.get("run", {}).get("env", {})
    return [f"--env={name}={value}" for name, value in given.items()]


def run(name: str, image: str, *options: str) -> None:
    docker("run", "--detach", "--name", f"{PREFIX}-{name}", *options, image)


def remove(name: str) -> None:
    docker("rm", "--force", "--volumes", f"{PREFIX}-{name}", ok=False)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Builds a folder's image on a base, with its packages; removes it at the end."""
    built: list[str] = []
    cache = ImageCache(tmp_path_factory.mktemp("contexts"), PACKAGES)

    def image(folder: Path, base: str) -> str:
        context = cache.stage(read(folder, base))
        tag = f"{PREFIX}-{folder.name}"
        done = subprocess.run(
            ["docker", "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag,
             str(context)],
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"building {folder}:\n{done.stderr[-4000:]}"
        built.append(tag)
        return tag

    yield image
    for tag in reversed(built):
        docker("image", "rm", "--force", tag, ok=False)


@pytest.fixture(scope="session")
def debian() -> str:
    return os.environ.get("SOPHIA_BASE_IMAGE") or ensure_base(print)


@pytest.fixture(scope="session")
def server_base(build, debian: str) -> str:
    return build(ROOT / "mcp_catalog" / "base", debian)


@pytest.fixture(scope="session")
def server_image(build, server_base: str):
    """The image of a server of the catalog, by its name."""
    return cache(lambda server: build(ROOT / "mcp_catalog" / server, server_base))


@pytest.fixture(scope="session")
def ai_memory_image(server_image) -> str:
    return server_image("ai_memory")


@pytest.fixture(scope="session")
def backend_image(build, server_base: str) -> str:
    return build(ROOT / "images" / "backend", server_base)


@pytest.fixture(scope="session")
def lambda_labs_cli_image(server_image) -> str:
    return server_image("lambda_labs_cli")


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    docker("network", "create", PREFIX)
    yield PREFIX
    docker("network", "rm", PREFIX, ok=False)


@dataclass(frozen=True)
class Postgres:
    """container: its name. url: as this machine reaches it."""

    container: str
    url: str


@pytest.fixture(scope="session")
def postgres(
    build, debian: str, network: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Postgres]:
    """The platform's own database image with an empty database."""
    image = build(ROOT / "images" / "database", debian)
    marker = tmp_path_factory.mktemp("volume") / ".volume"
    marker.write_text("database-0a1b2c3d\n")
    port = free_port()
    # The marker's folders are root's alone, so the file is copied in instead of mounted.
    name = f"{PREFIX}-database"
    docker(
        "create", "--name", name, "--network", network, "--network-alias", "database",
        "--publish", f"127.0.0.1:{port}:5432", "--env", "VOLUME=database-0a1b2c3d", image,
    )  # fmt: skip
    try:
        docker("cp", str(marker), f"{name}:/var/lib/postgresql/data/.volume")
        docker("start", name)
        until(
            lambda: docker("inspect", "-f", "{{.State.Health.Status}}", name),
            lambda status: status == "healthy",
            f"{name} healthy",
            seconds=60,
        )
        # An operator's own database may have any password.
        login = f"ALTER ROLE sophia LOGIN PASSWORD '{PASSWORD}'"
        docker("exec", name, "psql", "--username=postgres", "--command", login)
        yield Postgres(name, DATABASE_URL.replace("database:5432", f"127.0.0.1:{port}"))
    finally:
        remove("database")


@pytest.fixture
def place(postgres) -> Iterator[str]:
    """The URL of a schema of the test's own, where sessions may take 200 ms a statement."""
    name = f"test_{uuid4().hex[:8]}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        # Not in the test's schema, with which it would go.
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        options = f"-csearch_path={name},public%20-cstatement_timeout=200ms"
        yield f"{postgres.url}?options={options.replace('=', '%3D')}"
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))


@pytest.fixture(scope="session")
def start_replica(network: str, postgres: Postgres, ai_memory_image: str) -> Iterator:
    """Starts a replica of ai_memory; does not wait for it."""
    started: list[str] = []

    def start(name: str, *options: str) -> Container:
        port = free_port()
        run(
            name, ai_memory_image, *HARDENED, "--network", network, "--hostname", name,
            "--publish", f"127.0.0.1:{port}:8000", "--health-interval", "1s",
            "--env", f"MEMORY_DATABASE_URL={DATABASE_URL}", *described_environment("ai_memory"),
            *options,
        )  # fmt: skip
        started.append(name)
        return Container(f"{PREFIX}-{name}", port)

    yield start
    for name in started:
        remove(name)


@pytest.fixture(scope="session")
def replicas(start_replica) -> list[Container]:
    """Two replicas that were started at the same moment on an empty database, both healthy."""
    both = [start_replica("memory-1"), start_replica("memory-2")]
    for replica in both:
        until(replica.health, lambda status: status == "healthy", f"{replica.name} healthy")
    return both


@pytest.fixture(scope="session")
def open_gateway(build, debian: str, network: str, tmp_path_factory: pytest.TempPathFactory):
    """Runs a gateway with so many servers behind it, on a port of this machine: the gateway, and
    the outputs of a stack that has it. A server's replicas are `alias(server)` on the network."""
    image = build(ROOT / "images" / "gateway", debian)

    @contextmanager
    def opened(
        servers: Sequence[str], origins: Sequence[str] = ()
    ) -> Iterator[tuple[Gateway, dict[str, Any]]]:
        pem, authority = platforms_certificate()
        folder, port = tmp_path_factory.mktemp("gateway"), free_port()
        write_files(folder, PREFIX, pem, ["127.0.0.1"], servers, 1_000_000, origins)
        gateway = Gateway(
            PREFIX,
            network,
            image,
            debian,
            folder,
            trusting(authority),
            host="127.0.0.1",
            options=("--publish", f"127.0.0.1:{port}:8443"),
        )
        url = f"https://127.0.0.1:{port}"
        try:
            gateway.start()
            yield (
                gateway,
                {
                    "ca_certificate": authority,
                    "gateway_token": TOKEN,
                    "gateway_url": url,
                    "gateway_urls": [url],
                    "mcp_endpoints": {server: f"{url}/mcp/{server}" for server in servers},
                    "nodes": {},
                    "ssh_private_key": "",
                },
            )
        finally:
            docker("rm", "--force", gateway.name, gateway.publisher, ok=False)

    return opened


def alias(server: str) -> str:
    """The name that a gateway finds a server's replicas by."""
    return f"tasks.{PREFIX}-{server}"


@pytest.fixture
def limited(server_image) -> Iterator[list[tuple[str, str]]]:
    """A replica of each server without its credential, limited as server.yaml says: their names
    and addresses."""
    made: list[tuple[str, str]] = []
    try:
        for server in ("ai_memory", "lambda_labs_cli"):
            described = yaml.safe_load((ROOT / "mcp_catalog" / server / "server.yaml").read_text())
            limits = described["deploy"]["resources"]
            port = free_port()
            name = docker(
                "run", "--detach", *HARDENED, "--memory", f"{limits['memory_mb']}m",
                "--memory-swap", f"{limits['memory_mb']}m", "--cpus", str(limits["cpus"]),
                "--pids-limit", str(limits["pids"]), "--health-interval", "1s",
                "--publish", f"127.0.0.1:{port}:8000", *described_environment(server),
                server_image(server),
            )  # fmt: skip
            made.append((name, f"http://127.0.0.1:{port}/mcp"))
        yield made
    finally:
        for name, _ in made:
            docker("rm", "--force", name)
