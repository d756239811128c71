"""Values missing in the configuration, taken from the environment (`make env` prints it):
LAMBDA_API_URL, LAMBDA_API_KEY, SOPHIA_REGISTRY_SERVER, SOPHIA_REGISTRY_USERNAME,
SOPHIA_REGISTRY_PASSWORD, SOPHIA_REGISTRY_CA (a file), SOPHIA_BASE_IMAGE,
SOPHIA_OVERLAY_ENCRYPTED (true or false), SOPHIA_GATEWAY_CERTIFICATE and SOPHIA_GATEWAY_PRIVATE_KEY
(files), and the servers' credentials and settings under their own names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from components.catalog.loader import Catalog
from components.plan import provided
from components.reading import Fault

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


def with_environment(
    values: Mapping[str, object], environment: Mapping[str, str], faults: list[Fault]
) -> dict[str, object]:
    """Values completed from the environment.

    Credentials stay with their address: the environment's key or password is never sent to another
    API or registry that the configuration names.
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


def with_credentials(given: object, catalog: Catalog, environment: Mapping[str, str]) -> object:
    """The setting `secrets`, completed from the environment with what servers ask for.

    Never with what the platform provides: only a setting may choose another database or key, not a
    variable that happens to be in the shell.
    """
    if not isinstance(given or {}, dict):
        return given
    asked = {secret.env for server in catalog.servers for secret in server.secrets}
    result = dict(cast(Mapping[str, object], given or {}))
    for variable in asked - set(provided.CREDENTIALS):
        _complete(result, variable, environment.get(variable, ""))
    return result


def with_variables(catalog: Catalog, environment: Mapping[str, str]) -> Catalog:
    """The catalog, with the values of its servers' `config.env` completed from the environment.

    Never with what the platform provides, as above.
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
