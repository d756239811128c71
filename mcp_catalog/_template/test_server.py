"""_template against a stand-in for its API that speaks real HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sophia_mcp.settings import read_settings

from mcp_catalog._template.server import build
from tests.support import upstream as replies
from tests.support.tool_calls import Tools, tools_of
from tests.support.upstream import Service


@pytest.fixture
def api() -> Iterator[Service]:
    with replies.serving() as service:
        thing = {"id": "1", "text": "x" * 3_000, "internal": "left out"}
        service.routes["GET /things"] = replies.ok({"things": [thing], "next_cursor": "2"})
        service.routes["GET /things/1"] = replies.ok(thing)
        service.routes["POST /things"] = replies.ok({"id": "2", "text": "new"})
        yield service


@asynccontextmanager
async def connected(api: Service, **variables: str) -> AsyncIterator[Tools]:
    environment = {"TEMPLATE_API_URL": api.url, "TEMPLATE_API_KEY": "a-key", **variables}
    async with tools_of(build(read_settings("_template", environment))) as tools:
        yield tools


async def test_a_list_is_short_and_leads_on(api: Service):
    async with connected(api) as tools:
        page = await tools.ok("list_things", limit=1)
        await tools.ok("list_things", cursor=page["next_cursor"])
        whole = await tools.ok("get_thing", thing_id="1")
    assert page["things"][0]["text"].endswith("[cut: 2000 of 3000 characters]")
    assert whole == {"id": "1", "text": "x" * 3_000}
    assert [asked.query.get("cursor") for asked in api.asked] == [None, ["2"], None]
    assert api.asked[0].headers["Authorization"] == "Bearer a-key"


async def test_it_writes_only_where_that_is_allowed(api: Service):
    async with connected(api) as tools:
        assert "add_thing" not in await tools.listed()
    async with connected(api, MCP_ALLOW_WRITES="true") as tools:
        assert (await tools.ok("add_thing", text="new"))["id"] == "2"
    assert api.asked[-1].body == {"text": "new"}


async def test_without_its_key_it_starts_and_says_so(api: Service):
    async with connected(api, TEMPLATE_API_KEY="") as tools:
        assert "TEMPLATE_API_KEY is not set" in await tools.error("list_things")
    assert api.asked == []
