"""Calls a tool of each server, as a client of either protocol era does, and exports how it went.

A server may be healthy, and its tools fail all the same.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Settings

from .fleet import Fleet
from .watched import Watched

logger = logging.getLogger(__name__)

VARIABLE = "SOPHIA_PROBES"
ERAS = {"2026-07-28": "2026-07-28", "2025-11-25": "legacy"}
"""By protocol, what the SDK's client calls it."""
CALLER = "probe"
"""Who calls, in logs and activity."""
PAUSE_S = 60.0
_CALL_S = 30.0
_PROBED = ("ok", "degraded")
"""One without its credential says so by its health."""


class Probe(BaseModel):
    """A tool that reads, and what it is called with."""

    model_config = ConfigDict(extra="forbid")
    tool: str
    arguments: dict[str, Any] = {}


_PROBES = TypeAdapter(dict[str, Probe])


def read_probes(settings: Settings) -> dict[str, Probe]:
    """By server, from SOPHIA_PROBES; none without it. Raises SettingError: it is something else."""
    text = settings.text(VARIABLE, "{}")
    try:
        return _PROBES.validate_json(text)
    except ValidationError as error:
        example = json.dumps({"slack": {"tool": "list_channels", "arguments": {"limit": 1}}})
        raise SettingError(f"{VARIABLE}: expected an object such as {example}: {error}") from None


class Probes:
    """Of the servers of one fleet. pause_s: seconds between two rounds."""

    def __init__(
        self,
        fleet: Fleet,
        probes: Mapping[str, Probe],
        registry: CollectorRegistry,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._probes = {name: probe for name, probe in probes.items() if name in fleet.servers}
        self._fleet, self._pause_s = fleet, pause_s
        labels = ["server", "era"]
        self._success = Gauge(
            "mcp_probe_success", "1 if a tool of the server answered", labels, registry=registry
        )
        self._seconds = Gauge(
            "mcp_probe_duration_seconds", "Time that the call took", labels, registry=registry
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Probes until it is left."""
        tasks = [asyncio.create_task(self._keep_on(name)) for name in self._probes]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_on(self, name: str) -> None:
        server, probe = self._fleet.servers[name], self._probes[name]
        while True:
            await asyncio.sleep(self._pause_s)
            for era in ERAS:
                await self._try(server, probe, era)

    async def _try(self, server: Watched, probe: Probe, era: str) -> None:
        replicas = server.callable()
        # An operator may have taken the tool away.
        if server.status not in _PROBED or not replicas or probe.tool not in server.tools:
            for gauge in (self._success, self._seconds):
                gauge.remove(server.name, era)
            return
        began, failure = perf_counter(), ""
        try:
            async with asyncio.timeout(_CALL_S):
                failure = await _called(f"{replicas[0].url}/mcp", server, probe, ERAS[era])
        except Exception as error:  # whatever it is, the server did not answer
            failure = _reason(error)
        self._success.labels(server.name, era).set(not failure)
        self._seconds.labels(server.name, era).set(perf_counter() - began)
        if failure:
            about = {"of": server.name, "tool": probe.tool, "era": era, "reason": failure}
            logger.warning("a probe failed", extra=about)


async def _called(url: str, server: Watched, probe: Probe, mode: str) -> str:
    """What is wrong, or "". The text of an answer may be somebody's data, and isn't told."""
    headers = {**server.headers, "X-Sophia-Caller": CALLER}
    async with (
        httpx2.AsyncClient(trust_env=False, headers=headers, timeout=_CALL_S) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        result = await client.call_tool(probe.tool, probe.arguments)
    return "the tool's answer is an error" if result.is_error else ""


def _reason(error: BaseException) -> str:
    """The innermost error's type: those of the SDK come in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
