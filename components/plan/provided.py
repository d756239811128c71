"""What the platform itself has for servers, by the variable that they ask for it with.

A value that the operator gives is used instead. Rules and wiring share these two mappings.
"""

from __future__ import annotations

from collections.abc import Mapping

ACCOUNT = "account"

CREDENTIALS: Mapping[str, str] = {
    "LAMBDA_API_KEY": ACCOUNT,
    "MEMORY_DATABASE_URL": "database",
}
"""Secrets, and where each comes from: the account's key, or a workload, which is then needed."""

ADDRESSES = {"LAMBDA_API_KEY": "LAMBDA_API_URL"}
"""A credential of the platform's is for the platform's address only, which has this variable."""


def variables(*, api_url: str) -> dict[str, str]:
    """Settings that are no secrets. api_url: of Lambda Cloud."""
    return {"LAMBDA_API_URL": api_url}
