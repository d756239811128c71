"""The runtime over real HTTP: the toy server in a separate process."""

import socket
from time import perf_counter

import httpx2
import pytest
from fastmcp import Client as FastClient
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from prometheus_client.parser import text_string_to_metric_families

from tests.support.mcp_process import Replica
from tests.support.polling import until

MODES = {"2026-07-28": "2026-07-28", "legacy": "2025-11-25"}


@pytest.mark.parametrize(("mode", "protocol"), MODES.items())
async def test_both_protocols_list_and_call(toy: Replica, mode: str, protocol: str):
    async with Client(toy.url, mode=mode) as client:
        assert client.protocol_version == protocol
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"add", "slow"}
        result = await client.call_tool("add", {"a": 2, "b": 3})
    assert result.structured_content == {"result": 5}


async def test_a_client_by_others_calls(toy: Replica):
    async with FastClient(toy.url) as client:
        assert (await client.call_tool("add", {"a": 2, "b": 3})).structured_content == {"result": 5}


@pytest.mark.parametrize("mode", MODES)
async def test_an_unknown_tool_is_an_error_of_the_protocol(toy: Replica, mode: str):
    async with Client(toy.url, mode=mode) as client:
        with pytest.raises(MCPError, match="Unknown tool: nobody's") as refused:
            await client.call_tool("nobody's", {})
        assert (await client.call_tool("add", {"a": 2, "b": 3})).structured_content == {"result": 5}
    assert refused.value.code == INVALID_PARAMS


def test_an_answers_body_does_not_wait_until_its_head_is_acknowledged(toy: Replica):
    call = {"name": "add", "arguments": {"a": 2, "b": 3}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    seconds = []
    with httpx2.Client(headers={"Accept": "application/json, text/event-stream"}) as http:
        for _ in range(50):
            began = perf_counter()
            assert http.post(toy.url, json=body).status_code == 200
            seconds.append(perf_counter() - began)
    # A young connection is acknowledged at once; the fastest, as the machine may be busy.
    assert min(seconds[30:]) < 0.03, "a client acknowledges after 40 ms"


def test_health_names_the_replica(toy: Replica):
    status, headers, _ = toy.get("/health")
    assert status == 200
    assert headers["X-Sophia-Replica"] == socket.gethostname()
    assert toy.health()[1] == {"status": "ok", "server": "toy", "replica": socket.gethostname()}


async def test_metrics_are_prometheus_text(toy: Replica):
    async with Client(toy.url) as client:
        await client.call_tool("add", {"a": 2, "b": 3})
        await client.call_tool("crash", {})
    status, headers, text = toy.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["mcp_tool_calls_total", ("outcome", "ok"), ("tool", "add")] >= 1
    assert found["mcp_tool_calls_total", ("outcome", "crash"), ("tool", "crash")] >= 1
    posts = ("method", "POST"), ("route", "/mcp"), ("status", "200")
    assert found["mcp_http_requests_total", *posts] >= 2
    assert found["mcp_server_info", ("server", "toy")] == 1


def test_a_stream_of_its_own_is_not_offered(toy: Replica):
    status, headers, _ = toy.get("/mcp", Accept="text/event-stream")
    assert (status, headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("host", ["evil.example", "sophia-dev-toy.evil.example"])
async def test_a_foreign_host_is_refused(toy: Replica, host: str):
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            toy.url, headers={"Host": host, "Content-Type": "application/json"}, content="{}"
        )
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["sophia-dev-toy", "tasks.toy:9000", "localhost"])
async def test_a_known_host_is_served(toy: Replica, host: str):
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            toy.url, headers={"Host": host, "Content-Type": "application/json"}, content="{}"
        )
    assert answer.status_code in (400, 406)


@pytest.mark.parametrize(
    ("origin", "refused"), [("http://localhost:3000", False), ("https://evil.example", True)]
)
async def test_only_a_local_origin_is_served(toy: Replica, origin: str, refused: bool):
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            toy.url, headers={"Origin": origin, "Content-Type": "application/json"}, content="{}"
        )
    assert (answer.status_code == 403) is refused


def test_an_unknown_path_is_not_found_and_logged_as_json(toy: Replica):
    assert toy.get("/nowhere")[0] == 404
    (line,) = until(
        lambda: [line for line in toy.logged("request") if line["path"] == "/nowhere"],
        bool,
        "the request's line in the log",
        seconds=5,
    )
    assert (line["status"], line["server"]) == (404, "toy")
