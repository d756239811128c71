"""The platform's backend as a workload: all servers as one endpoint, their API, and the page.

A replacement has to follow docs/how-to/own-backend.md. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from components.catalog.model import PORT, Server
from components.plan import logs, mcp_service, monitoring, names, networks
from components.plan.nodes import NODE_LABEL
from components.plan.workload import Workload
from providers.swarm.services.model import Health, Placement, Resources

SERVERS = "SOPHIA_SERVERS"
"""The variable that says where the servers' replicas are: a JSON object, `host:port` by name."""
PROBES = "SOPHIA_PROBES"
"""The variable that says which tool of each server is called once a minute: a JSON object."""
PROMETHEUS = "SOPHIA_PROMETHEUS"
"""The variable that says where the platform's numbers are: `host:port`."""
RUNBOOKS = "SOPHIA_RUNBOOKS"
"""The variable with the address below which this repository's files can be read."""
LOGS = "SOPHIA_LOGS"
"""The variable that says where logs are searched: a JSON object with the store's `url`, and the
`prefix` of services' names there."""
REPLICAS = 2
"""So that the endpoint survives the loss of a machine."""
GRACE_S = 110
"""Seconds for the calls in flight at a stop: the longest of any server."""


def workload(
    name: str,
    prefix: str,
    servers: Iterable[Server],
    *,
    health: Sequence[str],
    env: Mapping[str, str],
    secrets: Iterable[str],
    monitored: bool = False,
    runbooks: str = "",
    logged: bool = False,
) -> Workload:
    """The backend. It needs no other workload: it serves while servers are down.

    prefix: of physical names. health: the command that checks it. env, secrets: further variables,
    and names of files below /run/secrets, for the operator's own backend. monitored: whether
    there is a Prometheus; then servers are called once a minute, see `Server.probe`. runbooks:
    where this repository can be read, "" if nowhere. logged: whether there are
    logs to search.
    """
    own = names.physical(prefix, name)
    every = list(servers)
    replicas_of = {
        server.name: f"tasks.{names.physical(prefix, server.name)}:{PORT}" for server in every
    }
    probes = {server.name: asdict(server.probe) for server in every if server.probe}
    searched = {"url": logs.address(prefix), "prefix": names.physical(prefix, "")}
    return Workload(
        name=name,
        user=mcp_service.UID,
        port=PORT,
        replicas=REPLICAS,
        env={
            **env,
            **mcp_service.environment(own, GRACE_S),
            SERVERS: json.dumps(replicas_of, sort_keys=True),
            **(_monitored(prefix, probes, runbooks) if monitored else {}),
            **({LOGS: json.dumps(searched, sort_keys=True)} if logged else {}),
        },
        secrets=mcp_service.files(secrets),
        mounts=mcp_service.SCRATCH,
        health=Health(
            test=["CMD", *health], interval_s=5, timeout_s=30, retries=2, start_period_s=120
        ),
        resources=Resources(
            cpus=1.0, memory_mb=384, pids=128, reserve_cpus=0.1, reserve_memory_mb=96
        ),
        placement=Placement(spread=[f"node.labels.{NODE_LABEL}"]),
        stop_grace_s=mcp_service.stop_grace_s(GRACE_S),
        labels={"sophia.platform": name},
        networks=(networks.EDGE, networks.LOGS) if logged else (networks.EDGE,),
    )


def _monitored(prefix: str, probes: Mapping[str, object], runbooks: str) -> dict[str, str]:
    prometheus = names.physical(prefix, monitoring.PROMETHEUS)
    return {
        PROBES: json.dumps(probes, sort_keys=True),
        PROMETHEUS: f"tasks.{prometheus}:{monitoring.METRICS_PORT}",
        **({RUNBOOKS: runbooks} if runbooks else {}),
    }
