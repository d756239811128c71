"""The setting `nodeGroups`: machines of the same kind, and what must hold for all. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from components.catalog.model import Server
from components.plan.nodes import NodeGroup, gpus
from components.reading import Fault, Reader, closest, listed
from components.settings_model import Offers

MOST_MACHINES = 99
"""In one group."""
IMAGE_FAMILY = "lambda-stack-24-04"
MOST_MANAGERS = 7

KNOWN_REGIONS = frozenset(
    {
        "asia-northeast-1",
        "asia-northeast-2",
        "asia-south-1",
        "australia-east-1",
        "europe-central-1",
        "me-west-1",
        "us-east-1",
        "us-east-2",
        "us-east-3",
        "us-midwest-1",
        "us-midwest-2",
        "us-south-1",
        "us-south-2",
        "us-south-3",
        "us-west-1",
        "us-west-2",
        "us-west-3",
    }
)
"""Lambda Cloud's OpenAPI 1.8.3, PublicRegionCode. The API names only regions in which something is
available now, and may name others.
"""

X86_64 = r"(?!.*_g[hb]\d).+"
"""Types without NVIDIA's Grace processor, which is arm64 (`gpu_1x_gh200`). Images are built for
x86_64, and only a type's name tells its processor.
"""


def read(top: Reader, offers: Offers | None) -> tuple[NodeGroup, ...]:
    """The setting; what is wrong with one group goes to the reader's faults. offers: what the cloud
    offers; None leaves types and regions unchecked.
    """
    groups: list[NodeGroup] = []
    for reader in top.items("nodeGroups"):
        group = NodeGroup(
            name=reader.text(
                "name",
                pattern=r"[a-z]([a-z0-9-]*[a-z0-9])?",
                expected="lower case letters, digits and hyphens",
            ),
            count=reader.integer("count", low=0, high=MOST_MACHINES),
            role=reader.choice("role", ["manager", "worker"]),
            tier=reader.choice("tier", ["primary", "secondary"]),
            instance_types=reader.texts(
                "instanceTypes",
                pattern=X86_64,
                expected="a type with x86_64 processors, which images are built for, not arm64",
            ),
            regions=reader.texts("regions"),
            image_family=reader.text("imageFamily", IMAGE_FAMILY),
            generation=reader.token("generation", "1"),
            replace=_replaced(reader),
        )
        if offers is not None:
            _offered(reader, "instanceTypes", group.instance_types, offers.prices.keys())
            _offered(reader, "regions", group.regions, offers.regions | KNOWN_REGIONS)
        reader.finish()
        if group.name and group.name in {other.name for other in groups}:
            twins = f"its machines would share names with another group's ({group.name}-1, …)"
            reader.fault("name", group.name, "a name that no other group has", twins)
        groups.append(group)
    return tuple(groups)


def _replaced(group: Reader) -> dict[str, str]:
    """Tokens by the names of the group's machines."""
    reader = group.inner("replace")
    name, count = group.plain("name"), group.plain("count")
    machines = count if isinstance(count, int) and 0 <= count <= MOST_MACHINES else 0
    known = [f"{name}-{number + 1}" for number in range(machines)]
    for machine in reader.names():
        if machine not in known:
            reader.fault(machine, reader.plain(machine), listed(known) if known else "no machine")
    return {machine: reader.token(machine, "") for machine in known if machine in reader.names()}


def _offered(reader: Reader, key: str, wanted: Sequence[str], offered: Collection[str]) -> None:
    usable = sorted(filter(re.compile(X86_64).fullmatch, offered))
    for index, word in enumerate(wanted):
        if word not in offered:
            expected = f"{listed(usable)} (as the API offers)"
            reader.fault(f"{key}[{index}]", word, expected, closest(word, usable))


def faults(top: Reader, groups: Sequence[NodeGroup], servers: Sequence[Server]) -> list[Fault]:
    """What is wrong with all groups together, as far as each one's values are valid."""
    key, found = top.key("nodeGroups"), list[Fault]()
    if not _doubtful(key, top.faults, "role", "count"):
        found += [*_managers(key, groups), *_regions(key, groups)]
    if not _doubtful(key, top.faults, "tier", "count"):
        found += [*_primary_nodes(key, groups, servers), *_gpus(key, groups, servers)]
    return found


def _doubtful(key: str, faults: Iterable[Fault], *fields: str) -> bool:
    """Whether any group's field is a placeholder, so that sums over groups mean nothing."""
    pattern = rf"{re.escape(key)}(\[\d+\](\.({'|'.join(fields)}))?)?"
    return any(re.fullmatch(pattern, fault.key) for fault in faults)


def _managers(key: str, groups: Iterable[NodeGroup]) -> list[Fault]:
    count = sum(group.count for group in groups if group.role == "manager")
    expected = f"an odd number of managers, {MOST_MANAGERS} at most"
    if count == 0:
        advice = "give one group the role manager and a count of 1 or 3"
        return [Fault(key, "0 managers", expected, advice)]
    if count % 2 == 0:
        advice = (
            f"{count} managers tolerate the loss of only {(count - 1) // 2}, the same as"
            f" {count - 1}, with one more that can fail: use {count - 1} or {count + 1}"
        )
        return [Fault(key, f"{count} managers", expected, advice)]
    if count > MOST_MANAGERS:
        advice = "every manager confirms every change: make the others workers"
        return [Fault(key, f"{count} managers", expected, advice)]
    return []


def _regions(key: str, groups: Iterable[NodeGroup]) -> list[Fault]:
    """Managers talk to one another over private addresses, which aren't routed between regions."""
    managing = [group for group in groups if group.role == "manager" and group.count]
    regions = dict.fromkeys(region for group in managing for region in group.regions)
    if len(regions) < 2:
        return []
    names = ", ".join(group.name for group in managing)
    expected = "one region for all managers: private addresses don't reach into others"
    advice = f"keep one of them in `regions` of {names}, and list more `instanceTypes` instead"
    return [Fault(key, f"managers in any of {', '.join(regions)}", expected, advice)]


def _primary_nodes(key: str, groups: Iterable[NodeGroup], servers: Iterable[Server]) -> list[Fault]:
    first = [server.name for server in servers if server.deploy.tier == 1]
    if not first or any(group.tier == "primary" and group.count for group in groups):
        return []
    expected = f"a group on tier primary (servers of tier 1 run there: {', '.join(first)})"
    return [Fault(key, "no machine on tier primary", expected)]


def _gpus(key: str, groups: Iterable[NodeGroup], servers: Iterable[Server]) -> list[Fault]:
    """All GPUs of a replica are in one machine."""
    rented = [group for group in groups if group.count]
    faults = []
    for server in servers:
        wanted, tiers = server.deploy.resources.gpus, ["primary", "secondary"]
        if server.deploy.tier == 1:
            tiers.remove("secondary")
        fits = [group for group in rented if group.tier in tiers and _least_gpus(group) >= wanted]
        if wanted and not fits:
            got = f"no machine with {wanted} GPU{'s' if wanted > 1 else ''} for {server.name}"
            where = f"on tier {' or '.join(tiers)}"
            expected = f"a group {where} whose instanceTypes all have them, such as gpu_{wanted}x_…"
            faults.append(Fault(key, got, expected))
    return faults


def _least_gpus(group: NodeGroup) -> int:
    return min(map(gpus, group.instance_types), default=0)
