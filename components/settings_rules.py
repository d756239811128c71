"""The rules of the configuration: a plain mapping in, values and *all* faults out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from components import (
    settings_backend,
    settings_backup,
    settings_database,
    settings_firewall,
    settings_gateway,
    settings_monitoring,
    settings_nodes,
    settings_overlay,
    settings_servers,
    settings_standby,
    settings_tracing,
)
from components.catalog.loader import Catalog
from components.plan import (
    database,
    database_roles,
    names,
    networks,
    policies,
    standby,
    volumes,
    workloads,
)
from components.plan.nodes import NodeGroup, node_names, nodes
from components.plan.standby import SECOND_VOLUME
from components.reading import Fault, Reader, closest, listed
from components.settings_model import Offers, Pace, Registry, Rotation, Sensitive, Settings

LAMBDA_API_URL = "https://cloud.lambda.ai/api/v1"
API_URL = r"https?://[^\s/?#@]+(/[^\s?#@]*)?"
BASE_IMAGE = "python:3.11-slim-bookworm"


def read(
    values: Mapping[str, object],
    *,
    project: str,
    stack: str,
    catalog: Catalog,
    offers: Offers | None,
) -> tuple[Settings, tuple[Fault, ...]]:
    """Settings from the keys below `sophia:`, and what is wrong with them and the catalog.

    If there is any fault, the settings hold placeholders: create nothing from them.
    offers: what the cloud offers; None leaves types and regions unchecked.
    """
    faults: list[Fault] = list(catalog.faults)
    top = Reader(project, values, faults, separator=":")
    groups = settings_nodes.read(top, offers)
    api_url = top.text(
        "lambdaApiUrl",
        LAMBDA_API_URL,
        pattern=API_URL,
        expected="an address such as https://cloud.lambda.ai/api/v1, without user and query",
    ).rstrip("/")
    chosen = settings_servers.read(top, catalog, api_url)
    servers = chosen.servers
    monitoring = settings_monitoring.read(top)
    logged = _logs(top)
    backup = settings_backup.read(top, names.prefix(project, stack))
    standby = settings_standby.read(top, groups, backup)
    rotation = _rotation(top)
    own_database = settings_database.read(top, standby=standby, rotate=rotation.database)
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
        refresh_images=_refresh(top),
        overlay=settings_overlay.read(
            top,
            groups,
            servers,
            networks.needed(
                backups=backup is not None,
                monitored=monitoring.enabled,
                logged=logged,
                standby=standby,
            ),
        ),
        gateway=settings_gateway.read(top, [server.name for server in servers]),
        backend=settings_backend.read(top),
        monitoring=monitoring,
        logs=logged,
        backup=backup,
        database=own_database,
        standby=standby,
        tracing=settings_tracing.read(top),
        firewall=settings_firewall.read(top, groups),
        gpu_probe=top.flag("gpuProbe", False),
        servers=servers,
        credentials=chosen.credentials,
        volumes=_volumes(top, groups, standby),
        confirm_data_loss=top.text(
            "confirmDataLoss",
            "",
            pattern=r"([a-z]+-[0-9a-f]{8})?",
            expected="a volume's id, as the refusal names it, for example database-1f2e3d4c",
        ),
        recover_on=_recover_on(top, groups),
        prices=offers.prices if offers else {},
        rotation=rotation,
        max_usd_per_hour=_price_limit(top),
    )
    top.finish()
    faults.extend(_stack_name(settings.prefix))
    faults.extend(settings_nodes.faults(top, groups, servers))
    key = top.key("nodeGroups")
    faults.extend(_long_names(key, settings))
    faults.extend(settings_firewall.long_names(key, settings.prefix, groups))
    if not faults:
        planned = workloads.planned(settings)
        faults.extend(workloads.faults(planned, settings.prefix))
        faults.extend(policies.faults(settings, planned))
    return settings, tuple(faults)


def _stack_name(prefix: str) -> list[Fault]:
    if re.fullmatch(r"[a-z][a-z0-9-]*", prefix):
        return []
    expected = "lower case letters, digits and hyphens: it becomes part of machine names"
    return [Fault("project and stack", repr(prefix), expected, "choose another stack name")]


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
    longest = database_roles.revocation(standby.SECOND if settings.standby else workloads.DATABASE)
    wanted.append((longest, "project and stack", names.LONGEST))
    faults = []
    for name, where, most in wanted:
        full = f"{settings.prefix}-{name}"
        if len(full) > most:
            got = f"{full!r}, {len(full)} characters"
            faults.append(Fault(where, got, f"{most} characters at most", advice))
    return faults


def pace(top: Reader) -> Pace:
    """How fast the API may be called."""
    reader = top.inner("pace")
    found = Pace(
        requests_per_second=reader.number("requestsPerSecond", 1.0, low=0.1, high=1000),
        launch_interval=reader.number("launchInterval", 12.0, low=0, high=600),
        poll_seconds=reader.number("pollSeconds", 5.0, low=0.1, high=600),
    )
    reader.finish()
    return found


def _registry(top: Reader) -> Registry:
    # People paste credentials: show only server and repository.
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


def _volumes(top: Reader, groups: Sequence[NodeGroup], standby: bool) -> dict[str, str]:
    """The wanted node of each volume that has one in the configuration."""
    new, old = f"{top.path}:volumes.database", f"{top.path}:databaseNode"
    move = f"`pulumi config set --path '{new}' {top.plain('databaseNode')}`"
    top.retired("databaseNode", "volumes.database", f"run {move} and `pulumi config rm {old}`")
    known = [candidate["name"] for candidate in volumes.candidates(nodes(groups))]
    reader = top.inner("volumes")
    found: dict[str, str] = {}
    second = (SECOND_VOLUME.name,) if standby else ()
    for volume in (database.VOLUME.name, *second):
        name = reader.text(volume, "")
        if name and known and name not in known:
            reader.fault(volume, name, listed(known), closest(name, known))
        if name and name in found.values():
            reader.fault(volume, name, "another node than the first member's")
        if name:
            found[volume] = name
    reader.finish()
    return found


def _rotation(top: Reader) -> Rotation:
    reader = top.inner("rotate")
    found = Rotation(
        login_key=reader.token("loginKey", ""),
        join_tokens=reader.token("joinTokens", ""),
        database=reader.token("database", ""),
        gateway_ca=reader.token("gatewayCa", ""),
    )
    reader.finish()
    return found


def _refresh(top: Reader) -> str:
    reader = top.inner("images")
    expected = "a word such as 2026-11-27"
    word = reader.token("refresh", "", expected=expected)
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{0,32}", word):
        reader.fault("refresh", word, expected)
    reader.finish()
    return word


def _logs(top: Reader) -> bool:
    reader = top.inner("logs")
    enabled = reader.flag("enabled", False)
    reader.finish()
    return enabled


def _price_limit(top: Reader) -> float:
    reader = top.inner("policies")
    limit = reader.number("maxUsdPerHour", 0.0, low=0, high=1_000_000)
    reader.finish()
    return limit


def _recover_on(top: Reader, groups: Sequence[NodeGroup]) -> str:
    reader = top.inner("recover")
    known = node_names([group for group in groups if group.role == "manager"])
    name = reader.text("on", "")
    if name and known and name not in known:
        reader.fault("on", name, f"a manager: {listed(known)}", closest(name, known))
    reader.finish()
    return name
