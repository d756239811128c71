"""Where logs are searched: a store on every manager, one of its own for the audit log, and what
sends each node's lines to all of them (ADR 43). Pure.
"""

from __future__ import annotations

from components.plan import names, networks
from components.plan.workload import Workload
from providers.swarm.services.model import Health, Mount, Placement, Resources

STORE, AUDIT, SHIPPER = "logs", "audit-log", "log-shipper"
NAMES = (STORE, AUDIT, SHIPPER)
USER_ID = 10005
"""uid and gid of the stores, as in images/logs/Dockerfile."""
PORT, METRICS_PORT = 9428, 9429
"""Of a store; where a shipper tells how far it is (images/logs/sophia_logs/metrics.py)."""
KEPT_DAYS, AUDIT_KEPT_DAYS = 14, 90
KEPT_AT_MOST, AUDIT_KEPT_AT_MOST = "2GB", "4GB"
"""How much room each takes on a manager before the oldest day goes. Today and yesterday stay."""
LEFT_FREE = "2GB"
"""With less free on the node's disk a store takes nothing: lines wait in Docker's files."""
LONGEST_LINE = "1MiB"
"""A store drops longer ones: more than the shipper ever makes of a line."""
DOCKERS_FILES = "/var/lib/docker/containers"

_HEALTHCHECK = ("python3", "-I", "-S", "/usr/local/lib/sophia/sophia_logs/healthcheck.py")
_NOBODY_HAS_IT = "file:///proc/sys/kernel/random/uuid"
"""A key that is another one at each look."""


def workloads(prefix: str, gateway: str) -> tuple[Workload, ...]:
    """All three. prefix: of physical names. gateway: the workload whose lines are audited."""
    return (
        _store(prefix, STORE, "/data/logs", KEPT_DAYS, KEPT_AT_MOST),
        _store(prefix, AUDIT, "/data/audit", AUDIT_KEPT_DAYS, AUDIT_KEPT_AT_MOST),
        shipper(prefix, gateway),
    )


def address(prefix: str) -> str:
    """Where a search is answered, by any manager's store."""
    return f"http://tasks.{names.physical(prefix, STORE)}:{PORT}"


def shipper(prefix: str, gateway: str) -> Workload:
    """Reads what Docker keeps of a node's containers, and nothing else: as root, who owns those
    files, but without a capability, so that it can't read other containers' secrets mounted below.
    """
    stores = (f"tasks.{names.physical(prefix, name)}" for name in (STORE, AUDIT))
    return Workload(
        name=SHIPPER,
        kind="global",
        user=0,
        port=METRICS_PORT,
        command=("python3", "-S", "-m", "sophia_logs.ship"),
        args=(*stores, names.physical(prefix, gateway)),
        hostname="{{.Node.Hostname}}",
        mounts=(
            Mount(
                type="bind",
                source=DOCKERS_FILES,
                target=DOCKERS_FILES,
                read_only=True,
                recursive=False,
            ),
            Mount(type="tmpfs", target="/tmp", size_mb=1),
        ),
        health=_health("/tmp/alive"),
        resources=Resources(cpus=0.3, memory_mb=96, pids=64, reserve_memory_mb=24),
        order="stop-first",
        stop_grace_s=5,
        labels={"sophia.platform": SHIPPER},
        networks=(networks.LOGS,),
    )


def _store(prefix: str, name: str, folder: str, days: int, at_most: str) -> Workload:
    """One on every manager, with the same in each."""
    return Workload(
        name=name,
        kind="global",
        user=USER_ID,
        port=PORT,
        command=("victoria-logs",),
        args=(
            f"-storageDataPath={folder}",
            f"-httpListenAddr=:{PORT}",
            f"-retentionPeriod={days}d",
            f"-retention.maxDiskSpaceUsageBytes={at_most}",
            f"-storage.minFreeDiskSpaceBytes={LEFT_FREE}",
            "-memory.allowedBytes=48MiB",
            f"-insert.maxLineSizeBytes={LONGEST_LINE}",
            "-search.maxConcurrentRequests=2",
            # Nobody may delete: deletion by a query is off unless asked for, and what else could
            # take lines away or stop the store for a while needs a key.
            f"-partitionManageAuthKey={_NOBODY_HAS_IT}",
            f"-forceMergeAuthKey={_NOBODY_HAS_IT}",
            f"-forceFlushAuthKey={_NOBODY_HAS_IT}",
            f"-logNewStreamsAuthKey={_NOBODY_HAS_IT}",
            f"-pprofAuthKey={_NOBODY_HAS_IT}",
            "-internalinsert.disable",
            "-internalselect.disable",
            # A connection ends with the store's process, so that a shipper notices.
            "-http.connTimeout=24h",
            "-http.idleConnTimeout=24h",
        ),
        env={"GOMEMLIMIT": "128MiB"},
        mounts=(Mount(type="volume", source=names.physical(prefix, name), target=folder),),
        health=_health(str(PORT), "/health"),
        resources=Resources(
            cpus=1.0, memory_mb=200, pids=64, reserve_cpus=0.05, reserve_memory_mb=32
        ),
        placement=Placement(constraints=["node.role == manager"]),
        order="stop-first",
        stop_grace_s=20,
        labels={"sophia.platform": name},
        networks=(networks.LOGS,),
    )


def _health(*arguments: str) -> Health:
    return Health(
        test=["CMD", *_HEALTHCHECK, *arguments],
        interval_s=5,
        timeout_s=30,  # a busy machine is no broken store
        retries=2,
        start_period_s=120,
    )
