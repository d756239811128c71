"""The gateway's configuration and the plain part of its Swarm service.

HAProxy on every manager terminates TLS, checks host, origin and token, and balances
`/mcp/<server>` over the healthy tasks of that server's service. The certificate is a file that
Swarm mounts. A separate service serves the configuration, and gateways apply each change without a
restart (ADR 20); nothing in it is secret.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.plan import names, networks, templates
from components.plan.workload import File, Workload
from providers.swarm.services.model import Health, Mount, Placement, Port, Resources

USER_ID = 10003
"""uid and gid of the process, as in images/gateway/Dockerfile; owner of its secret files."""
PORT = 8443
"""Where it listens in the container. The ports after it are internal."""
HEALTH_PORT = 8404
"""Also the port on which images/gateway/publish.py serves the configuration."""
METRICS_PORT = 8405
CERTIFICATE_SECRET = "gateway_tls.pem"
"""File below /run/secrets: certificate, chain and private key, in PEM."""
CONFIG_FILE = "/etc/haproxy/haproxy.cfg"
"""Where Swarm mounts the configuration for the service that serves it."""
LIBRARY = "/usr/local/lib/sophia"
MOST_RELOADS = 5
BODY_LIMIT = 512 * 1024
"""Limit of a request's body, in bytes. The largest useful call, a memory with every character
escaped, has 250 KiB; as Python objects a body takes up to 55 times its bytes, and a replica has
192 MB.
"""
BODY_S = 30
"""Seconds in which a request's body has to arrive."""
CONNECTIONS_PER_SOURCE = 200
"""Open connections of one address, idle ones too: a tenth of a gateway's (`maxconn`)."""
RATE, RATE_PERIOD_S = 3000, 10
"""Requests that one caller may make in so many seconds, at each gateway: as many as a replica with
one core answers. So one caller can't take a server with several replicas from the others."""
LOOKS = 300
"""Requests for the page that one address may make in that time: it has no caller to count them by.
Opening the page takes about ten."""
MAX_REPLICAS = 10
"""Tasks of one service to balance over. Fixed, so scaling doesn't change the configuration."""
CORS_REQUEST_HEADERS = (
    *("authorization", "content-type", "last-event-id"),
    *("mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name"),
)
"""What scripts of an allowed website may send: MCP 2025-11-25 and 2026-07-28, Streamable HTTP."""
CORS_RESPONSE_HEADERS = ("mcp-session-id", "retry-after", "www-authenticate", "x-request-id")
"""What they may read, in addition to what browsers always allow."""
DRAIN_S = 20
"""Seconds that a stopping gateway has for what is in flight."""

PUBLISHER = "-config"
"""How the name of the service that serves the configuration ends."""
_PYTHON = ("python3", "-I", "-S")
_HEALTH = Health(
    test=["CMD", *_PYTHON, f"{LIBRARY}/healthcheck.py"],
    interval_s=5,
    timeout_s=30,  # a busy machine doesn't mean a broken gateway
    retries=2,
    start_period_s=120,
)
_SERVER = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DNS_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Route:
    """One server behind the gateway.

    server: the last part of its address, `/mcp/<server>`.
    host: the name that resolves to its tasks, `tasks.<service>`; port: where they listen.
    """

    server: str
    host: str
    port: int


@dataclass(frozen=True)
class Caller:
    """Somebody who may call, with their own token.

    servers: those that they may call, None for all. rotate: another text makes another token.
    keep_former: whether the one before is good, too.
    """

    name: str
    servers: tuple[str, ...] | None = None
    rotate: str = ""
    keep_former: bool = False


CALLER = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""What a caller's name may be."""
DEFAULT_CALLER = "default"
"""The caller that every platform has. Its token is the output `gateway_token`."""


def digest(token: str) -> str:
    """A token as the configuration has it. 256 random bits can't be guessed from a plain hash."""
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest()


def former(token: str, last: str, before: str) -> str:
    """The token before this one, "" for none. last: what the last `up` left as the token; before:
    what it left as its former one."""
    return before if token == last else last


def url(host: str, port: int) -> str:
    """The gateway's address under one of its names."""
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"


def config(
    routes: Sequence[Route],
    backend: Route,
    hosts: Sequence[str],
    callers: Mapping[str, Caller],
    origins: Sequence[str] = (),
    rate: int = RATE,
) -> str:
    """The text of haproxy.cfg.

    routes: the servers. backend: serves `/mcp` itself, `/api/` and the page.
    hosts: names and addresses that clients may use in Host and Origin, without a port.
    callers: by the `digest` of their tokens, of which one may have two.
    rate: requests of each in RATE_PERIOD_S.
    origins: other websites whose scripts may call, as browsers send them in Origin.
    Raises ValueError for what the configuration can't hold, with all errors at once.
    """
    if faults := [
        *_route_faults([*routes, backend]),
        *_host_faults(hosts),
        *_caller_faults(callers),
        *_origin_faults(origins),
    ]:
        raise ValueError("the gateway can't be configured: " + "; ".join(faults))
    return templates.render(
        "gateway/haproxy.cfg.j2",
        routes=sorted(routes, key=lambda route: route.server),
        backend=backend,
        hosts=sorted(set(hosts)),
        origins=sorted(set(origins)),
        digests=sorted(callers.items(), key=lambda item: (item[1].name, item[0])),
        callers=sorted({*callers.values()}, key=lambda caller: caller.name),
        cors_methods="GET, POST, DELETE",
        cors_request_headers=", ".join(CORS_REQUEST_HEADERS),
        cors_response_headers=", ".join(CORS_RESPONSE_HEADERS),
        port=PORT,
        health_port=HEALTH_PORT,
        metrics_port=METRICS_PORT,
        certificate_file=f"/run/secrets/{CERTIFICATE_SECRET}",
        library=LIBRARY,
        most_reloads=MOST_RELOADS,
        socket="/tmp/haproxy.sock",
        servers_file="/tmp/servers",
        body_limit=BODY_LIMIT,
        too_large=f"the body is larger than {BODY_LIMIT} bytes",
        body_s=BODY_S,
        too_slow=f"the body took longer than {BODY_S} s to arrive",
        connections_per_source=CONNECTIONS_PER_SOURCE,
        rate=rate,
        looks=LOOKS,
        rate_period_s=RATE_PERIOD_S,
        max_replicas=MAX_REPLICAS,
        refusal=_refusal,
    )


def workload(name: str, prefix: str, published_port: int, needs: Iterable[str]) -> Workload:
    """The gateway: one task on every manager, after what it leads to.

    prefix: of physical names. A host port can't be held twice, so the old task stops first.
    """
    handed_out = f"{names.physical(prefix, f'{name}{PUBLISHER}')}:{HEALTH_PORT}"
    return Workload(
        name=name,
        kind="global",
        user=USER_ID,
        port=PORT,
        ports=(Port(published=published_port, target=PORT),),
        secrets=(File("tls", CERTIFICATE_SECRET),),
        args=(*_PYTHON, f"{LIBRARY}/follow.py", f"http://tasks.{handed_out}/haproxy.cfg"),
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=16),),
        health=_HEALTH,
        resources=Resources(
            cpus=1.0, memory_mb=256, pids=64, reserve_cpus=0.1, reserve_memory_mb=64
        ),
        placement=Placement(constraints=["node.role == manager"]),
        order="stop-first",
        stop_grace_s=DRAIN_S,
        labels={"sophia.platform": name},
        needs=tuple(needs),
        networks=(networks.EDGE,),
    )


def publisher(gateway: Workload) -> Workload:
    """Serves the configuration to that gateway: one task, on any manager.

    Never two at once, or gateways would switch back and forth between the old and the new one.
    """
    return Workload(
        name=f"{gateway.name}{PUBLISHER}",
        user=USER_ID,
        port=HEALTH_PORT,
        args=(*_PYTHON, f"{LIBRARY}/publish.py"),
        configs=(File("haproxy", CONFIG_FILE, called="haproxy"),),
        health=_HEALTH,
        resources=Resources(cpus=0.2, memory_mb=64, pids=32, reserve_memory_mb=16),
        placement=Placement(constraints=["node.role == manager"]),
        order="stop-first",
        stop_grace_s=5,
        labels={"sophia.platform": gateway.name},
        needs=gateway.needs,
        networks=gateway.networks,
    )


def _refusal(message: str) -> str:
    """An error as MCP clients read it: JSON-RPC without the id of a request."""
    error = {"code": -32000, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": error})


def _repeated(kind: str, names: Sequence[str]) -> list[str]:
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    return [f"{kind} {name!r} is given twice" for name in twice]


def _route_faults(routes: Sequence[Route]) -> list[str]:
    return [
        *_repeated("server", [route.server for route in routes]),
        *(
            f"server {route.server!r}: expected small letters, digits, '-' and '_'"
            for route in routes
            if not _SERVER.fullmatch(route.server)
        ),
        *(
            f"server {route.server!r}: {route.host!r} is not a DNS name"
            for route in routes
            if not _DNS_NAME.fullmatch(route.host)
        ),
        *(
            f"server {route.server!r}: port {route.port} is not in 1-65535"
            for route in routes
            if not 0 < route.port < 65536
        ),
    ]


def _host_faults(hosts: Sequence[str]) -> list[str]:
    if not hosts:
        return ["no host is allowed, expected at least the managers' addresses"]
    return [
        f"host {host!r}: expected a name in small letters or an IPv4 address, without a port"
        for host in hosts
        if not _HOST.fullmatch(host)
    ]


def _caller_faults(callers: Mapping[str, Caller]) -> list[str]:
    return [
        *_repeated("caller", [caller.name for caller in {*callers.values()}]),
        *(
            f"caller {caller.name!r}: expected 1 to 32 small letters, digits, '.', '-' and '_'"
            for caller in callers.values()
            if not CALLER.fullmatch(caller.name)
        ),
        *(
            f"caller {caller.name!r}: its token's digest is not a SHA-256 in hexadecimal"
            for digest, caller in callers.items()
            if not _DIGEST.fullmatch(digest)
        ),
        *(
            f"caller {caller.name!r}: {server!r} is not a server's name"
            for caller in callers.values()
            for server in caller.servers or ()
            if not _SERVER.fullmatch(server)
        ),
    ]


def _origin_faults(origins: Sequence[str]) -> list[str]:
    return [
        f"origin {origin!r}: expected scheme, host and port in small letters, such as https://a.b"
        for origin in origins
        if not _ORIGIN.fullmatch(origin)
    ]
