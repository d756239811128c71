"""A call through the backend is one trace: its span, and below it the server's."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.trace import NoOpTracer
from sophia_backend.callers import SERVERS_HEADER
from sophia_mcp import tracing
from sophia_mcp.settings import read_settings

from tests.support.collector import Collector, collecting

from .conftest import Backend

pytestmark = pytest.mark.slow

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        tracing.start(read_settings("both", {tracing.ENDPOINT: made.url}))
        try:
            yield made
        finally:
            tracing.stop()
            tracing._Sending.tracer, tracing._Sending.provider = NoOpTracer(), None


async def _arrived(collector: Collector) -> None:
    await asyncio.to_thread(tracing.stop)
    backends, servers = collector.named("tools/call a_add"), collector.named("tools/call add")
    assert [(one.trace, one.parent) for one in backends] == [(TRACE, PARENT)]
    assert [(one.trace, one.parent) for one in servers] == [(TRACE, backends[0].id)]


async def test_the_api_carries_a_trace_on(pair: Backend, collector: Collector):
    answer = await pair.post("/api/tools/a/add", {"a": 1, "b": 2}, **CALLER)
    assert answer.status_code == 200, answer.text
    await _arrived(collector)


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_mcp_carries_a_trace_on(pair: Backend, collector: Collector, mode: str):
    async with (
        httpx2.AsyncClient(headers={SERVERS_HEADER: "*"}, timeout=30) as http,
        Client(streamable_http_client(f"{pair.url}/mcp", http_client=http), mode=mode) as client,
    ):
        await client.call_tool("a_add", {"a": 1, "b": 2}, meta=CALLER)
    await _arrived(collector)
