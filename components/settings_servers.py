"""The settings `servers` and `secrets`: which servers run, and what each of them gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.catalog import loader
from components.catalog.model import SecretVariable, Server, Variable
from components.plan import provided
from components.plan.gateway import MAX_REPLICAS
from components.reading import REQUIRED, Reader, closest, listed
from components.settings_model import Sensitive

WRITES, DESTRUCTIVE = "MCP_ALLOW_WRITES", "MCP_ALLOW_DESTRUCTIVE"
ALLOWED, DENIED = "MCP_TOOLS_ALLOW", "MCP_TOOLS_DENY"
"""Variables of the servers' runtime: `true` or `false`, and names of tools with commas between."""

TOOL = r"[A-Za-z0-9_.-]{1,128}"
"""A tool's name (MCP 2025-11-25, Tools, Tool Names)."""
PACKAGE = r"[a-z0-9][a-z0-9+.-]{1,100}"
"""A Debian package's name (Debian Policy, 5.6.1)."""


@dataclass(frozen=True)
class Chosen:
    """servers: those that run, with the operator's settings. credentials: from the operator, by the
    server's name and then by variable.
    """

    servers: tuple[Server, ...]
    credentials: Mapping[str, Mapping[str, Sensitive]]


def read(top: Reader, catalog: loader.Catalog, lambda_api_url: str) -> Chosen:
    """The settings; what is wrong goes to the reader's faults."""
    needed = not top.flag("startUnconfigured", False)
    platform = provided.variables(api_url=lambda_api_url)
    wanted = _wanted(top, catalog)
    chosen = [server for server in catalog.servers if server.name in wanted]
    credentials = _credentials(top, catalog, chosen, wanted, needed)
    servers = [_configured(server, wanted[server.name], platform, needed) for server in chosen]
    for server in servers:
        _elsewhere(server, wanted[server.name], platform, credentials[server.name])
    for reader in wanted.values():
        reader.finish()
    return Chosen(tuple(servers), credentials)


def _wanted(top: Reader, catalog: loader.Catalog) -> dict[str, Reader]:
    """The settings of each server that runs, by its name. Without any name all run."""
    known = catalog.names()
    named = top.named("servers")
    for name, reader in named.items():
        if name not in known:
            reader.fault("", name, listed(known), closest(name, known))
    if not top.has("servers"):
        return {name: Reader(f"{top.key('servers')}.{name}", {}, top.faults) for name in known}
    return {name: reader for name, reader in named.items() if name in known}


def _configured(
    server: Server, reader: Reader, platform: Mapping[str, str], needed: bool
) -> Server:
    """A server of the catalog, with the operator's settings in place of its defaults."""
    deploy = server.deploy
    given = _variables(server, reader, platform, needed)
    asked = {variable.name for variable in server.variables}
    return replace(
        server,
        env={
            **{name: value for name, value in platform.items() if name in asked},
            **server.env,
            **given,
            **_policy(server, reader),
        },
        packages=reader.texts(
            "packages", (), pattern=PACKAGE, expected="a Debian package's name such as chromium"
        ),
        deploy=replace(
            deploy,
            replicas=reader.integer("replicas", deploy.replicas, low=1, high=MAX_REPLICAS),
            resources=loader.resources(reader.inner("resources"), deploy.resources, "memoryMb"),
        ),
    )


def _variables(
    server: Server, reader: Reader, platform: Mapping[str, str], needed: bool
) -> dict[str, str]:
    """Values for the server's `config.env`."""
    inner = reader.inner("env", hidden=True)
    found = {}
    for variable in server.variables:
        known = variable.name in platform or variable.name in server.env
        found[variable.name] = inner.token(
            variable.name,
            REQUIRED if variable.required and needed and not known else "",
            expected=_such_as(variable),
            advice=f"{server.name} needs it ({variable.description}): run"
            f" `pulumi config set --path '{inner.key(variable.name)}' …` (a mapping `servers`"
            f" names every server that runs), or set {variable.name} in the environment",
        )
    for secret in server.secrets:
        inner.retired(secret.env, reader.key(f"secrets.{secret.env}"), "it is a credential")
    inner.finish()
    return {name: value for name, value in found.items() if value}


def _credentials(
    top: Reader,
    catalog: loader.Catalog,
    servers: Sequence[Server],
    wanted: Mapping[str, Reader],
    needed: bool,
) -> dict[str, dict[str, Sensitive]]:
    """A server's own secret, or the one that all servers share."""
    every = {secret.env for server in catalog.servers for secret in server.secrets}
    shared = top.inner("secrets", hidden=True)
    common = {env: shared.secret(env, "") for env in sorted(every)}
    shared.finish()
    found: dict[str, dict[str, Sensitive]] = {}
    missing: dict[str, list[tuple[Server, SecretVariable]]] = {}
    for server in servers:
        own = wanted[server.name].inner("secrets", hidden=True)
        values = {env: own.secret(env, "") for env in (secret.env for secret in server.secrets)}
        for variable in server.variables:
            successor = wanted[server.name].key(f"env.{variable.name}")
            own.retired(variable.name, successor, "it is not a credential")
        own.finish()
        found[server.name] = {
            env: Sensitive(value or common[env])
            for env, value in values.items()
            if value or common[env]
        }
        for secret in server.secrets:
            given = own.has(secret.env) or shared.has(secret.env) or not own.readable
            if secret.required and not given and secret.env not in provided.CREDENTIALS:
                missing.setdefault(secret.env, []).append((server, secret))
    if needed and shared.readable:
        for env, askers in missing.items():
            _report(shared, env, askers)
    return found


def _report(shared: Reader, env: str, askers: Sequence[tuple[Server, SecretVariable]]) -> None:
    """Notes that a credential is missing, once for all servers that need it."""
    secret = askers[0][1]
    names = " and ".join(server.name for server, _ in askers)
    advice = (
        f"{names} need{'s' if len(askers) == 1 else ''} it ({secret.description}): run"
        f" `pulumi config set --secret --path '{shared.key(env)}'`, or set {env} in the environment"
    )
    shared.missing(env, _such_as(secret), advice)


def _elsewhere(
    server: Server, reader: Reader, platform: Mapping[str, str], given: Mapping[str, Sensitive]
) -> None:
    """Notes that a server would send the platform's credential to another address."""
    for secret in server.secrets:
        variable = provided.ADDRESSES.get(secret.env, "")
        address = server.env.get(variable, "").rstrip("/")
        if address and address != platform[variable] and secret.env not in given:
            advice = f"the platform's own one is not for {reader.key(f'env.{variable}')}"
            reader.missing(f"secrets.{secret.env}", "a credential for that address", advice)


def _such_as(asked: SecretVariable | Variable) -> str:
    return f"a text such as {asked.example!r}" if asked.example else "a text"


def _policy(server: Server, reader: Reader) -> dict[str, str]:
    """What the server's tools may do, as variables of its runtime; only configured ones."""
    writes = reader.flag("allowWrites", server.env.get(WRITES) == "true")
    destructive = _tools(reader, "allowDestructive")
    tools = reader.inner("tools")
    allowed, denied = _tools(tools, "allow"), _tools(tools, "deny")
    tools.finish()
    if destructive and not writes:
        expected = f"none without {reader.key('allowWrites')}: true"
        reader.fault("allowDestructive", list(destructive), expected)
    for index, name in enumerate(denied):
        if name in (*allowed, *destructive):
            tools.fault(f"deny[{index}]", name, "a tool that is not in allow")
    if tools.plain("allow") == []:
        tools.missing("allow", "a list with at least one entry", "otherwise all are offered")
    given = {
        WRITES: (reader.plain("allowWrites"), str(writes).lower()),
        DESTRUCTIVE: (reader.plain("allowDestructive"), ",".join(destructive)),
        ALLOWED: (tools.plain("allow"), ",".join(allowed)),
        DENIED: (tools.plain("deny"), ",".join(denied)),
    }
    return {name: text for name, (value, text) in given.items() if value is not None}


def _tools(reader: Reader, key: str) -> tuple[str, ...]:
    return reader.texts(key, (), pattern=TOOL, expected="a tool's name such as terminate_instance")
