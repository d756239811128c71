"""What watches the platform and tells people: Prometheus, Alertmanager, an exporter on every node.

Prometheus and Alertmanager run on every manager, as the gateway does (ADR 35): the loss of any one
machine is noticed by the others. Whatever is scraped is found by Swarm's DNS. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.catalog.model import PORT
from components.plan import gateway, logs, names, networks, templates
from components.plan.workload import File, Workload
from providers.swarm.services.model import Health, Mount, Placement, Resources

PROMETHEUS, ALERTMANAGER, EXPORTER = "prometheus", "alertmanager", "node-exporter"
NAMES = (PROMETHEUS, ALERTMANAGER, EXPORTER)
USER_ID = 10004
"""uid and gid of all three, as in images/monitoring/Dockerfile."""
METRICS_PORT, ALERTS_PORT, NODE_PORT = 9090, 9093, 9100
CONFIG_FILE, EXPECTED_FILE = "/etc/sophia/prometheus.yml", "/etc/sophia/expected.yml"
ALERTS_FILE = "/etc/sophia/alertmanager.yml"
SLACK_SECRET, PASSWORD_SECRET = "slack_webhook", "smtp_password"
"""Files below /run/secrets: the address that Slack takes messages at; the mail server's password.
"""
SCRAPE_S = 10
KEPT, KEPT_AT_MOST = "15d", "1GB"
"""How long numbers are kept, and how much room they take on each manager, whichever ends first."""

_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "pressure", "uname")
"""What a container's own /proc tells of the whole machine."""
_HERE = r"^/(dev|proc|run|sys|etc/hosts|etc/resolv\.conf)($|/)"
"""Mounts of the exporter's container that say nothing new. /etc/hostname stays: it lies where
Docker does."""
_HEALTHCHECK = "/usr/local/lib/sophia/healthcheck.py"
_ON_MANAGERS = Placement(constraints=["node.role == manager"])


@dataclass(frozen=True)
class Email:
    """Where alerts are mailed to. smarthost: `host:port`, which has to speak TLS.

    username: "" for a server that asks for none.
    """

    smarthost: str
    sender: str
    to: tuple[str, ...]
    username: str


@dataclass(frozen=True)
class Job:
    """Services that are scraped alike. port: where their tasks have /metrics. scopes: HAProxy's, of
    what it is asked for; () for all.
    """

    name: str
    port: int
    services: tuple[str, ...]
    scopes: tuple[str, ...] = ()


def workloads(
    prefix: str, needs: Iterable[str], *, slack: bool, email: Email | None
) -> tuple[Workload, ...]:
    """All three. prefix: of physical names. needs: what has to be there before anything is missed.

    slack, email: how people are told.
    """
    return (exporter(), alertmanager(prefix, slack=slack, email=email), prometheus(prefix, needs))


def prometheus(prefix: str, needs: Iterable[str]) -> Workload:
    """Asks everything for its numbers, keeps them, and says what is wrong."""
    return Workload(
        name=PROMETHEUS,
        kind="global",
        user=USER_ID,
        port=METRICS_PORT,
        command=("prometheus",),
        args=(
            f"--config.file={CONFIG_FILE}",
            "--storage.tsdb.path=/data/metrics",
            f"--storage.tsdb.retention.time={KEPT}",
            f"--storage.tsdb.retention.size={KEPT_AT_MOST}",
            f"--web.listen-address=:{METRICS_PORT}",
        ),
        # Go's collector works harder before the limit ends the process.
        env={"GOMEMLIMIT": "320MiB"},
        configs=(
            File("config", CONFIG_FILE, called="config"),
            File("expected", EXPECTED_FILE, called="expected"),
        ),
        mounts=(_kept(prefix, "metrics"),),
        health=_health(METRICS_PORT, "/-/ready"),
        resources=Resources(
            cpus=1.0, memory_mb=400, pids=64, reserve_cpus=0.05, reserve_memory_mb=96
        ),
        placement=_ON_MANAGERS,
        order="stop-first",
        stop_grace_s=30,
        labels={"sophia.platform": PROMETHEUS},
        needs=tuple(needs),
        networks=(networks.MONITORING, networks.EDGE),
    )


def alertmanager(prefix: str, *, slack: bool, email: Email | None) -> Workload:
    """Tells people. Those on all managers agree on who does, and share what is silenced."""
    own = f"tasks.{names.physical(prefix, ALERTMANAGER)}"
    secrets = [File("slack", SLACK_SECRET)] if slack else []
    if email and email.username:
        secrets.append(File("password", PASSWORD_SECRET))
    return Workload(
        name=ALERTMANAGER,
        kind="global",
        user=USER_ID,
        port=ALERTS_PORT,
        command=("/usr/local/lib/sophia/alertmanager.sh",),
        args=(
            f"--config.file={ALERTS_FILE}",
            "--storage.path=/data/alerts",
            f"--web.listen-address=:{ALERTS_PORT}",
            f"--cluster.peer={own}:9094",
            # How much longer each peer waits for the one before it to have told people.
            "--cluster.peer-timeout=5s",
            "--cluster.settle-timeout=10s",
        ),
        env={"GOMEMLIMIT": "80MiB"},
        secrets=tuple(secrets),
        configs=(File("config", ALERTS_FILE, called="config"),),
        mounts=(_kept(prefix, "alerts"),),
        health=_health(ALERTS_PORT, "/-/ready"),
        resources=Resources(
            cpus=0.5, memory_mb=100, pids=64, reserve_cpus=0.02, reserve_memory_mb=32
        ),
        placement=_ON_MANAGERS,
        order="stop-first",
        stop_grace_s=15,
        labels={"sophia.platform": ALERTMANAGER},
        # No server can reach it: whoever can, may silence alerts.
        networks=(networks.MONITORING,),
    )


def exporter() -> Workload:
    """Tells of each node what the kernel tells any container; nothing of the node is mounted."""
    return Workload(
        name=EXPORTER,
        kind="global",
        user=USER_ID,
        port=NODE_PORT,
        command=("prometheus-node-exporter",),
        args=(
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in _COLLECTORS),
            f"--collector.filesystem.mount-points-exclude={_HERE}",
            f"--web.listen-address=:{NODE_PORT}",
        ),
        hostname="{{.Node.Hostname}}",
        health=_health(NODE_PORT, "/"),
        resources=Resources(cpus=0.2, memory_mb=64, pids=32, reserve_memory_mb=16),
        order="stop-first",
        stop_grace_s=5,
        labels={"sophia.platform": EXPORTER},
        networks=(networks.MONITORING,),
    )


def config(prefix: str, jobs: Sequence[Job]) -> str:
    """The text of prometheus.yml."""
    return templates.render(
        "monitoring/prometheus.yml.j2",
        stack=prefix,
        prefix=prefix,
        jobs=jobs,
        scrape_s=SCRAPE_S,
        rules="/etc/sophia/alerts.yml",
        expected=EXPECTED_FILE,
        alertmanager={"service": ALERTMANAGER, "port": ALERTS_PORT},
    )


def jobs(planned: Iterable[Workload], servers: Iterable[str]) -> tuple[Job, ...]:
    """Everything that is scraped. servers: names of those that have the runtime's /metrics."""
    there = {workload.name for workload in planned}
    every = (
        Job("server", PORT, tuple(sorted(servers))),
        # Without each replica's numbers, which are ten times as many.
        Job("gateway", gateway.METRICS_PORT, ("gateway",), ("global", "frontend", "backend")),
        Job("node", NODE_PORT, (EXPORTER,)),
        Job("prometheus", METRICS_PORT, (PROMETHEUS,)),
        Job("alertmanager", ALERTS_PORT, (ALERTMANAGER,)),
        Job("logs", logs.PORT, (logs.STORE, logs.AUDIT)),
    )
    return tuple(job for job in every if job.services and there.issuperset(job.services))


def expected(
    planned: Mapping[str, Workload],
    jobs: Iterable[Job],
    *,
    nodes: int,
    managers: int,
    certificate_ends: int,
) -> str:
    """Rules that record what the plan says, so that what is gone is missed by whoever starts now.

    certificate_ends: the gateway's, as seconds since 1970.
    """
    counted = [planned[service] for job in jobs for service in job.services]
    tasks = {one.name: _tasks(one, nodes, managers) for one in counted}
    return templates.render(
        "monitoring/expected.yml.j2",
        tasks=sorted(tasks.items()),
        nodes=nodes,
        managers=managers,
        certificate_ends=certificate_ends,
    )


def alerting(*, slack: bool, email: Email | None) -> str:
    """The text of alertmanager.yml."""
    return templates.render(
        "monitoring/alertmanager.yml.j2",
        slack=slack,
        email=email,
        slack_file=f"/run/secrets/{SLACK_SECRET}",
        password_file=f"/run/secrets/{PASSWORD_SECRET}",
        messages="/etc/sophia/messages.tmpl",
    )


def _tasks(workload: Workload, nodes: int, managers: int) -> int:
    if workload.kind != "global":
        return workload.replicas
    return managers if "node.role == manager" in workload.placement.constraints else nodes


def _kept(prefix: str, what: str) -> Mount:
    """A volume of Docker's own on each node, which is lost with it: the others have the same."""
    return Mount(type="volume", source=names.physical(prefix, what), target=f"/data/{what}")


def _health(port: int, path: str) -> Health:
    return Health(
        test=["CMD", "python3", "-I", "-S", _HEALTHCHECK, str(port), path],
        interval_s=5,
        timeout_s=30,  # a busy machine is no broken watcher
        retries=2,
        start_period_s=120,
    )
