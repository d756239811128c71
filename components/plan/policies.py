"""Policies: rules with a name that every plan has to keep, whatever is configured. Pure.

docs/how-to/policies.md lists them, with those that other rules enforce.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.plan import cost, standby, workloads
from components.plan.workload import JOBS, Workload
from components.reading import Fault
from components.settings_model import Settings

IMAGE = r"[^\s@]+@sha256:[0-9a-f]{64}"
"""An image by its digest. A tag may name another image tomorrow."""


def published_ports(settings: Settings, planned: Sequence[Workload]) -> Iterator[Fault]:
    """The gateway is the one way in."""
    for workload in planned:
        own = settings.gateway.port if workload.name == workloads.GATEWAY else None
        expected = f"only {own}, where clients come in" if own else "none: only the gateway has one"
        for port in workload.ports:
            if port.published != own:
                yield Fault(f"workload {workload.name}: ports", str(port.published), expected)


def protected_volumes(_: Settings, planned: Sequence[Workload]) -> Iterator[Fault]:
    """A workload that keeps data has a volume, guarded by VolumeHome, and never two tasks at once.

    What a global workload keeps on each node, or a member of the quorum on its own, may be lost
    with it: the others have the same.
    """
    for workload in planned:
        for mount in workload.mounts:
            others_have_it = workload.kind == "global" or workload.name in standby.QUORUM
            if mount.type == "volume" and others_have_it and workload.order == "stop-first":
                continue
            if mount.type != "tmpfs" and not mount.read_only:
                kept = f"{mount.type} {mount.source!r} to write to"
                expected = "a `volume`, which has a home"
                yield Fault(f"workload {workload.name}: mounts", kept, expected)
    # A job is one task that ends.
    keepers = [(one, one.volume.plan) for one in planned if one.volume and one.kind not in JOBS]
    for workload, volume in keepers:
        others = [one.name for one, its in keepers if its.path == volume.path and one != workload]
        for key, got, wanted in (
            ("kind", workload.kind, "service"),
            ("replicas", workload.replicas, 1),
            ("order", workload.order, "stop-first"),
            ("volume shared with", others, []),
        ):
            if got != wanted:
                why = f"two tasks must never have volume {volume.name} at once"
                yield Fault(f"workload {workload.name}: {key}", repr(got), repr(wanted), why)


def price_limit(settings: Settings, _: Sequence[Workload]) -> Iterator[Fault]:
    """The machines cost no more than `policies.maxUsdPerHour`, whichever types are rented.

    Each type has a price here: settings refuse one without, and without the cloud's offers `load`
    fails.
    """
    limit = settings.max_usd_per_hour
    cents, parts = cost.at_most(settings.node_groups, settings.prices)
    if limit and cents > round(limit * 100):
        yield Fault(
            f"{settings.project}:nodeGroups",
            f"{cost.dollars(cents)} an hour at most ({', '.join(parts)})",
            f"{cost.dollars(round(limit * 100))} or less",
            "remove the dearest types from instanceTypes, rent fewer machines, or raise"
            f" {settings.project}:policies.maxUsdPerHour",
        )


POLICIES: Mapping[str, Callable[[Settings, Sequence[Workload]], Iterator[Fault]]] = {
    "published-ports": published_ports,
    "protected-volumes": protected_volumes,
    "price-limit": price_limit,
}
"""Those that check a whole plan; `by_digest` checks each image when it is known."""


def faults(settings: Settings, planned: Sequence[Workload]) -> list[Fault]:
    """Every violation, with the policy's name in front."""
    return [
        replace(fault, key=f"policy {name}: {fault.key}")
        for name, policy in POLICIES.items()
        for fault in policy(settings, planned)
    ]


def by_digest(workload: str, image: str) -> str:
    """The image that this workload gets, which is known once it is built. Raises ValueError for
    one without a digest.
    """
    if not re.fullmatch(IMAGE, image):
        where = f"policy images-by-digest: workload {workload}: image"
        expected = "one with its digest, such as ghcr.io/team/web@sha256:…"
        raise ValueError(str(Fault(where, repr(image), expected)))
    return image
