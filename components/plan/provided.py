"""What the platform itself has for servers, by the variable that they ask for it with.

A value that the operator gives is used instead. Rules and wiring share these two mappings.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def variables(*, api_url: str) -> dict[str, str]:
    """Settings that are no secrets. api_url: of Lambda Cloud."""
    return {"LAMBDA_API_URL": api_url}


def credentials(*, api_key: T, database_url: T) -> dict[str, T]:
    """Secrets. api_key: of Lambda Cloud. database_url: of the platform's database."""
    return {"LAMBDA_API_KEY": api_key, "MEMORY_DATABASE_URL": database_url}


CREDENTIALS = frozenset(credentials(api_key=None, database_url=None))
"""The variables of the secrets that the platform has."""

ADDRESSES = {"LAMBDA_API_KEY": "LAMBDA_API_URL"}
"""A credential of the platform's is for the platform's address only, which has this variable."""
