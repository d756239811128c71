"""_template against a stand-in for its API that speaks real HTTP."""

from collections.abc import Iterator

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Service

THING = {"id": "1", "text": "x" * 3_000, "internal": "left out"}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "_template",
    "TEMPLATE_API_URL",
    {"TEMPLATE_API_KEY": "a-key", "MCP_ALLOW_WRITES": "true"},
    {
        "GET /things": replies.ok({"things": [THING], "next_cursor": "2"}),
        "GET /things/1": replies.ok(THING),
        "POST /things": replies.ok({"id": "2", "text": "new"}),
    },
    {
        "list_things": {"limit": 1},
        "get_thing": {"thing_id": "1"},
        "add_thing": {"text": "new"},
    },
)


@pytest.fixture
def api() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


async def test_a_list_is_short_and_leads_on(api: Service):
    async with STAND_IN.connected(api) as tools:
        page = await tools.ok("list_things", limit=1)
        await tools.ok("list_things", cursor=page["next_cursor"])
        whole = await tools.ok("get_thing", thing_id="1")
    assert page["things"][0]["text"].endswith("[cut: 2000 of 3000 characters]")
    assert whole == {"id": "1", "text": "x" * 3_000}
    assert [asked.query.get("cursor") for asked in api.asked] == [None, ["2"], None]
    assert api.asked[0].headers["Authorization"] == "Bearer a-key"


async def test_it_writes_only_where_that_is_allowed(api: Service):
    async with STAND_IN.connected(api, MCP_ALLOW_WRITES="false") as tools:
        assert "add_thing" not in await tools.listed()
    async with STAND_IN.connected(api) as tools:
        assert (await tools.ok("add_thing", text="new"))["id"] == "2"
    assert api.asked[-1].body == {"text": "new"}


async def test_without_its_key_it_starts_and_says_so(api: Service):
    async with STAND_IN.connected(api, TEMPLATE_API_KEY="") as tools:
        assert "TEMPLATE_API_KEY is not set" in await tools.error("list_things")
    assert api.asked == []
