"""The only reader of Pulumi configuration and of the environment."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pulumi
import pulumi.runtime.config

from components import settings_lost, settings_overlay, settings_rules
from components.catalog.loader import Catalog
from components.plan import networks
from components.reading import Fault
from components.settings_account import Account
from components.settings_environment import with_credentials, with_environment, with_variables
from components.settings_model import (
    AUTHORITY,
    FORMER_TOKENS,
    LOGIN_KEY,
    NAMED_AFTER,
    SUBNET_SIZE,
    TOKENS,
    Sensitive,
    Settings,
    SettingsError,
)

TEXTS = frozenset({"lambdaApiUrl", "lambdaApiKey", "sshUser", "baseImage", "confirmDataLoss"})
"""Keys whose value is a text; all others are JSON."""

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each retry of reading a state that is being written."""

_ANY_SECRETS = r'"secrets":(?!\s*(null|\{\s*\}))'
SECRETS = {
    "lambdaApiKey": (".", "lambdaApiKey"),
    "secrets": (r"[^{}\s]", "secrets.NAME"),
    "servers": (_ANY_SECRETS, "servers.SERVER.secrets.NAME"),
    "registry": ("password", "registry.password"),
    "gateway": ("privateKey|PRIVATE KEY", "gateway.privateKey"),
    "backend": (_ANY_SECRETS, "backend.secrets.NAME"),
    "monitoring": (r'"(slack|heartbeat|password)":\s*"[^"]', "monitoring.slack"),
    "database": (r'"url":\s*"[^"]', "database.url"),
    "backup": (r'"(accessKey|secretKey|passphrase)":(?!\s*(null|""))', "backup.secretKey"),
}
"""Keys that may hold a secret: a pattern that shows it, and the path to encrypt."""


def load(catalog: Catalog) -> Settings:
    """The settings of this stack. Raises SettingsError with all errors of configuration, catalog
    and state."""
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
    account = Account(project, values, os.environ.get("XDG_RUNTIME_DIR", ""), faults)
    offers = account.offers(pulumi.log.warn)
    lost: list[Fault] = []
    if offers and not kept and not settings_lost.knows_machines(_recorded()):
        lost.extend(settings_lost.faults(account.machines(), project, pulumi.get_stack()))
    settings, found = settings_rules.read(
        values,
        project=project,
        stack=str(kept.get(NAMED_AFTER, pulumi.get_stack())),
        catalog=with_variables(catalog, os.environ),
        offers=offers,
    )
    if faults or found or lost:
        raise SettingsError((*faults, *found), lost)
    former = kept.get(networks.OUTPUT, networks.BEFORE if kept else {})
    settings = replace(
        settings,
        former_login=Sensitive(str(kept.get(LOGIN_KEY, ""))),
        last_tokens=_sensitive(kept.get(TOKENS)),
        former_tokens=_sensitive(kept.get(FORMER_TOKENS)),
        last_authority=str(kept.get(AUTHORITY) or ""),
        former_networks=cast(Mapping[str, list[str]], former),
        former_layouts=_former_layouts(kept),
    )
    if len(settings.layouts) > 1 and (
        narrow := settings_overlay.no_room(project, settings.overlay, settings.networks)
    ):
        raise SettingsError((narrow,))
    return settings


def _sensitive(kept: object) -> dict[str, Sensitive]:
    texts = cast(Mapping[str, str], kept or {})
    return {name: Sensitive(text) for name, text in texts.items()}


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
    """The resources in this stack's state, by URN."""
    found = _from_state("readStackResourceOutputs", "stackName")
    return cast(Mapping[str, Mapping[str, Any]], found)


def _from_state(function: str, argument: str) -> Mapping[str, object]:
    """The answer of one of the engine's built-in functions about this stack. argument: takes its
    name."""
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

    Text that should be JSON but isn't stays text, and the rules report what was expected.
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


def with_subnet_size(given: object, kept: Mapping[str, object]) -> object:
    """The setting `overlay`; an existing platform keeps its subnet size."""
    if not kept or not isinstance(given or {}, dict):
        return given
    # Numbers come as floats.
    known = int(str(kept.get(SUBNET_SIZE, settings_overlay.FIRST_SUBNET_SIZE)).partition(".")[0])
    return {"subnetSize": known, **cast(Mapping[str, object], given or {})}


def _configuration() -> dict[str, str]:
    # pulumi.Config can't list its keys, and unknown ones must be found.
    return {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}


def _unencrypted(project: str, given: Mapping[str, str]) -> list[Fault]:
    """Faults for secrets that are plain text in the stack's file."""
    encrypted = set(pulumi.runtime.config.get_config_secret_keys_env())
    faults = []
    for name, (sign, path) in SECRETS.items():
        if re.search(sign, given.get(name, "")) and f"{project}:{name}" not in encrypted:
            advice = f"set it again: `pulumi config set --secret --path '{project}:{path}'`"
            faults.append(Fault(f"{project}:{name}", "plain text", "an encrypted value", advice))
    return faults
