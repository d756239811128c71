"""The gateway's image and configuration in a Docker network, without a Swarm."""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.plan import gateway as plan
from providers.runtime.declare import Context
from providers.swarm.certificate import Certificate, CertificateInputs, CertificateOutputs
from tests.support.docker import docker
from tests.support.polling import until

UPSTREAM = Path(__file__).parents[1] / "integration" / "gateway" / "upstream.py"
HOST = "gateway.test"
HOSTS = [HOST, "192.0.2.1"]
ORIGIN = "https://app.example:8080"
"""A website whose scripts may call."""
TOKEN, ALICES = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
CALLERS = {
    plan.digest(TOKEN): plan.Caller(plan.DEFAULT_CALLER),
    plan.digest(ALICES): plan.Caller("alice", ("github",)),
}


WORKLOAD = plan.workload("gateway", "test", plan.PORT, ["ai_memory", "github", "backend"])


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Gateway:
    """One running gateway, who hands it its configuration, and the network they are in. Names of
    services start with `prefix`. options: of `docker run`, for the gateway.
    """

    prefix: str
    network: str
    image: str
    base: str
    folder: Path
    trust: ssl.SSLContext
    host: str = HOST
    token: str = TOKEN
    options: tuple[str, ...] = ()
    port: int = 8000
    name: str = ""
    publisher: str = ""
    replicas: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.publisher = f"{self.prefix}-config-{secrets.token_hex(2)}"
        self.launch()
        self.publish()
        until(lambda: self.call("GET", "/health").status, lambda seen: seen == 200, "the gateway")

    def launch(self) -> None:
        """Starts the gateway, which waits for its configuration."""
        self.name = f"{self.prefix}-gateway-{secrets.token_hex(2)}"
        url = f"http://{self.publisher}:{plan.HEALTH_PORT}/haproxy.cfg"
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--network", self.network),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--memory", "256m", "--pids-limit", "64", "--tmpfs", "/tmp:size=16m,mode=1777"),
            *("--volume", f"{self.folder}/secrets:/run/secrets:ro", *self.options),
            *(self.image, *WORKLOAD.args[:-1], url),
        )

    def publish(self) -> None:
        docker(
            *("run", "--detach", "--init", "--name", self.publisher, "--network", self.network),
            *("--read-only", "--cap-drop", "ALL", "--memory", "64m", "--pids-limit", "32"),
            *("--volume", f"{self.folder}/haproxy.cfg:{plan.CONFIG_FILE}:ro"),
            *(self.image, *plan.publisher(WORKLOAD).args),
        )
        until(
            lambda: listens(self.publisher, plan.HEALTH_PORT), bool, f"{self.publisher} listens", 15
        )

    def configure(self, text: str) -> None:
        """As Swarm does for a changed config: another task takes the publisher's place."""
        file = self.folder / "haproxy.cfg"
        file.chmod(0o644)
        file.write_text(text)
        docker("rm", "--force", self.publisher)
        self.publish()

    def replica(self, server: str) -> str:
        """Starts another replica of a server; the name it will answer with."""
        name = f"{self.prefix}-{server}-{secrets.token_hex(2)}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--hostname", name),
            *("--network", self.network, "--network-alias", f"tasks.{self.prefix}-{server}"),
            *("--volume", f"{UPSTREAM}:/upstream.py:ro"),
            *(self.base, "python3", "/upstream.py", str(self.port)),
        )
        self.replicas.append(name)
        until(lambda: listens(name, self.port), bool, f"{name} listens", 15)
        return name

    def release(self) -> None:
        """Lets every replica send the second event of a stream."""
        for name in self.replicas:
            with urllib.request.urlopen(f"http://{address(name)}:{self.port}/mcp/release"):
                pass

    def count(self, key: str) -> int:
        """How often something happened at the replicas, asked behind the gateway's back."""
        counts = 0
        for name in self.replicas:
            with urllib.request.urlopen(f"http://{address(name)}:{self.port}/mcp") as answer:
                counts += json.load(answer)["calls"].get(key, 0)
        return counts

    def healthy(self) -> dict[str, int]:
        """Replicas in use, by server, as the health page tells."""
        return dict(self.call("GET", "/health").json["healthy_replicas"])

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection over TLS. What the client speaks besides HTTP/1.1: `trust`."""
        made = http.client.HTTPConnection(address(self.name), plan.PORT, timeout=20)
        made.connect()
        made.sock = self.trust.wrap_socket(made.sock, server_hostname=self.host)
        try:
            yield made
        finally:
            made.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterator[bytes] | None = None,
        chunked: bool = False,
        **headers: str | None,
    ) -> Answer:
        """One request, with the right host and token unless they are given (None: without)."""
        sent: dict[str, str | None] = {
            "Host": self.host,
            "Authorization": f"Bearer {self.token}",
            **headers,
        }
        named = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
        with self.connection() as connection:
            connection.request(method, path, body=body, headers=named, encode_chunked=chunked)
            got = connection.getresponse()
            told = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, told, got.read())

    def refuses(self) -> bool:
        """Whether it takes no connection."""
        try:
            self.call("GET", "/health")
        except (OSError, http.client.HTTPException):
            return True
        return False

    def logs(self) -> list[dict[str, Any]]:
        """The access log's lines."""
        lines = docker("logs", self.name).splitlines()
        return [json.loads(line) for line in lines if '"status":' in line]


def listens(container: str, port: int) -> bool:
    try:
        socket.create_connection((address(container), port), timeout=1).close()
    except OSError:
        return False
    return True


def warnings(container: str) -> list[str]:
    """A container's log on both streams, without its calls."""
    command = ["docker", "logs", container]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return [line for line in done.stdout.decode().splitlines() if not line.startswith("{")]


def address(container: str) -> str:
    return docker(
        *("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"),
        container,
    )


def write_files(
    folder: Path,
    prefix: str,
    pem: str,
    hosts: Sequence[str],
    servers: Sequence[str] = ("github", "ai_memory"),
    rate: int = plan.RATE,
    origins: Sequence[str] = (ORIGIN,),
    callers: Mapping[str, plan.Caller] = CALLERS,
) -> None:
    """Configuration, and certificate with key, as Swarm would mount them."""
    (folder / "haproxy.cfg").write_text(
        configuration(prefix, hosts, servers, callers, rate, origins)
    )
    mounted = folder / "secrets"
    mounted.mkdir()
    (mounted / plan.CERTIFICATE_SECRET).write_text(pem)
    for file in (folder / "haproxy.cfg", *mounted.iterdir()):
        file.chmod(0o444)
    for directory in (folder, mounted):
        directory.chmod(0o755)


def configuration(
    prefix: str,
    hosts: Sequence[str],
    servers: Sequence[str] = ("github", "ai_memory"),
    callers: Mapping[str, plan.Caller] = CALLERS,
    rate: int = plan.RATE,
    origins: Sequence[str] = (ORIGIN,),
) -> str:
    routes = [plan.Route(server, f"tasks.{prefix}-{server}", Gateway.port) for server in servers]
    return plan.config(routes, backend(prefix), hosts, callers, origins, rate)


def backend(prefix: str) -> plan.Route:
    return plan.Route("backend", f"tasks.{prefix}-backend", Gateway.port)


def platforms_certificate() -> tuple[str, str]:
    """Certificate and key as the platform makes them, and the CA that a client trusts."""
    context = Context("urn:pulumi:t::t::t::t", 10, asyncio.Event(), print, print)

    def certificate(**inputs: Any) -> CertificateOutputs:
        wanted = CertificateInputs(**inputs)
        return asyncio.run(Certificate().create(context, wanted)).outputs

    authority = certificate(common_name="tests", is_ca=True)
    leaf = certificate(
        common_name="gateway",
        dns_names=[HOST],
        ip_addresses=["127.0.0.1"],
        ca_certificate=authority.certificate,
        ca_private_key=authority.private_key,
    )
    return leaf.certificate + leaf.private_key, authority.certificate


def trusting(authority: str) -> ssl.SSLContext:
    """A client's trust in one CA, given in PEM, and in nobody else."""
    return ssl.create_default_context(cadata=authority)
