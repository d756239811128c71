"""A catalog entry as the official registry's `server.json` (schema 2025-12-11)."""

from __future__ import annotations

from typing import Any

from components.catalog.model import PORT, SecretVariable, Server, Variable

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

NAMESPACE = "io.github.sophia"
"""Reverse-DNS namespace that our servers' names stand in."""


def server_json(server: Server, image: str, url: str, version: str) -> dict[str, Any]:
    """The document for one deployed server.

    image: full reference of the image it runs. url: where clients reach it through the gateway.
    version: a specific one; the schema refuses `latest` and ranges.
    """
    variables = [_secret(secret) for secret in server.secrets]
    variables += [_variable(variable) for variable in server.variables]
    return {
        "$schema": SCHEMA,
        "name": f"{NAMESPACE}/{server.name}",
        "title": server.title,
        "description": server.description,
        "version": version,
        "packages": [
            {
                "registryType": "oci",
                "identifier": image,
                "environmentVariables": variables,
                "transport": {
                    "type": "streamable-http",
                    "url": f"http://127.0.0.1:{PORT}/mcp",
                },
            }
        ],
        "remotes": [
            {
                "type": "streamable-http",
                "url": url,
                "headers": [
                    {
                        "name": "Authorization",
                        "description": "Bearer token of the gateway",
                        "isRequired": True,
                        "isSecret": True,
                    }
                ],
            }
        ],
    }


def _secret(secret: SecretVariable) -> dict[str, Any]:
    return {
        "name": secret.env,
        "description": secret.description,
        "isRequired": secret.required,
        "isSecret": True,
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "description": variable.description,
        "isRequired": variable.required,
        "isSecret": False,
    }
