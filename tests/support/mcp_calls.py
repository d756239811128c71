"""Calling MCP tools through the gateway as a client that is not ours does: the official SDK's."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

MODERN, LEGACY = "2026-07-28", "legacy"
"""The SDK's connect modes: protocol 2026-07-28, and the handshake of 2025-11-25."""


def http_client(
    outputs: dict[str, Any], token: str | None = None, seen: Callable[[str], None] | None = None
) -> httpx2.AsyncClient:
    """Trusts the platform's CA and nothing else; `seen` gets the replica of every answer."""

    async def note_replica(response: httpx2.Response) -> None:
        if seen is not None and (replica := response.headers.get("x-sophia-replica")):
            seen(replica)

    return httpx2.AsyncClient(
        verify=ssl.create_default_context(cadata=outputs["ca_certificate"]),
        headers={"Authorization": f"Bearer {token or outputs['gateway_token']}"},
        event_hooks={"response": [note_replica]},
        timeout=30,
    )


@asynccontextmanager
async def connected(
    outputs: dict[str, Any],
    server: str,
    mode: str = MODERN,
    seen: Callable[[str], None] | None = None,
) -> AsyncIterator[Client]:
    """A client of one server of the platform."""
    async with http_client(outputs, seen=seen) as http:
        transport = streamable_http_client(outputs["mcp_endpoints"][server], http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client
