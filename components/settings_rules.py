"""What configuration must be: a plain mapping in, values and *all* faults out. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from components import settings_firewall, settings_gateway, settings_overlay, settings_servers
from components.catalog.loader import Catalog
from components.catalog.model import Server
from components.plan import database, names, volumes, workloads
from components.plan.nodes import NodeGroup, gpus, node_names, nodes
from components.reading import Fault, Reader, closest, listed
from components.settings_model import Offers, Pace, Registry, Rotation, Sensitive, Settings

LAMBDA_API_URL = "https://cloud.lambda.ai/api/v1"
API_URL = r"https?://[^\s/?#@]+(/[^\s?#@]*)?"
MOST_MACHINES = 99
"""In one group."""
IMAGE_FAMILY = "lambda-stack-24-04"
BASE_IMAGE = "python:3.11-slim-bookworm"
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
"""Lambda Cloud's OpenAPI 1.8.3, PublicRegionCode. The API itself names only regions in which
something is free now, and may name others.
"""

X86_64 = r"(?!.*_g[hb]\d).+"
"""Types without NVIDIA's Grace processor, which is arm64 (`gpu_1x_gh200`). Images are built for
x86_64, and of a type's processor the API tells nothing but the name.
"""


def read(
    values: Mapping[str, object],
    *,
    project: str,
    stack: str,
    catalog: Catalog,
    offers: Offers | None,
) -> tuple[Settings, tuple[Fault, ...]]:
    """Settings from the keys below `sophia:`, and what is wrong with them and the catalog.

    With any fault the settings hold stand-in values: nothing may be made of them.
    offers: what the cloud rents out; None leaves types and regions unchecked.
    """
    faults: list[Fault] = list(catalog.faults)
    top = Reader(project, values, faults, separator=":")
    groups = _node_groups(top, offers)
    api_url = top.text(
        "lambdaApiUrl",
        LAMBDA_API_URL,
        pattern=API_URL,
        expected="an address such as https://cloud.lambda.ai/api/v1, without user and query",
    ).rstrip("/")
    chosen = settings_servers.read(top, catalog, api_url)
    servers = chosen.servers
    settings = Settings(
        project=project,
        stack=stack,
        lambda_api_url=api_url,
        lambda_api_key=Sensitive(
            top.secret(
                "lambdaApiKey",
                advice=f"run `pulumi config set --secret {project}:lambdaApiKey`"
                " or set LAMBDA_API_KEY",
            )
        ),
        pace=pace(top),
        ssh_user=top.text(
            "sshUser",
            "ubuntu",
            pattern=r"[a-z_][a-z0-9_-]{0,31}",
            expected="a Linux user's name",
        ),
        node_groups=groups,
        registry=_registry(top),
        base_image=top.text("baseImage", BASE_IMAGE, pattern=r"\S+", expected="an image's name"),
        overlay=settings_overlay.read(top, groups, servers),
        gateway=settings_gateway.read(top, [server.name for server in servers]),
        firewall=settings_firewall.read(top, groups),
        gpu_probe=top.flag("gpuProbe", False),
        servers=servers,
        credentials=chosen.credentials,
        volumes=_volumes(top, groups),
        confirm_data_loss=top.text(
            "confirmDataLoss",
            "",
            pattern=r"([a-z]+-[0-9a-f]{8})?",
            expected="a volume's id, as the refusal names it, for example database-1f2e3d4c",
        ),
        recover_on=_recover_on(top, groups),
        prices=offers.prices if offers else {},
        rotation=_rotation(top),
    )
    top.finish()
    faults.extend(_stack_name(settings.prefix))
    key = f"{project}:nodeGroups"
    if not _doubtful(key, faults, "role", "count"):
        faults.extend(_managers(key, groups))
        faults.extend(_regions(key, groups))
    if not _doubtful(key, faults, "tier", "count"):
        faults.extend(_primary_nodes(key, groups, servers))
        faults.extend(_gpus(key, groups, servers))
    faults.extend(_long_names(key, settings))
    faults.extend(settings_firewall.long_names(key, settings.prefix, groups))
    if not faults:
        faults.extend(workloads.faults(workloads.planned(settings), settings.prefix))
    return settings, tuple(faults)


def _node_groups(top: Reader, offers: Offers | None) -> tuple[NodeGroup, ...]:
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
            twins = f"its machines would be called as others are ({group.name}-1, …)"
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


def _stack_name(prefix: str) -> list[Fault]:
    if re.fullmatch(r"[a-z][a-z0-9-]*", prefix):
        return []
    expected = "lower case letters, digits and hyphens: machines are called so"
    return [Fault("project and stack", repr(prefix), expected, "choose another stack name")]


def _doubtful(key: str, faults: Iterable[Fault], *fields: str) -> bool:
    """Whether any group's field is a stand-in, so that sums over them say nothing."""
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
            f"{count} managers survive the loss of {(count - 1) // 2}, no more than {count - 1} do,"
            f" and more of them can fail: use {count - 1} or {count + 1}"
        )
        return [Fault(key, f"{count} managers", expected, advice)]
    if count > MOST_MANAGERS:
        advice = "every manager confirms every change: make the others workers"
        return [Fault(key, f"{count} managers", expected, advice)]
    return []


def _regions(key: str, groups: Iterable[NodeGroup]) -> list[Fault]:
    """Managers speak to one another over private addresses, and those end at a region."""
    managing = [group for group in groups if group.role == "manager" and group.count]
    regions = dict.fromkeys(region for group in managing for region in group.regions)
    if len(regions) < 2:
        return []
    names = ", ".join(group.name for group in managing)
    expected = "one region for all managers, whose private addresses end there"
    advice = f"keep one of them in `regions` of {names}, and list more `instanceTypes` instead"
    return [Fault(key, f"managers in any of {', '.join(regions)}", expected, advice)]


def _primary_nodes(key: str, groups: Iterable[NodeGroup], servers: Iterable[Server]) -> list[Fault]:
    first = [server.name for server in servers if server.deploy.tier == 1]
    if not first or any(group.tier == "primary" and group.count for group in groups):
        return []
    expected = f"a group on tier primary (servers of tier 1 run there: {', '.join(first)})"
    return [Fault(key, "no machine on tier primary", expected)]


def _gpus(key: str, groups: Iterable[NodeGroup], servers: Iterable[Server]) -> list[Fault]:
    """A replica's GPUs are those of one machine."""
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


def _long_names(key: str, settings: Settings) -> list[Fault]:
    advice = "shorten the name, or the stack's"
    wanted = [
        (node_names([group])[-1], key, names.LONGEST_NODE)
        for group in settings.node_groups
        if group.count
    ]
    wanted += [
        (server.name, f"mcp_catalog/{server.name}/server.yaml: name", names.LONGEST)
        for server in settings.servers
    ]
    wanted.append(("gateway-config", "project and stack", names.LONGEST))
    faults = []
    for name, where, longest in wanted:
        full = f"{settings.prefix}-{name}"
        if len(full) > longest:
            got = f"{full!r}, {len(full)} characters"
            faults.append(Fault(where, got, f"{longest} characters at most", advice))
    return faults


def pace(top: Reader) -> Pace:
    """How fast the API may be asked."""
    reader = top.inner("pace")
    found = Pace(
        requests_per_second=reader.number("requestsPerSecond", 1.0, low=0.1, high=1000),
        launch_interval=reader.number("launchInterval", 12.0, low=0, high=600),
        poll_seconds=reader.number("pollSeconds", 5.0, low=0.1, high=600),
    )
    reader.finish()
    return found


def _registry(top: Reader) -> Registry:
    # People paste credentials: only server and repository are ever shown.
    reader = top.inner("registry", hidden=True)
    registry = Registry(
        server=reader.text(
            "server",
            pattern=r"[a-zA-Z0-9.-]+(:[0-9]{1,5})?",
            expected="host or host:port of an image registry",
            advice="for example ghcr.io; on the simulated cloud `make env` sets it",
            public=True,
        ),
        username=reader.token("username", expected="a text"),
        password=Sensitive(
            reader.secret(
                "password",
                advice="run `pulumi config set --secret --path"
                f" '{top.path}:registry.password'` or set SOPHIA_REGISTRY_PASSWORD",
            )
        ),
        ca=reader.text(
            "ca",
            "",
            pattern=r"(?s)\s*-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\s*",
            expected="a certificate in PEM",
        ),
        repository=reader.text(
            "repository",
            "",
            pattern=r"[a-z0-9]+([._/-][a-z0-9]+)*",
            expected="a path in lower case such as team/sophia",
            public=True,
        ),
    )
    reader.finish()
    return registry


def _volumes(top: Reader, groups: Sequence[NodeGroup]) -> dict[str, str]:
    """The node that each volume is wanted on, as far as that is said."""
    new, old = f"{top.path}:volumes.database", f"{top.path}:databaseNode"
    move = f"`pulumi config set --path '{new}' {top.plain('databaseNode')}`"
    top.retired("databaseNode", "volumes.database", f"run {move} and `pulumi config rm {old}`")
    known = [candidate["name"] for candidate in volumes.candidates(nodes(groups))]
    reader = top.inner("volumes")
    found = {}
    for volume in (database.VOLUME.name,):
        name = reader.text(volume, "")
        if name and known and name not in known:
            reader.fault(volume, name, listed(known), closest(name, known))
        if name:
            found[volume] = name
    reader.finish()
    return found


def _rotation(top: Reader) -> Rotation:
    reader = top.inner("rotate")
    found = Rotation(
        login_key=reader.token("loginKey", ""), join_tokens=reader.token("joinTokens", "")
    )
    reader.finish()
    return found


def _recover_on(top: Reader, groups: Sequence[NodeGroup]) -> str:
    reader = top.inner("recover")
    known = node_names([group for group in groups if group.role == "manager"])
    name = reader.text("on", "")
    if name and known and name not in known:
        reader.fault("on", name, f"a manager: {listed(known)}", closest(name, known))
    reader.finish()
    return name
