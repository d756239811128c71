"""One line per call, over real HTTP: who called what, and what it cost, without any data."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support import mcp_process
from tests.support import upstream as replies
from tests.support.mcp_process import Replica
from tests.support.polling import until
from tests.support.upstream import Service

POSTS = re.compile(r'^mcp_http_requests_total{method="POST",route="/mcp",.*} (.*)$', re.M)
MODES = ["2026-07-28", "legacy"]


@pytest.fixture(scope="module")
def running(
    toy_command: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Replica]]:
    """A server and its service, for all tests here."""
    log = tmp_path_factory.mktemp("audited") / "log"
    with replies.serving() as service:
        environment = {"TOY_API_URL": service.url, "TOY_KEY": "hidden-key"}
        with mcp_process.running(toy_command, log, environment) as replica:
            yield service, replica


@pytest.fixture
def service(running: tuple[Service, Replica]) -> Service:
    """It has no answers yet, and nobody asked it."""
    service, _ = running
    service.routes.clear()
    service.queue.clear()
    service.asked.clear()
    service.left = 0
    return service


@pytest.fixture
def replica(running: tuple[Service, Replica], service: Service) -> Replica:
    """Its log begins with the test."""
    _, replica = running
    return replace(replica, begin=replica.log.stat().st_size)


def lines(replica: Replica, message: str, count: int = 1) -> list[dict[str, object]]:
    return until(
        lambda: replica.logged(message), lambda seen: len(seen) >= count, f"{message} logged", 5
    )


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_one_line_without_its_values(replica: Replica, service: Service, mode: str):
    service.queue.append(replies.refused(503, Retry_After="0"))
    service.routes["GET /things/hidden-thing"] = replies.ok(7)
    headers = {"X-Request-Id": "gateway-1", "X-Sophia-Caller": "alice@laptop"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(replica.url, http_client=http), mode=mode) as client,
    ):
        await client.call_tool("ask", {"thing": "hidden-thing", "hidden-name": 1})
    (line,) = lines(replica, "tool call")
    assert {key: line[key] for key in ("request_id", "caller", "tool", "kind", "outcome")} == {
        "request_id": "gateway-1",
        "caller": "alice@laptop",
        "tool": "ask",
        "kind": "read",
        "outcome": "ok",
    }
    assert line["arguments"] == {"thing": len('"hidden-thing"'), "?": 1}
    assert line["upstream_calls"] == 2
    assert 0 < float(str(line["upstream_ms"])) <= float(str(line["ms"]))
    assert "hidden" not in replica.log.read_text()

    def posts_and_lines() -> tuple[float, int]:
        """Since the server began."""
        posts = sum(float(count) for count in POSTS.findall(replica.get("/metrics")[2]))
        since = replace(replica, begin=0)
        return posts, len(since.logged("tool call")) + len(since.logged("request"))

    # A last notification may still be on its way.
    until(posts_and_lines, lambda seen: seen[0] == seen[1], "one line a call and request", 10)


@pytest.mark.parametrize("mode", MODES)
async def test_whatever_a_call_logs_names_its_request(
    replica: Replica, service: Service, mode: str
):
    service.queue.append(replies.refused(503, Retry_After="0"))
    service.routes["GET /things/a"] = replies.ok(7)
    headers = {"X-Request-Id": "gateway-1"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(replica.url, http_client=http), mode=mode) as client,
    ):
        await client.call_tool("ask", {"thing": "a"})
        await client.call_tool("crash", {})
    for message in ("asking again", "tool crashed"):
        (line,) = lines(replica, message)
        assert line["request_id"] == "gateway-1", message


async def test_what_is_not_fit_for_a_log_is_not_taken_as_id_or_caller(replica: Replica):
    headers = {"X-Request-Id": "a" * 65, "X-Sophia-Caller": 'x" evil'}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(replica.url, http_client=http)) as client,
    ):
        await client.call_tool("add", {"a": 1, "b": 2})
    (line,) = lines(replica, "tool call")
    assert line["caller"] is None
    assert len(str(line["request_id"])) == 32


async def test_a_failed_call_says_why_in_a_word(replica: Replica, service: Service):
    service.routes["GET /things/a"] = replies.refused(403, {"message": "hidden reason"})
    async with Client(replica.url) as client:
        await client.call_tool("ask", {"thing": "a"})
        await client.call_tool("flood", {"size": 200_000})
    refused, flooded = lines(replica, "tool call", 2)
    assert (refused["outcome"], refused["reason"]) == ("error", "status_403")
    assert (flooded["outcome"], flooded["reason"]) == ("error", "too_large")
    assert "hidden" not in replica.log.read_text()


@pytest.mark.parametrize("mode", MODES)
async def test_a_caller_who_leaves_ends_the_call_and_what_it_asked_for(
    replica: Replica, service: Service, mode: str
):
    service.routes["GET /things/a"] = replies.hanging()

    async def ask_and_leave() -> None:
        async with httpx2.AsyncClient(timeout=30) as http:
            transport = streamable_http_client(replica.url, http_client=http)
            async with Client(transport, mode=mode) as client, asyncio.TaskGroup() as tasks:
                tasks.create_task(client.call_tool("ask", {"thing": "a"}))
                await asyncio.to_thread(until, lambda: service.asked, bool, "the question", 10)
                await http.aclose()  # the connection goes, as when a client is killed

    with suppress(Exception):  # the client's own error
        await ask_and_leave()
    await asyncio.to_thread(until, lambda: service.left, bool, "the call being given up", 5)
    (line,) = await asyncio.to_thread(lines, replica, "tool call")
    assert line["outcome"] == "cancelled"


@pytest.mark.slow
async def test_no_log_level_silences_it(toy_command: list[str], tmp_path: Path):
    environment = {"LOG_LEVEL": "ERROR"}
    with mcp_process.running(toy_command, tmp_path / "log", environment) as running:
        async with Client(running.url) as client:
            await client.call_tool("add", {"a": 1, "b": 2})
        (line,) = lines(running, "tool call")
        assert line["tool"] == "add"
        assert running.logged("request") == []
