"""One MCP endpoint over all servers, in both eras of the protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from sophia_backend import aggregate

from tests.support.mcp_calls import LEGACY, MODERN

from .conftest import TOOLS, Backend

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("mode", [MODERN, LEGACY])


@asynccontextmanager
async def client(
    backend: Backend, mode: str = MODERN, servers: str | None = "*", path: str = "/mcp"
) -> AsyncIterator[Client]:
    headers = {"X-Sophia-Caller": "alice", "X-Request-Id": "gateway-1"}
    if servers is not None:
        headers["X-Sophia-Servers"] = servers
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{backend.url}{path}", http_client=http), mode=mode) as made,
    ):
        yield made


async def names(made: Client) -> list[str]:
    found, cursor = [], None
    while True:
        page = await made.list_tools(cursor=cursor)
        found += [tool.name for tool in page.tools]
        if (cursor := page.next_cursor) is None:
            return found


@pytest.fixture
def backend(pair: Backend) -> Backend:
    return pair


@BOTH
async def test_tools_have_their_servers_name_before_theirs(backend: Backend, mode: str):
    async with client(backend, mode) as made:
        tools = {tool.name: tool for tool in (await made.list_tools()).tools}
        result = await made.call_tool("b_add", {"a": 1, "b": 2})
    assert sorted(tools) == sorted(f"{s}_{tool.name}" for s in "ab" for tool in TOOLS)
    assert tools["a_add"].annotations.read_only_hint
    assert tools["a_wipe"].annotations.destructive_hint
    assert tools["a_add"].input_schema["properties"]["a"]["type"] == "integer"
    assert tools["a_add"].output_schema is not None
    assert (result.structured_content, result.is_error) == ({"result": 3}, False)


@BOTH
async def test_errors_of_tools_pass_as_they_are(backend: Backend, mode: str):
    async with client(backend, mode) as made:
        refused = await made.call_tool("a_refuse", {})
        invalid = await made.call_tool("a_add", {"a": "x"})
    assert refused.is_error
    assert "expected a better day, got this one" in refused.content[0].text
    assert invalid.is_error
    assert "valid integer" in invalid.content[0].text


@BOTH
async def test_a_result_of_100_kb_passes(backend: Backend, mode: str):
    async with client(backend, mode) as made:
        result = await made.call_tool("a_flood", {"size": 99_000})
    assert result.content[0].text == "x" * 99_000


@BOTH
@pytest.mark.parametrize("servers", ["a", "", None])
async def test_what_a_caller_may_not_use_is_not_there(backend: Backend, mode: str, servers):
    async with client(backend, mode, servers) as made:
        assert {name[0] for name in await names(made)} == set(servers or "")
        for name in ("b_add", "nobody_add", "add", "b", ""):
            with pytest.raises(MCPError, match="Unknown tool: ") as refused:
                await made.call_tool(name, {"a": 1, "b": 2})
            assert refused.value.code == INVALID_PARAMS


@pytest.mark.parametrize("mode", ["auto", LEGACY])
async def test_a_caller_is_told_which_servers_there_are(backend: Backend, mode: str):
    async with client(backend, mode, "b") as made:
        told = made.instructions
    assert told is not None
    assert f"- b (B): ok, {len(TOOLS)} tools" in told
    assert "- a" not in told


async def test_lists_come_in_pages_that_lose_nothing(backend: Backend, monkeypatch):
    monkeypatch.setattr(aggregate, "PAGE_BYTES", 1_000)
    async with client(backend) as made:
        first = await made.list_tools()
        assert 1 <= len(first.tools) < len(TOOLS)
        found = await names(made)
    assert found == sorted(f"{s}_{tool.name}" for s in "ab" for tool in TOOLS)


@BOTH
async def test_with_search_there_are_two_tools(backend: Backend, mode: str):
    async with client(backend, mode, path="/mcp?tools=search") as made:
        assert await names(made) == ["search_tools", "call_tool"]
        found = await made.call_tool("search_tools", {"query": "adding numbers", "limit": 2})
        tools = found.structured_content["tools"]
        assert [tool["name"] for tool in tools] == ["a_add", "b_add"]
        assert tools[0]["inputSchema"]["properties"]["a"]["type"] == "integer"
        arguments = {"name": "b_add", "arguments": {"a": 1, "b": 2}}
        assert (await made.call_tool("call_tool", arguments)).structured_content == {"result": 3}
        refused = await made.call_tool("call_tool", {"name": "a_refuse"})
        assert refused.is_error
        for wrong in ({"query": 7}, {"query": "x", "limit": 21}, {"query": "x", "limit": True}):
            assert (await made.call_tool("search_tools", wrong)).is_error
        assert (await made.call_tool("call_tool", {"name": "a_add", "arguments": "{"})).is_error
        for name, given in (("a_add", {}), ("call_tool", {"name": "nobody"}), ("call_tool", {})):
            with pytest.raises(MCPError, match="Unknown tool"):
                await made.call_tool(name, given)


async def test_search_finds_only_what_the_caller_may_use(backend: Backend):
    async with client(backend, servers="b", path="/mcp?tools=search") as made:
        found = await made.call_tool("search_tools", {"query": "add", "limit": 20})
        assert [tool["name"] for tool in found.structured_content["tools"]] == ["b_add"]
        with pytest.raises(MCPError, match="Unknown tool: a_add"):
            await made.call_tool("call_tool", {"name": "a_add"})


@pytest.mark.slow
@BOTH
async def test_200_calls_at_once_are_answered(backend: Backend, mode: str):
    async with client(backend, mode) as made:
        calls = [made.call_tool(f"{'ab'[n % 2]}_add", {"a": n, "b": 1}) for n in range(200)]
        results = await asyncio.gather(*calls)
    assert [result.structured_content["result"] for result in results] == list(range(1, 201))


async def test_a_stream_of_its_own_is_not_offered(backend: Backend):
    answer = await backend.get("/mcp", Accept="text/event-stream")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
