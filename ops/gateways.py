"""The ways into a platform that is up: which of them answer, and until when clients trust them."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

_CONNECT = 2.0
"""Seconds for a gateway to take a connection."""


def silence(url: str) -> str:
    """Why nothing takes connections there, or ""."""
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname, where.port or 443), timeout=_CONNECT).close()
    except OSError as error:
        return str(error)
    return ""


def living(urls: Sequence[str]) -> str:
    """The first that answers; the first of all where none does."""
    return next((url for url in urls if not silence(url)), urls[0])


def lines(outputs: Mapping[str, Any]) -> list[str]:
    """Every way in, and the certificate's end."""
    found = []
    for number, url in enumerate(outputs["gateway_urls"]):
        reason = silence(url)
        state = f"no answer ({reason})" if reason else "answers"
        found.append(f"{'' if number else 'gateway':<12} {url:<32} {state}")
    if certificate := outputs.get("gateway_certificate"):
        found.append(f"{'certificate':<12} {validity(certificate, datetime.now(UTC))}")
    return found


def validity(certificate: Mapping[str, str], now: datetime) -> str:
    """When it ends and who renews it when. certificate: `ends`, `renew_from` (ISO 8601),
    `renewed_by`.
    """
    ends = datetime.fromisoformat(certificate["ends"])
    due = datetime.fromisoformat(certificate["renew_from"])
    own = certificate["renewed_by"] == "you"
    todo = "give `gateway` a new one" if own else f"run `{certificate['renewed_by']}`"
    if now >= ends:
        return f"ended on {ends:%Y-%m-%d}, clients refuse it: {todo}"
    if now >= due:
        return f"ends on {ends:%Y-%m-%d}: {todo} now"
    renewed = "replace it" if own else f"`{certificate['renewed_by']}` renews it"
    return f"ends on {ends:%Y-%m-%d}; {renewed} from {due:%Y-%m-%d} on"
