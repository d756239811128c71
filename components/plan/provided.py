"""What the platform provides to servers, by the variable in which they expect it.

A value from the operator is used instead. Rules and wiring share these two mappings.
"""

from __future__ import annotations

from collections.abc import Mapping

ACCOUNT = "account"

CREDENTIALS: Mapping[str, str] = {
    "LAMBDA_API_KEY": ACCOUNT,
    "MEMORY_DATABASE_URL": "database",
}
"""Secrets and their sources: the account's key, or a workload, which is then needed."""

ADDRESSES = {"LAMBDA_API_KEY": "LAMBDA_API_URL"}
"""The platform's credential is only for the platform's address, which is in this variable."""


def variables(*, api_url: str) -> dict[str, str]:
    """Settings that are not secret. api_url: of Lambda Cloud."""
    return {"LAMBDA_API_URL": api_url}
