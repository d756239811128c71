"""Exporters: what turns the numbers of nodes, database and GPUs into Prometheus' format. Pure."""

from __future__ import annotations

from components.plan import database, names, networks, standby, templates
from components.plan.node_setup import REPORT
from components.plan.nodes import GPU_LABEL
from components.plan.workload import File, Workload
from providers.swarm.services.model import Health, Mount, Placement, Resources

NODE, GPU = "node-exporter", "gpu-exporter"
DATABASE, STANDBY = (f"{name}-exporter" for name in ("database", standby.SECOND))
"""One for each member: it doesn't follow the primary."""
NAMES = (NODE, DATABASE, STANDBY, GPU)
USER_ID = 10004
"""uid and gid of all watchers, as in images/monitoring/Dockerfile."""
NODE_PORT, DATABASE_PORT, GPU_PORT = 9100, 9187, 9400
COUNTERS_FILE = "/etc/sophia/gpu.csv"
QUERIES_FILE = "/etc/sophia/database.yml"
"""Of images/monitoring: what the exporter doesn't ask by itself."""
ON_GPU_NODES = f"node.labels.{GPU_LABEL} == true"

_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "pressure", "uname")
"""What a container's own /proc tells of the whole machine."""
_HERE = r"^/(dev|proc|run|sys|report|etc/hosts|etc/resolv\.conf)($|/)"
"""Mounts of the exporter's container that say nothing new. /etc/hostname stays: it lies where
Docker does."""
_HEALTHCHECK = "/usr/local/lib/sophia/healthcheck.py"


def of(server: str) -> str:
    """The name of the exporter of a database's member."""
    return f"{server}-exporter"


def node() -> Workload:
    """Tells of each node what the kernel tells any container, and what the node itself reports.

    Of the node only that report is mounted, to be read.
    """
    return Workload(
        name=NODE,
        kind="global",
        user=USER_ID,
        port=NODE_PORT,
        command=("prometheus-node-exporter",),
        args=(
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in _COLLECTORS),
            f"--collector.filesystem.mount-points-exclude={_HERE}",
            "--collector.textfile",
            "--collector.textfile.directory=/report",
            f"--web.listen-address=:{NODE_PORT}",
        ),
        hostname="{{.Node.Hostname}}",
        mounts=(Mount(type="bind", source=REPORT, target="/report", read_only=True),),
        health=health(NODE_PORT, "/"),
        resources=Resources(cpus=0.2, memory_mb=64, pids=32, reserve_memory_mb=16),
        order="stop-first",
        stop_grace_s=5,
        labels={"sophia.platform": NODE},
        networks=(networks.MONITORING,),
    )


def of_database(prefix: str, server: Workload) -> Workload:
    """Tells of one member of PostgreSQL, as a role that may read its statistics and nothing else.

    prefix: of physical names. It starts before the database that knows the role is healthy, and
    says `pg_up 0` while it can't log in.
    """
    host = f"tasks.{names.physical(prefix, server.name)}"
    return Workload(
        name=of(server.name),
        user=USER_ID,
        port=DATABASE_PORT,
        command=("prometheus-postgres-exporter",),
        args=(f"--web.listen-address=:{DATABASE_PORT}",),
        env={
            # The network is internal, and encrypted between nodes.
            "DATA_SOURCE_URI": f"{host}:{server.port}/{database.DATABASE}?sslmode=disable",
            "DATA_SOURCE_USER": database.MONITOR,
            "DATA_SOURCE_PASS_FILE": f"/run/secrets/{database.MONITOR_SECRET}",
            "PG_EXPORTER_EXTEND_QUERY_PATH": QUERIES_FILE,
        },
        secrets=(File("password", database.MONITOR_SECRET),),
        health=health(DATABASE_PORT, "/"),
        resources=Resources(cpus=0.2, memory_mb=64, pids=32, reserve_memory_mb=16),
        stop_grace_s=5,
        labels={"sophia.platform": of(server.name)},
        needs=(server.name,),
        networks=(networks.MONITORING, networks.DATA),
    )


def gpu() -> Workload:
    """NVIDIA's own, on nodes that have GPUs. It reserves none, and sees all that its node has."""
    return Workload(
        name=GPU,
        kind="global",
        user=USER_ID,
        port=GPU_PORT,
        command=("dcgm-exporter",),
        args=(f"--address=:{GPU_PORT}", f"--collectors={COUNTERS_FILE}", "--collect-interval=5000"),
        env={"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"},
        hostname="{{.Node.Hostname}}",
        configs=(File("counters", COUNTERS_FILE, called="counters"),),
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=16),),
        # Its image has no Python.
        health=Health(
            test=["CMD", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{GPU_PORT}"],
            interval_s=10,
            timeout_s=30,
            retries=3,
            start_period_s=120,
        ),
        resources=Resources(cpus=0.5, memory_mb=512, pids=128, reserve_memory_mb=128),
        placement=Placement(constraints=[ON_GPU_NODES]),
        order="stop-first",
        stop_grace_s=10,
        labels={"sophia.platform": GPU},
        networks=(networks.MONITORING,),
    )


def counters() -> str:
    """What the GPUs' exporter asks DCGM for, as its CSV file."""
    return templates.render("monitoring/gpu.csv.j2")


def health(port: int, path: str) -> Health:
    """The check of everything in the image `monitoring`: whether it answers a path with 200."""
    return Health(
        test=["CMD", "python3", "-I", "-S", _HEALTHCHECK, str(port), path],
        interval_s=5,
        timeout_s=30,  # a busy machine is no broken watcher
        retries=2,
        start_period_s=120,
    )
