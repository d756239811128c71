"""The only reader of Pulumi configuration and of the environment.

What configuration leaves out is taken from the environment (`make env` prints it):
LAMBDA_API_URL, LAMBDA_API_KEY, SOPHIA_REGISTRY_SERVER, SOPHIA_REGISTRY_USERNAME,
SOPHIA_REGISTRY_PASSWORD, SOPHIA_REGISTRY_CA (a file), SOPHIA_BASE_IMAGE,
SOPHIA_OVERLAY_ENCRYPTED (true or false), SOPHIA_GATEWAY_CERTIFICATE and SOPHIA_GATEWAY_PRIVATE_KEY
(files), and the servers' credentials and settings by their own names.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pulumi
import pulumi.runtime.config

from components import settings_lost, settings_overlay, settings_rules
from components.catalog.loader import Catalog
from components.plan import networks, provided
from components.reading import Fault, Reader
from components.settings_model import (
    LOGIN_KEY,
    NAMED_AFTER,
    SUBNET_SIZE,
    Offers,
    Sensitive,
    Settings,
    SettingsError,
)
from providers.lambdalabs import slots
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import TRANSIENT, Forbidden, InvalidKey, LambdaError
from providers.lambdalabs.pacer import Pacer

TEXTS = frozenset({"lambdaApiUrl", "lambdaApiKey", "sshUser", "baseImage", "confirmDataLoss"})
"""Keys whose value is a text; all others are JSON."""

REGISTRY = {
    "server": "SOPHIA_REGISTRY_SERVER",
    "username": "SOPHIA_REGISTRY_USERNAME",
    "password": "SOPHIA_REGISTRY_PASSWORD",
}
REGISTRY_FILES = {"ca": "SOPHIA_REGISTRY_CA"}
GATEWAY_FILES = {
    "certificate": "SOPHIA_GATEWAY_CERTIFICATE",
    "privateKey": "SOPHIA_GATEWAY_PRIVATE_KEY",
}

PAUSES = (1.0, 2.0, 4.0)
LONGEST_PAUSE = 15.0
"""Seconds before each further try of a call that failed in passing."""

T = TypeVar("T")

_ANY_SECRETS = r'"secrets":(?!\s*(null|\{\s*\}))'
SECRETS = {
    "lambdaApiKey": (".", "lambdaApiKey"),
    "secrets": (r"[^{}\s]", "secrets.NAME"),
    "servers": (_ANY_SECRETS, "servers.SERVER.secrets.NAME"),
    "registry": ("password", "registry.password"),
    "gateway": ("privateKey|PRIVATE KEY", "gateway.privateKey"),
    "backend": (_ANY_SECRETS, "backend.secrets.NAME"),
    "monitoring": (r'"(slack|password)":\s*"[^"]', "monitoring.slack"),
}
"""Keys that may hold a secret: what shows that they do, and the path to encrypt."""


def load(catalog: Catalog) -> Settings:
    """The settings of this stack. Raises SettingsError with all faults, the catalog's included."""
    project, kept = pulumi.get_project(), handed_out()
    faults: list[Fault] = []
    given = {
        name.removeprefix(f"{project}:"): value
        for name, value in _configuration().items()
        if name.startswith(f"{project}:")
    }
    faults.extend(_unencrypted(project, given))
    values = with_environment(decoded(given), os.environ, faults)
    values["overlay"] = with_subnet_size(values.get("overlay"), kept)
    values["secrets"] = with_credentials(values.get("secrets"), catalog, os.environ)
    offers = _offers(project, values, faults)
    if offers and not kept:
        faults.extend(_lost(project, values))
    settings, found = settings_rules.read(
        values,
        project=project,
        stack=str(kept.get(NAMED_AFTER, pulumi.get_stack())),
        catalog=with_variables(catalog, os.environ),
        offers=offers,
    )
    if faults or found:
        raise SettingsError((*faults, *found))
    former = kept.get(networks.OUTPUT, networks.BEFORE if kept else {})
    settings = replace(
        settings,
        former_login=Sensitive(str(kept.get(LOGIN_KEY, ""))),
        former_networks=cast(Mapping[str, list[str]], former),
        former_layouts=_former_layouts(kept),
    )
    if len(settings.layouts) > 1 and (
        narrow := settings_overlay.no_room(project, settings.overlay, settings.networks)
    ):
        raise SettingsError((narrow,))
    return settings


def _former_layouts(kept: Mapping[str, object]) -> list[networks.Layout]:
    found = cast(Sequence[Mapping[str, Any]], kept.get(networks.LAYOUTS, []))
    # Numbers come as floats.
    return [
        networks.Layout(one["encrypted"], int(one["mtu"]), int(one["generation"])) for one in found
    ]


def handed_out() -> Mapping[str, object]:
    """The outputs of this stack's last `up`, secrets in plain text; none before the first."""
    return _from_state("readStackOutputs", "name")


def _recorded() -> Mapping[str, Mapping[str, Any]]:
    """The resources in this stack's state, by urn."""
    found = _from_state("readStackResourceOutputs", "stackName")
    return cast(Mapping[str, Mapping[str, Any]], found)


def _from_state(function: str, argument: str) -> Mapping[str, object]:
    """What one of the engine's own functions tells of this stack. argument: takes its name."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    for pause in (*PAUSES, None):
        try:
            found = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", {argument: name})
            return cast(Mapping[str, object], found.value["outputs"])
        except Exception as error:
            # A file backend may be writing the state at this moment (seen with Pulumi 3.259).
            if pause is None or "failed to load checkpoint" not in str(error):
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def decoded(given: Mapping[str, str]) -> dict[str, object]:
    """Configuration as the engine passes it (every value a text) with the JSON in it read.

    Text that should be JSON and is not stays text, for the rules to say what was expected.
    """
    values: dict[str, object] = {}
    for name, text in given.items():
        values[name] = text
        if name not in TEXTS:
            try:
                values[name] = json.loads(text)
            except json.JSONDecodeError:
                continue
    return values


def with_environment(
    values: Mapping[str, object], environment: Mapping[str, str], faults: list[Fault]
) -> dict[str, object]:
    """Values completed by the environment's.

    Credentials stay with their address: when the environment names an API or a registry, its
    key or password is never sent to another one that the configuration names.
    """
    result = dict(values)
    url = environment.get("LAMBDA_API_URL", "")
    if not url or result.get("lambdaApiUrl") in (None, "", url):
        _complete(result, "lambdaApiUrl", url)
        _complete(result, "lambdaApiKey", environment.get("LAMBDA_API_KEY", ""))
    _complete(result, "baseImage", environment.get("SOPHIA_BASE_IMAGE", ""))
    overlay = result.get("overlay") or {}
    if isinstance(overlay, dict) and (text := environment.get("SOPHIA_OVERLAY_ENCRYPTED")):
        encrypted = {"true": True, "false": False}.get(text, text)
        result["overlay"] = {"encrypted": encrypted, **overlay}
    registry = result.get("registry") or {}
    server = environment.get(REGISTRY["server"], "")
    if isinstance(registry, dict) and (not server or registry.get("server", server) == server):
        registry = dict(registry)
        for key, variable in REGISTRY.items():
            _complete(registry, key, environment.get(variable, ""))
        _complete_from_files(registry, REGISTRY_FILES, environment, faults)
        result["registry"] = registry
    gateway = result.get("gateway") or {}
    if isinstance(gateway, dict):
        result["gateway"] = gateway = dict(gateway)
        _complete_from_files(gateway, GATEWAY_FILES, environment, faults)
    return result


def with_subnet_size(given: object, kept: Mapping[str, object]) -> object:
    """The setting `overlay`, completed for a platform that exists by the size that it has."""
    if not kept or not isinstance(given or {}, dict):
        return given
    # Numbers come as floats.
    known = int(str(kept.get(SUBNET_SIZE, settings_overlay.FIRST_SUBNET_SIZE)).partition(".")[0])
    return {"subnetSize": known, **cast(Mapping[str, object], given or {})}


def with_credentials(given: object, catalog: Catalog, environment: Mapping[str, str]) -> object:
    """The setting `secrets`, completed by the environment with what servers ask for.

    Not with what the platform has: to use another database or key takes a setting, not a variable
    that happens to be in the shell.
    """
    if not isinstance(given or {}, dict):
        return given
    asked = {secret.env for server in catalog.servers for secret in server.secrets}
    result = dict(cast(Mapping[str, object], given or {}))
    for variable in asked - set(provided.CREDENTIALS):
        _complete(result, variable, environment.get(variable, ""))
    return result


def with_variables(catalog: Catalog, environment: Mapping[str, str]) -> Catalog:
    """The catalog, what its servers' `config.env` asks for completed by the environment.

    Not with what the platform has, as above.
    """
    own = provided.variables(api_url="")
    servers = []
    for server in catalog.servers:
        asked = {variable.name for variable in server.variables} - set(own)
        found = {name: environment[name] for name in sorted(asked) if environment.get(name)}
        servers.append(replace(server, env={**server.env, **found}))
    return replace(catalog, servers=tuple(servers))


def _complete(values: dict[str, object], key: str, value: str) -> None:
    if value and values.get(key) in (None, ""):
        values[key] = value


def _complete_from_files(
    values: dict[str, object],
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    faults: list[Fault],
) -> None:
    """Completes values with the content of the files that variables name."""
    for key, variable in variables.items():
        file = environment.get(variable, "")
        if file and not values.get(key):
            try:
                values[key] = Path(file).read_text(encoding="ascii")
            except UnicodeError:
                faults.append(Fault(variable, f"{file!r} (not in ASCII)", "a file in PEM"))
            except OSError as error:
                faults.append(Fault(variable, f"{file!r} ({error})", "the path of a file in PEM"))


def _configuration() -> dict[str, str]:
    # pulumi.Config can't list its keys, and unknown ones are to be found.
    return {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}


def _unencrypted(project: str, given: Mapping[str, str]) -> list[Fault]:
    """Secrets that stand in the stack's file as plain text."""
    encrypted = set(pulumi.runtime.config.get_config_secret_keys_env())
    faults = []
    for name, (sign, path) in SECRETS.items():
        if re.search(sign, given.get(name, "")) and f"{project}:{name}" not in encrypted:
            advice = f"run `pulumi config set --secret --path '{project}:{path}'` for it again"
            faults.append(Fault(f"{project}:{name}", "a plain text", "an encrypted value", advice))
    return faults


def _offers(project: str, values: Mapping[str, object], faults: list[Fault]) -> Offers | None:
    """What the account can rent, or None, see `_asked`."""
    unchecked = "instance types and regions were not checked"
    found = _asked(project, values, LambdaClient.instance_types, unchecked, faults)
    if found is None:
        return None
    for odd in found.left_out:
        pulumi.log.warn(f"Lambda Cloud's instance types: left out one that can't be read, {odd}")
    regions = frozenset(region for offer in found for region in offer.regions)
    return Offers({offer.name: offer.price_cents_per_hour for offer in found}, regions)


def _lost(project: str, values: Mapping[str, object]) -> list[Fault]:
    """Says so where the state of a stack that has machines knows none of them."""
    if settings_lost.knows_machines(_recorded()):
        return []
    faults: list[Fault] = []
    unchecked = "whether the account has machines of this stack was not checked"
    found = _asked(project, values, LambdaClient.machines, unchecked, faults)
    return [*faults, *settings_lost.faults(found or (), project, pulumi.get_stack())]


def _asked(
    project: str,
    values: Mapping[str, object],
    method: Callable[[LambdaClient], T],
    unchecked: str,
    faults: list[Fault],
) -> T | None:
    """What the account answers, or None with a fault; also None without a good address or a key,
    which the rules report. unchecked: what a fault leaves open."""
    url = values.get("lambdaApiUrl") or settings_rules.LAMBDA_API_URL
    key = values.get("lambdaApiKey")
    if not isinstance(url, str) or not re.fullmatch(settings_rules.API_URL, url):
        return None
    if not isinstance(key, str) or not key:
        return None
    try:
        shared = slots.shared(os.environ.get("XDG_RUNTIME_DIR", ""), url, key)
        pace = settings_rules.pace(Reader(project, values, []))  # the rules report what is wrong
        pacer = Pacer(pace.requests_per_second, slots=shared)
        return _patiently(functools.partial(method, LambdaClient(url, key)), pacer)
    except (InvalidKey, Forbidden) as error:
        got = f"a key refused with {error}"
        faults.append(Fault(f"{project}:lambdaApiKey", got, f"one for {url}", unchecked))
    except LambdaError as error:
        got = f"{url!r} ({error})"
        faults.append(Fault(f"{project}:lambdaApiUrl", got, "an API that answers", unchecked))
    return None


def _patiently(call: Callable[[], T], pacer: Pacer) -> T:
    """Tries again what is worth it, at the pace of all who use the account from this host."""
    for pause in (*PAUSES, None):
        time.sleep(max(0.0, pacer.reserve() - pacer.clock()))
        try:
            return call()
        except TRANSIENT as error:
            if pause is None:
                raise
            asked = getattr(error, "retry_after", None)
            if asked is not None:
                pacer.hold(min(asked, LONGEST_PAUSE))
            else:
                time.sleep(pause)
    raise AssertionError("unreachable")
