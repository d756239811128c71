"""Which workloads the platform has, in which order they are made, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from components.catalog.model import Server
from components.plan import database, gateway, mcp_service, provided
from components.plan.networks import attached
from components.plan.workload import Workload, service_inputs
from components.reading import Fault, listed
from components.settings_model import Settings
from providers.swarm.services.rules import faults_of

DATABASE, GATEWAY = "database", "gateway"
PUBLISHER = f"{GATEWAY}{gateway.PUBLISHER}"


def planned(settings: Settings) -> tuple[Workload, ...]:
    """All of them."""
    gateways = gateway.workload(
        GATEWAY,
        settings.prefix,
        settings.gateway.port,
        [server.name for server in settings.servers],
    )
    every = (
        database.workload(DATABASE),
        *(
            _server(server, settings.prefix, settings.credentials[server.name])
            for server in settings.servers
        ),
        gateway.publisher(gateways),
        gateways,
    )
    layouts, former = settings.layouts, settings.former_networks
    return tuple(
        replace(one, networks=attached(one.networks, layouts, former.get(one.name, ())))
        for one in every
    )


def _server(server: Server, prefix: str, given: Collection[str]) -> Workload:
    """given: credentials that the operator gives, which are used in place of the platform's."""
    asked = [secret.env for secret in server.secrets]
    taken = [env for env in asked if env in provided.CREDENTIALS and env not in given]
    sources = dict.fromkeys(provided.CREDENTIALS[env] for env in taken)
    return mcp_service.mcp_service(
        server,
        prefix,
        secrets=[env for env in asked if env in given or env in taken],
        needs=tuple(source for source in sources if source != provided.ACCOUNT),
    )


def in_order(workloads: Iterable[Workload]) -> list[Workload]:
    """Each after all that it needs. Raises CycleError."""
    by_name = {workload.name: workload for workload in workloads}
    needs = {workload.name: workload.needs for workload in by_name.values()}
    return [by_name[name] for name in TopologicalSorter(needs).static_order()]


def faults(workloads: Iterable[Workload], prefix: str) -> list[Fault]:
    """Everything that can be seen before anything runs: of needs, and of each service's rules."""
    every = list(workloads)
    broken = [
        Fault(f"workload {workload.name}: {fault.path}", fault.reason)
        for workload in every
        for fault in faults_of(service_inputs(workload, prefix))
    ]
    return [*_needs(every), *broken]


def _needs(workloads: list[Workload]) -> list[Fault]:
    known = [workload.name for workload in workloads]
    if twice := sorted(name for name in set(known) if known.count(name) > 1):
        return [Fault("workloads", f"{name!r} twice", "a name of its own") for name in twice]
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
