"""What watches the platform and tells people: Prometheus, Alertmanager, and the exporters.

Prometheus and Alertmanager run on every manager, as the gateway does (ADR 35): the loss of any one
machine is noticed by the others. Whatever is scraped is found by Swarm's DNS. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.catalog.model import PORT
from components.plan import exporters, gateway, logs, names, networks, standby, templates
from components.plan.exporters import USER_ID
from components.plan.nodes import NodePlan
from components.plan.workload import File, Workload
from providers.swarm.services.model import Mount, Placement, Resources

PROMETHEUS, ALERTMANAGER = "prometheus", "alertmanager"
NAMES = (PROMETHEUS, ALERTMANAGER, *exporters.NAMES)
METRICS_PORT, ALERTS_PORT = 9090, 9093
CONFIG_FILE, EXPECTED_FILE = "/etc/sophia/prometheus.yml", "/etc/sophia/expected.yml"
ALERTS_FILE = "/etc/sophia/alertmanager.yml"
RULES = ("/etc/sophia/alerts.yml", "/etc/sophia/dashboards.yml")
"""Files of images/monitoring/rules."""
SLACK_SECRET, PASSWORD_SECRET, HEARTBEAT_SECRET = "slack_webhook", "smtp_password", "heartbeat"
"""Files below /run/secrets: the address that Slack takes messages at; the mail server's password;
the address outside that misses what it doesn't get.
"""
SCRAPE_S = 10
MOST_NUMBERS = 20_000
"""Of one replica, several times what the largest has. Each takes 3 KB of Prometheus' memory."""
_UNHEARD = (f"gateway{gateway.PUBLISHER}", *standby.QUORUM)
"""Services of one task that export nothing, and that nobody misses soon: gateways keep their last
configuration, and two of three members of etcd decide."""
KEPT, KEPT_AT_MOST = "15d", "1GB"
"""How long numbers are kept, and how much room they take on each manager, whichever ends first."""
OLDEST_BACKUP_S = 26 * 3600
"""Seconds since the last backup after which it is missed: a day, and two hours for it to end."""

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
    what it is asked for; () for all. most: numbers of one task, which counts as away if it has
    more; 0 for no limit.
    """

    name: str
    port: int
    services: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    most: int = 0


@dataclass(frozen=True)
class Budget:
    """US cents a month: what all machines cost, and what they may cost, 0 for no limit."""

    month: int
    limit: int


def workloads(
    prefix: str,
    needs: Iterable[str],
    databases: Sequence[Workload],
    *,
    gpus: bool,
    slack: bool,
    email: Email | None,
    heartbeat: bool,
) -> tuple[Workload, ...]:
    """All of them. prefix: of physical names. needs: what has to be there before anything is
    missed. databases: the members of the platform's, none for an operator's.
    gpus: whether GPUs are watched.

    slack, email: how people are told. heartbeat: whether somebody outside is told that it watches.
    """
    return (
        exporters.node(),
        *(exporters.of_database(prefix, server) for server in databases),
        *([exporters.gpu()] if gpus else []),
        alertmanager(prefix, slack=slack, email=email, heartbeat=heartbeat),
        prometheus(prefix, needs),
    )


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
        health=exporters.health(METRICS_PORT, "/-/ready"),
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


def alertmanager(
    prefix: str, *, slack: bool, email: Email | None, heartbeat: bool = False
) -> Workload:
    """Tells people. Those on all managers agree on who does, and share what is silenced."""
    own = f"tasks.{names.physical(prefix, ALERTMANAGER)}"
    secrets = [File("slack", SLACK_SECRET)] if slack else []
    if email and email.username:
        secrets.append(File("password", PASSWORD_SECRET))
    if heartbeat:
        secrets.append(File("heartbeat", HEARTBEAT_SECRET))
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
        health=exporters.health(ALERTS_PORT, "/-/ready"),
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


def config(prefix: str, jobs: Sequence[Job]) -> str:
    """The text of prometheus.yml."""
    return templates.render(
        "monitoring/prometheus.yml.j2",
        stack=prefix,
        prefix=prefix,
        jobs=jobs,
        scrape_s=SCRAPE_S,
        rules=RULES,
        expected=EXPECTED_FILE,
        alertmanager={"service": ALERTMANAGER, "port": ALERTS_PORT},
    )


def jobs(planned: Iterable[Workload], servers: Iterable[str]) -> tuple[Job, ...]:
    """Everything that is scraped. servers: names of those that have the runtime's /metrics."""
    there = {workload.name for workload in planned}
    every = (
        Job("server", PORT, tuple(sorted(servers)), most=MOST_NUMBERS),
        # Without each replica's numbers, which are ten times as many.
        Job("gateway", gateway.METRICS_PORT, ("gateway",), ("global", "frontend", "backend")),
        Job("node", exporters.NODE_PORT, (exporters.NODE,)),
        Job("database", exporters.DATABASE_PORT, (exporters.DATABASE,)),
        Job("standby", exporters.DATABASE_PORT, (exporters.STANDBY,)),
        Job("gpu", exporters.GPU_PORT, (exporters.GPU,)),
        Job("prometheus", METRICS_PORT, (PROMETHEUS,)),
        Job("alertmanager", ALERTS_PORT, (ALERTMANAGER,)),
        Job("logs", logs.PORT, (logs.STORE, logs.AUDIT)),
        Job("log-shipper", logs.METRICS_PORT, (logs.SHIPPER,)),
    )
    return tuple(job for job in every if job.services and there.issuperset(job.services))


def expected(
    planned: Mapping[str, Workload],
    jobs: Iterable[Job],
    *,
    machines: Sequence[NodePlan],
    certificate_ends: int,
    budget: Budget,
) -> str:
    """Rules that record what the plan says, so that what is gone is missed by whoever starts now.

    certificate_ends: the gateway's, as seconds since 1970.
    """
    counted = [planned[service] for job in jobs for service in job.services]
    tasks = {one.name: _tasks(one, machines) for one in counted}
    # Only crons have to succeed again and again.
    crons = [one.name for one in planned.values() if one.kind == "cron"]
    return templates.render(
        "monitoring/expected.yml.j2",
        tasks=sorted(tasks.items()),
        healthy=[name for name in _UNHEARD if name in planned],
        jobs=sorted(crons),
        nodes=len(machines),
        managers=len(_managers(machines)),
        gpus=sum(one.gpus for one in machines) if exporters.GPU in planned else 0,
        certificate_ends=certificate_ends,
        budget=budget,
    )


def alerting(
    *,
    slack: bool,
    email: Email | None,
    of_database: Sequence[str],
    heartbeat: bool = False,
    runbooks: str = "",
) -> str:
    """The text of alertmanager.yml. of_database: the servers that need the platform's database.
    runbooks: below which address this repository's files are read, "" for none.
    """
    return templates.render(
        "monitoring/alertmanager.yml.j2",
        slack=slack,
        email=email,
        of_database=of_database,
        heartbeat=heartbeat,
        runbooks=runbooks,
        heartbeat_file=f"/run/secrets/{HEARTBEAT_SECRET}",
        slack_file=f"/run/secrets/{SLACK_SECRET}",
        password_file=f"/run/secrets/{PASSWORD_SECRET}",
        messages="/etc/sophia/messages.tmpl",
    )


def _tasks(workload: Workload, machines: Sequence[NodePlan]) -> int:
    if workload.kind != "global":
        return workload.replicas
    if exporters.ON_GPU_NODES in workload.placement.constraints:
        return len([one for one in machines if one.gpus])
    everywhere = "node.role == manager" not in workload.placement.constraints
    return len(machines if everywhere else _managers(machines))


def _managers(machines: Iterable[NodePlan]) -> list[NodePlan]:
    return [one for one in machines if one.role == "manager"]


def _kept(prefix: str, what: str) -> Mount:
    """A volume of Docker's own on each node, which is lost with it: the others have the same."""
    return Mount(type="volume", source=names.physical(prefix, what), target=f"/data/{what}")
