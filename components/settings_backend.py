"""The setting `backend`: the operator's own image instead of the platform's. Pure."""

from __future__ import annotations

import re

from components.plan import backend, mcp_service, policies
from components.reading import Reader
from components.settings_model import Backend, Sensitive

_VARIABLE = r"[A-Z][A-Z0-9_]*"
_OWN = (*mcp_service.environment("", 0), backend.SERVERS, backend.PROBES)
"""Variables that the platform sets."""


def read(top: Reader) -> Backend:
    """The setting; what is wrong goes to the reader's faults."""
    reader = top.inner("backend")
    expected = "an image with its digest, such as ghcr.io/team/backend@sha256:…"
    image = reader.text("image", "", pattern=policies.IMAGE, expected=expected)
    health = reader.texts("health", ())
    env, secrets = reader.inner("env", hidden=True), reader.inner("secrets", hidden=True)
    found = Backend(
        image=image,
        health=health or mcp_service.HEALTH_CHECK,
        env={name: env.token(name) for name in _variables(env)},
        secrets={name: Sensitive(secrets.secret(name)) for name in _variables(secrets)},
    )
    for name in {*found.env} & {*found.secrets}:
        secrets.fault(name, "", f"either this or {env.key(name)}, not both")
    for inner in (env, secrets):
        inner.finish()
    if reader.has("image") and not reader.has("health"):
        expected = "a command that exits with 0 when healthy, such as [python3, /app/health.py]"
        reader.missing("health", expected, "it runs in the container, to watch every rollout")
    for key in ("health", "env", "secrets"):
        if reader.has(key) and not reader.has("image"):
            reader.fault(key, reader.plain(key), f"none without {reader.key('image')}", hidden=True)
    reader.finish()
    return found


def _variables(reader: Reader) -> list[str]:
    """The names in a mapping; invalid ones are added to the faults."""
    names = reader.names()
    for name in names:
        if not re.fullmatch(_VARIABLE, name):
            reader.fault(name, "", "a name of capitals, digits and '_', such as LOG_LEVEL")
        elif name in _OWN:
            reader.fault(name, "", "another name: the platform sets this one")
    return names
