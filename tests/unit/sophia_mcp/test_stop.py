"""How a replica ends and how it fails to start: real processes, real signals."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support import mcp_process
from tests.support.mcp_process import Replica
from tests.support.polling import until

pytestmark = pytest.mark.slow


@pytest.fixture
def start(toy_command: list[str], tmp_path: Path):
    """Starts a toy server of the test's own, with these variables."""
    contexts = []

    def begin(**environment: str) -> Replica:
        context = mcp_process.running(toy_command, tmp_path / "log", environment)
        contexts.append(context)
        return context.__enter__()

    yield begin
    for context in contexts:
        context.__exit__(None, None, None)


async def in_threads(look: Callable[[], object], wanted: Callable[[object], bool], what: str):
    return await asyncio.to_thread(until, look, wanted, what, 10)


async def test_a_stop_drains_and_loses_no_call(start):
    replica = start(DRAIN_SECONDS="1", GRACE_SECONDS="10")
    seen: list[httpx2.Response] = []

    async def note(response: httpx2.Response) -> None:
        seen.append(response)

    async with (
        httpx2.AsyncClient(event_hooks={"response": [note]}, timeout=20) as http,
        Client(streamable_http_client(replica.url, http_client=http)) as client,
    ):
        # Started before the signal and longer than the drain: the stop waits for it.
        long_call = asyncio.create_task(client.call_tool("slow", {"seconds": 1.5}))
        await in_threads(
            lambda: "mcp_http_requests_in_flight 2.0" in replica.get("/metrics")[2],
            bool,
            "the slow call in flight",
        )
        asked_at = time.monotonic()
        replica.terminate()
        _, body = await in_threads(
            replica.health, lambda answer: answer[0] == 503, "/health to say 503"
        )
        assert body["status"] == "draining"
        # Started while draining: it is answered, and the connection ends with it.
        result = await client.call_tool("add", {"a": 1, "b": 1})
        assert result.structured_content == {"result": 2}
        assert seen[-1].headers["connection"] == "close"
        assert not (await long_call).is_error
    assert await asyncio.to_thread(replica.exit_status) == 0
    assert time.monotonic() - asked_at >= 1
    with pytest.raises(ConnectionRefusedError), socket.socket() as probe:
        probe.connect(("127.0.0.1", replica.port))


async def test_a_call_that_never_ends_ends_with_an_error_before_the_grace(start):
    replica = start(DRAIN_SECONDS="0", GRACE_SECONDS="3")
    async with Client(replica.url) as client:
        endless = asyncio.create_task(client.call_tool("slow", {"seconds": 600}))
        await in_threads(
            lambda: "mcp_http_requests_in_flight 2.0" in replica.get("/metrics")[2],
            bool,
            "the endless call in flight",
        )
        replica.terminate()
        assert "slow took longer than 2.7 s" in (await endless).content[0].text
        assert await asyncio.to_thread(replica.exit_status, 10) == 0


def test_a_second_signal_skips_the_drain(start):
    replica = start(DRAIN_SECONDS="60")
    replica.terminate()
    until(replica.health, lambda answer: answer[0] == 503, "/health to say 503", seconds=5)
    replica.terminate()
    assert replica.exit_status(10) == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TOY_API_URL": "toys"}, "TOY_API_URL: expected an address such as"),
        ({"DRAIN_SECONDS": "soon"}, "DRAIN_SECONDS: expected a whole number"),
        ({"MCP_TOOLS_DENY": "fly"}, "MCP_TOOLS_DENY: got fly, expected tools among add, ask,"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    toy_command: list[str], tmp_path: Path, environment: dict[str, str], said: str
):
    replica = mcp_process.launch(toy_command, tmp_path / "log", environment)
    try:
        assert replica.exit_status(30) == 2
    except subprocess.TimeoutExpired:
        replica.process.kill()
        raise
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert said in line
    assert '"level": "critical"' in line
