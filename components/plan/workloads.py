"""Which workloads the platform has, the order in which they are created, and their faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from components.catalog.model import Server
from components.plan import (
    backend,
    backup,
    database,
    database_roles,
    gateway,
    logs,
    mcp_service,
    monitoring,
    own_database,
    provided,
    standby,
    tracing,
)
from components.plan.networks import LOGS, attached
from components.plan.nodes import nodes
from components.plan.workload import JOBS, Workload, job_inputs, service_inputs
from components.reading import Fault, listed
from components.settings_model import Settings
from providers.swarm import calendar
from providers.swarm.services.rules import faults_of, job_faults

DATABASE, BACKUP, BACKEND, GATEWAY = "database", "backup", "backend", "gateway"
CHECK = "database-check"
"""In place of the database where the operator has one."""
STANDBY_BACKUP = "backup-2"
"""The job on the second member's volume: only the primary's makes a backup."""
PUBLISHER = f"{GATEWAY}{gateway.PUBLISHER}"


def planned(settings: Settings) -> tuple[Workload, ...]:
    """All of them."""
    gateways = gateway.workload(
        GATEWAY,
        settings.prefix,
        settings.gateway.port,
        [*(server.name for server in settings.servers), BACKEND],
    )
    servers = [_traced(_server(one, settings), settings) for one in settings.servers]
    clients = [server.name for server in servers if DATABASE in server.needs]
    of_database = _database(settings, clients)
    databases = [one for one in of_database if one.name in (DATABASE, standby.SECOND)]
    every = (
        *of_database,
        *servers,
        _backend(settings),
        gateway.publisher(gateways),
        gateways,
        *_monitoring(settings, databases),
        *(logs.workloads(settings.prefix, GATEWAY) if settings.logs else ()),
    )
    layouts, former = settings.layouts, settings.former_networks
    return tuple(
        replace(one, networks=attached(one.networks, layouts, former.get(one.name, ())))
        for one in every
    )


def _traced(workload: Workload, settings: Settings) -> Workload:
    """With what its runtime needs to send spans."""
    return replace(workload, env={**workload.env, **tracing.environment(settings.tracing)})


def _backend(settings: Settings) -> Workload:
    """The platform's own, or the operator's, who traces it in a way of their own."""
    own = settings.backend
    made = backend.workload(
        BACKEND,
        settings.prefix,
        settings.servers,
        health=own.health,
        env=own.env,
        secrets=own.secrets,
        monitored=settings.monitoring.enabled,
        runbooks=settings.monitoring.runbooks,
        logged=settings.logs,
    )
    return made if own.image else _traced(made, settings)


def _database(settings: Settings, clients: Sequence[str]) -> tuple[Workload, ...]:
    """Its server, or members, the jobs that back it up where that is configured, and those for its
    password; or the check of the operator's own. clients: names of those that log in."""
    if settings.database:
        return (own_database.check(CHECK, settings.database.backups),)
    server = database.workload(DATABASE)
    bare = server
    repository = settings.backup.repository if settings.backup else None
    jobs = []
    if settings.monitoring.enabled:
        server = database.watched(server)
    if repository:
        if not repository.restore_only:
            jobs.append(backup.job(BACKUP, server, repository))
        server = backup.archiving(server, repository)
    if not settings.standby:
        return (server, *jobs, *database_roles.jobs(bare, clients))
    managers = [node.name for node in nodes(settings.node_groups) if node.role == "manager"]
    members = standby.members(server, settings.prefix, managers, settings.former_networks)
    second = next(one for one in members if one.name == standby.SECOND)
    if repository:
        jobs.append(backup.job(STANDBY_BACKUP, second, repository))
    beside = replace(bare, name=second.name, volume=second.volume, labels=second.labels)
    roles = [job for one in (bare, beside) for job in database_roles.jobs(one, clients)]
    return (*members, *jobs, *roles)


def _monitoring(settings: Settings, databases: Sequence[Workload]) -> tuple[Workload, ...]:
    """Started last: what isn't there yet would be missed. databases: the members of the
    platform's, none for one of the operator's."""
    wanted = settings.monitoring
    if not wanted.enabled:
        return ()
    with_gpus = any(node.gpus for node in nodes(settings.node_groups))
    watchers = monitoring.workloads(
        settings.prefix,
        (GATEWAY,),
        databases,
        gpus=with_gpus and bool(wanted.gpu_exporter),
        slack=bool(wanted.slack.reveal()),
        heartbeat=bool(wanted.heartbeat.reveal()),
        email=wanted.email,
    )
    if not settings.logs:
        return watchers
    return tuple(
        replace(one, networks=(*one.networks, LOGS)) if one.name == monitoring.PROMETHEUS else one
        for one in watchers
    )


def _server(server: Server, settings: Settings) -> Workload:
    """Credentials from the operator are used instead of the platform's."""
    given = settings.credentials[server.name]
    asked = [secret.env for secret in server.secrets]
    taken = [env for env in asked if env in provided.CREDENTIALS and env not in given]
    sources = dict.fromkeys(provided.CREDENTIALS[env] for env in taken)
    stands_for = {DATABASE: CHECK} if settings.database else {}
    return mcp_service.mcp_service(
        server,
        settings.prefix,
        secrets=[env for env in asked if env in given or env in taken],
        needs=tuple(
            stands_for.get(source, source) for source in sources if source != provided.ACCOUNT
        ),
    )


def in_order(workloads: Iterable[Workload]) -> list[Workload]:
    """Each after everything that it needs. Raises CycleError."""
    by_name = {workload.name: workload for workload in workloads}
    needs = {workload.name: workload.needs for workload in by_name.values()}
    return [by_name[name] for name in TopologicalSorter(needs).static_order()]


def faults(workloads: Iterable[Workload], prefix: str) -> list[Fault]:
    """All faults that are visible before anything runs: of needs, of kinds, and of the rules for
    services and jobs."""
    every = list(workloads)
    broken = [
        Fault(f"workload {workload.name}: {fault.path}", fault.reason)
        for workload in every
        for fault in (
            job_faults(job_inputs(workload, prefix))
            if workload.kind in JOBS
            else faults_of(service_inputs(workload, prefix))
        )
    ]
    of_kinds = [fault for workload in every for fault in _kind(workload)]
    return [*_needs(every), *of_kinds, *broken]


def _kind(workload: Workload) -> Iterator[Fault]:
    """Settings that its kind can't use, and those that it lacks."""
    where, kind = f"workload {workload.name}", workload.kind
    if kind in JOBS:
        for key, got, expected in (
            ("replicas", workload.replicas, 1),
            ("port", workload.port, 0),
            ("ports", [port.published for port in workload.ports], []),
            ("order", workload.order, "start-first"),
        ):
            if got != expected:
                yield Fault(f"{where}: {key}", repr(got), f"none: a {kind} is one task that ends")
    if kind in JOBS and workload.health:
        yield Fault(f"{where}: health", "a check", f"none: a {kind}'s exit status is its health")
    if kind not in JOBS and not workload.health:
        yield Fault(f"{where}: health", "none", f"a check, by which a {kind} is watched")
    if kind != "cron" and workload.schedule:
        advice = "make its kind cron" if kind in JOBS else ""
        yield Fault(f"{where}: schedule", repr(workload.schedule), f"none of a {kind}", advice)
    if kind == "cron" and (wrong := calendar.fault(workload.schedule)):
        yield Fault(f"{where}: schedule", wrong)


def _needs(workloads: list[Workload]) -> list[Fault]:
    known = [workload.name for workload in workloads]
    if twice := sorted(name for name in set(known) if known.count(name) > 1):
        return [Fault("workloads", f"{name!r} twice", "unique names") for name in twice]
    missing = [
        Fault(f"workload {workload.name}: needs", repr(need), listed(known))
        for workload in workloads
        for need in workload.needs
        if need not in known
    ]
    if missing:
        return missing
    try:
        in_order(workloads)
    except CycleError as error:
        # Each one is needed by the next.
        circle = list(reversed(error.args[1]))
        first = circle.index(min(circle))
        around = [*circle[first:-1], *circle[: first + 1]]
        got = " needs ".join(around)
        return [Fault("workloads", got, "an order in which each starts after what it needs")]
    return []
