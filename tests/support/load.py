"""Many concurrent MCP clients that call one tool repeatedly, each on its own connection."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2


@dataclass(frozen=True)
class Target:
    """authority: PEM of the CA that is trusted, "" without TLS."""

    url: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    authority: str = ""
    token: str = ""


@dataclass(frozen=True)
class Call:
    """began: of time.monotonic(). fault: what came instead of a result, or ""."""

    began: float
    seconds: float
    replica: str
    fault: str


@asynccontextmanager
async def load(target: Target, clients: int) -> AsyncIterator[list[Call]]:
    """The calls as they end, until the block is left; those under way then end, too."""
    calls: list[Call] = []
    over = asyncio.Event()
    trust: ssl.SSLContext | bool = True
    if target.authority:
        trust = ssl.create_default_context(cadata=target.authority)
    headers = {"Accept": "application/json, text/event-stream"}
    if target.token:
        headers["Authorization"] = f"Bearer {target.token}"

    async def client() -> None:
        async with httpx2.AsyncClient(verify=trust, headers=headers, timeout=30) as http:
            while not over.is_set():
                calls.append(await _called(http, target))

    running = [asyncio.create_task(client()) for _ in range(clients)]
    try:
        yield calls
    finally:
        over.set()
        await asyncio.gather(*running)


async def _called(http: httpx2.AsyncClient, target: Target) -> Call:
    parameters = {"name": target.tool, "arguments": dict(target.arguments)}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}
    began, replica = time.monotonic(), ""
    try:
        answer = await http.post(target.url, json=call)
        replica = answer.headers.get("x-sophia-replica", "")
        good = answer.status_code == 200 and '"isError":false' in answer.text
        fault = "" if good else f"{answer.status_code} {answer.text[:300]}"
    except httpx2.HTTPError as error:
        fault = repr(error)
    return Call(began, time.monotonic() - began, replica, fault)
