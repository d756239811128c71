"""notion_v2 against a stand-in for Notion's API that speaks real HTTP.

Shapes and errors, for version 2026-03-11: developers.notion.com/reference/ (post-search,
retrieve-a-page, post-page, patch-page, move-page, trash-page, retrieve-page-markdown,
update-page-markdown, get-block-children, patch-block-children, delete-a-block, block,
retrieve-a-data-source, query-a-data-source, filter-data-source-entries, database-create,
database-retrieve, list-comments, create-a-comment, get-users, get-self, page-property-values,
request-limits, status-codes), developers.notion.com/guides/data-apis/enhanced-markdown and
/working-with-markdown-content; the types of the public @notionhq/client 5.26.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mcp_catalog.notion_v2.arguments import BlockId, PageId
from mcp_catalog.notion_v2.values import Property, built, plain
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

TOKEN = "ntn_1234-never-shown"
PAGE = "59833787-2cf9-4fdf-8782-e53db20768a5"
SOURCE = "f336d0bc-b841-465b-8045-024475c079dd"
DATABASE = "668d797c-76fa-4934-9b05-ad288df2d136"
BLOCK = "c02fc1d3-db8b-45c5-a222-27595b15aea7"
ANN = "6794760a-1f15-45cd-9c65-0dfe42f5135a"
TALK = "f1407351-36f5-4c49-a13c-49f8ba11776d"
BARE = PAGE.replace("-", "")


def rich(said: str) -> list[dict[str, Any]]:
    text = {"content": said, "link": None}
    return [{"type": "text", "text": text, "annotations": {}, "plain_text": said, "href": None}]


def listed(*results: Any, following: str | None = None, **more: Any) -> Reply:
    page = {"object": "list", "results": results, "next_cursor": following}
    return replies.ok({**page, "has_more": following is not None, **more})


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    body = {"object": "error", "status": status, "code": code, "message": message}
    return replies.refused(status, body, **headers)


PERSON = {"object": "user", "id": ANN, "name": "Ann", "avatar_url": None, "type": "person"}
OPTIONS = [{"id": "1", "name": name, "color": "red"} for name in ("Not started", "Done")]
SCHEMA = {
    "Name": {"id": "title", "name": "Name", "type": "title", "title": {}},
    "Status": {"id": "s", "name": "Status", "type": "status", "status": {"options": OPTIONS}},
    "Tags": {"id": "t", "name": "Tags", "type": "multi_select", "multi_select": {
        "options": [{"id": "2", "name": "home"}, {"id": "3", "name": "work"}]}},
    "Due": {"id": "d", "name": "Due", "type": "date", "date": {}},
    "Size": {"id": "n", "name": "Size", "type": "number", "number": {"format": "number"}},
    "Owner": {"id": "p", "name": "Owner", "type": "people", "people": {}},
    "Total": {"id": "f", "name": "Total", "type": "formula", "formula": {"expression": "1"}},
}  # fmt: skip
VALUES: dict[str, Any] = {
    "Name": {"id": "title", "type": "title", "title": rich("Plan ") + rich("B")},
    "Status": {"id": "s", "type": "status", "status": OPTIONS[1]},
    "Tags": {"id": "t", "type": "multi_select", "multi_select": []},
    "Due": {"id": "d", "type": "date", "date": None},
    "Notes": {"id": "r", "type": "rich_text", "rich_text": rich("x" * 600)},
}
A_PAGE = {
    "object": "page",
    "id": PAGE,
    "created_time": "2026-11-01T09:00:00.000Z",
    "last_edited_time": "2026-11-02T09:00:00.000Z",
    "created_by": {"object": "user", "id": ANN},
    "icon": None,
    "cover": None,
    "parent": {"type": "data_source_id", "data_source_id": SOURCE, "database_id": DATABASE},
    "in_trash": False,
    "is_locked": False,
    "properties": VALUES,
    "url": f"https://www.notion.so/Plan-B-{BARE}",
    "public_url": None,
}
A_SOURCE = {
    "object": "data_source",
    "id": SOURCE,
    "title": rich("Tasks"),
    "description": [],
    "parent": {"type": "database_id", "database_id": DATABASE},
    "database_parent": {"type": "workspace", "workspace": True},
    "properties": SCHEMA,
    "in_trash": False,
    "url": f"https://www.notion.so/{DATABASE.replace('-', '')}",
}
A_DATABASE = {
    "object": "database",
    "id": DATABASE,
    "title": rich("Tasks"),
    "description": [],
    "parent": {"type": "page_id", "page_id": PAGE},
    "in_trash": False,
    "data_sources": [{"id": SOURCE, "name": "Tasks"}],
    "url": f"https://www.notion.so/{DATABASE.replace('-', '')}",
}
A_COMMENT = {
    "object": "comment",
    "id": "94cc56ab-9f02-409d-9f99-1037e9fe502f",
    "parent": {"type": "page_id", "page_id": PAGE},
    "discussion_id": TALK,
    "created_time": "2026-11-02T09:00:00.000Z",
    "created_by": {"object": "user", "id": ANN},
    "rich_text": rich("Looks good"),
    "display_name": {"type": "user", "resolved_name": "Ann"},
}


def block(kind: str, inner: Any, **more: Any) -> dict[str, Any]:
    return {"object": "block", "id": BLOCK, "type": kind, kind: inner, "has_children": False} | more


def markdown(text: str, **more: Any) -> Reply:
    page = {"object": "page_markdown", "id": PAGE, "markdown": text, "truncated": False}
    return replies.ok({**page, "unknown_block_ids": [], **more})


TEXT = '# Goals\n- [ ] Ship it\n- [ ] Tell all\n<page url="https://notion.so/x">Child</page>'
BLOCKS = [
    block("to_do", {"rich_text": rich("Ship it"), "checked": True}, has_children=True),
    block("quote", {"rich_text": rich("q" * 5_001)}),
    block("code", {"rich_text": rich("x = 1"), "language": "python", "caption": []}),
    block("table_row", {"cells": [rich("a"), rich("b")]}),
    block("child_page", {"title": "Child"}),
    block("image", {"type": "external", "external": {"url": "https://x/a.png"}, "caption": []}),
    block("link_to_page", {"type": "page_id", "page_id": BLOCK}),
    block("meeting_notes", {"title": rich("Weekly"), "status": "done"}),
    block("equation", {"expression": "a^2"}),
    block("brand_new", None),
]
NOT_A_SOURCE = refusal(404, "object_not_found", f"Could not find data source with ID: {DATABASE}.")

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "notion_v2",
    "NOTION_API_URL",
    {
        "NOTION_TOKEN": TOKEN,
        "MCP_ALLOW_WRITES": "true",
        "MCP_ALLOW_DESTRUCTIVE": "trash_page,delete_block,replace_page_markdown",
    },
    {
        "POST /v1/search": listed(A_PAGE, A_SOURCE, following="next"),
        f"GET /v1/pages/{PAGE}": replies.ok(A_PAGE),
        "POST /v1/pages": replies.ok(A_PAGE),
        f"PATCH /v1/pages/{PAGE}": replies.ok(A_PAGE),
        f"POST /v1/pages/{PAGE}/move": replies.ok(A_PAGE),
        f"GET /v1/pages/{PAGE}/markdown": markdown(TEXT),
        f"PATCH /v1/pages/{PAGE}/markdown": markdown("# New"),
        f"GET /v1/blocks/{PAGE}/children": listed(*BLOCKS),
        f"PATCH /v1/blocks/{PAGE}/children": listed(BLOCKS[0]),
        f"DELETE /v1/blocks/{BLOCK}": replies.ok(BLOCKS[0]),
        f"GET /v1/data_sources/{SOURCE}": replies.ok(A_SOURCE),
        f"GET /v1/data_sources/{DATABASE}": NOT_A_SOURCE,
        f"POST /v1/data_sources/{SOURCE}/query": listed(A_PAGE, following="next"),
        f"GET /v1/databases/{DATABASE}": replies.ok(A_DATABASE),
        "POST /v1/databases": replies.ok(A_DATABASE),
        "GET /v1/comments": listed(A_COMMENT),
        "POST /v1/comments": replies.ok(A_COMMENT),
        "GET /v1/users": listed({**PERSON, "person": {"email": "ann@example.com"}}),
        "GET /v1/users/me": replies.ok(
            {**PERSON, "type": "bot", "name": None, "bot": {"workspace_name": "Example"}}
        ),
    },
    {
        "search": {"query": "plan"},
        "retrieve_page": {"page_id": PAGE},
        "retrieve_page_markdown": {"page_id": PAGE},
        "get_block_children": {"block_id": PAGE},
        "query_data_source": {"data_source_id": SOURCE},
        "retrieve_data_source": {"data_source_id": SOURCE},
        "retrieve_database": {"database_id": DATABASE},
        "list_comments": {"block_id": PAGE},
        "list_users": {},
        "get_self": {},
        "create_page": {"title": "Plan", "parent_id": PAGE, "markdown": TEXT},
        "update_page": {"page_id": PAGE, "properties": {"Status": "Done"}},
        "move_page": {"page_id": PAGE, "parent_id": DATABASE, "parent_kind": "data_source"},
        "restore_page": {"page_id": PAGE},
        "update_page_markdown": {"page_id": PAGE, "insert": "More"},
        "append_block_children": {"block_id": PAGE, "blocks": [{"text": "x"}]},
        "create_comment": {"target_id": PAGE, "text": "Looks **good**"},
        "create_database": {"parent_page_id": PAGE, "title": "T", "properties": {"N": "title"}},
        "replace_page_markdown": {"page_id": PAGE, "markdown": "# New"},
        "delete_block": {"block_id": BLOCK},
        "trash_page": {"page_id": PAGE},
    },
    below="/v1",
)


@pytest.fixture
def notion() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


@pytest.mark.parametrize(
    "given",
    [
        *(PAGE, BARE, BARE.upper(), f" {PAGE} ", f"https://www.notion.so/{BARE}"),
        f"https://www.notion.so/team/Dead-beef-12345678-{BARE}?pvs=4",
        f"https://acme.notion.site/{BARE}#{BLOCK.replace('-', '')}",
        f"https://app.notion.com/p/{DATABASE.replace('-', '')}?v={SOURCE}&p={BARE}&pm=s",
    ],
)
def test_an_id_comes_in_every_form(given: str):
    assert TypeAdapter(PageId).validate_python(given) == PAGE


def test_a_link_to_a_block_is_its_id_where_a_block_is_asked_for():
    link = f"https://www.notion.so/Plan-{BARE}#block-{BLOCK.replace('-', '')}"
    assert TypeAdapter(BlockId).validate_python(link) == BLOCK


@pytest.mark.parametrize(
    "given",
    [
        *("Plan B", "", "../users", PAGE[:-1], BARE + "0", f"{PAGE}/../users", f"x-{BARE}"),
        *(f"https://notion.so.evil.example/{BARE}", f"https://evilnotion.so/{BARE}"),
        f"https://www.notion.so/0{BARE}",
        *(f"ftp://notion.so/{BARE}", "https://[notion.so/", "https://www.notion.so/Plan"),
    ],
)
def test_what_is_no_id_is_refused(given: str):
    with pytest.raises(ValidationError, match="expected an id such as"):
        TypeAdapter(PageId).validate_python(given)


async def test_what_is_no_id_is_not_sent(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        said = await tools.error("trash_page", page_id="Plan B")
    assert "got 'Plan B'. search finds pages by their titles." in said
    assert notion.asked == []


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"type": "title", "title": rich("a") + rich("b")}, "ab"),
        ({"type": "select", "select": None}, None),
        ({"type": "status", "status": {"name": "Done"}}, "Done"),
        ({"type": "multi_select", "multi_select": [{"name": "a"}, {"name": "b"}]}, ["a", "b"]),
        ({"type": "date", "date": {"start": "2026-11-27", "end": None}}, "2026-11-27"),
        ({"type": "date", "date": {"start": "2026-11-27", "end": "2026-11-28"}},
         "2026-11-27/2026-11-28"),
        ({"type": "number", "number": 0}, 0),
        ({"type": "checkbox", "checkbox": False}, False),
        ({"type": "url", "url": None}, None),
        ({"type": "people", "people": [PERSON]}, [{"id": ANN, "name": "Ann"}]),
        ({"type": "created_by", "created_by": {"id": ANN}}, {"id": ANN, "name": None}),
        ({"type": "relation", "relation": [{"id": PAGE}], "has_more": True}, [PAGE, "… and more"]),
        ({"type": "formula", "formula": {"type": "string", "string": "x"}}, "x"),
        ({"type": "formula", "formula": {"type": "date", "date": {"start": "2026-11-27"}}},
         "2026-11-27"),
        ({"type": "rollup", "rollup": {"type": "number", "number": 2, "function": "sum"}}, 2),
        ({"type": "rollup", "rollup": {"type": "array", "array": [
            {"type": "title", "title": rich("a")}]}}, ["a"]),
        ({"type": "files", "files": [{"name": "a", "type": "file", "file": {"url": "https://x"}}]},
         [{"name": "a", "url": "https://x"}]),
        ({"type": "unique_id", "unique_id": {"prefix": "T", "number": 3}}, "T-3"),
        ({"type": "unique_id", "unique_id": {"prefix": None, "number": 3}}, "3"),
        ({"type": "title", "title": None}, ""),
        ({"type": "select", "select": "?"}, None),
        ({"type": "invented", "invented": "x"}, "x"),
        *((None, None), ([], None), ("x", None), ({"type": "date"}, None), ({"type": ["x"]}, None)),
    ],
)  # fmt: skip
def test_properties_are_read_as_simple_values(value: object, read: object):
    assert plain(value) == read


def field(kind: str, *options: str) -> Property:
    return Property(name="P", type=kind, options=list(options) if options else None)


@pytest.mark.parametrize(
    ("given", "value", "told"),
    [
        (field("title"), "", []),
        (field("number"), 1.5, 1.5),
        (field("checkbox"), False, False),
        (field("status", "Done"), "done", {"name": "Done"}),
        (field("select", "a"), None, None),
        (field("multi_select", "a", "b"), "b", [{"name": "b"}]),
        (field("multi_select", "a"), None, []),
        (field("date"), "2026-11-27/2026-11-28", {"start": "2026-11-27", "end": "2026-11-28"}),
        (field("people"), [{"id": ANN, "name": "Ann"}], [{"id": ANN}]),
        (field("relation"), BARE, [{"id": PAGE}]),
        (field("url"), "", None),
        (field("files"), ["https://x/a"],
         [{"name": "https://x/a", "external": {"url": "https://x/a"}}]),
    ],
)  # fmt: skip
def test_properties_are_set_by_simple_values(given: Property, value: object, told: object):
    assert built(given, value) == {given.type: told}


def test_long_texts_are_split_and_whole():
    text = "🙂" * 2_500
    [items] = built(field("rich_text"), text).values()
    pieces = [one["text"]["content"] for one in items]
    assert "".join(pieces) == text
    assert max(len(piece.encode("utf-16-le")) // 2 for piece in pieces) == 2_000


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"Status": "Finished"}, "Status: got 'Finished', expected one of its options: 'Not st"),
    ({"Stat": "Done"}, "property 'Stat': there is no such one, expected one of Name (title),"),
    ({"Due": "tomorrow"}, "Due: it is a date, expected 2026-11-27, 2026-11-27T09:00:00Z, or"),
    ({"Due": "2026-11-27/2026-11-28/2026-11-29"}, "Due: it is a date"),
    ({"Size": "3"}, "Size: it is a number, expected a number, got '3'"),
    ({"Size": True}, "Size: it is a number"),
    ({"Owner": "Ann"}, "Owner: expected an id such as"),
    ({"Tags": [1]}, "Tags: it is a multi_select, expected names of options, got '[1]'"),
    ({"Name": ["a"]}, "Name: it is a title, expected a text"),
    ({"Total": 3}, "Total: a formula can't be set here"),
    ({"Size": "3", "Stat": 1, "Tags": "x"}, "got '3'; property 'Stat'"),
]


async def test_values_that_do_not_fit_are_not_sent(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        for properties, said in MISFITS:
            assert said in await tools.error("update_page", page_id=PAGE, properties=properties)
    assert {asked.method for asked in notion.asked} == {"GET"}


async def test_a_page_outside_a_data_source_has_only_its_title(notion: Service):
    alone = {**A_PAGE, "parent": {"type": "workspace", "workspace": True}}
    notion.routes[f"GET /v1/pages/{PAGE}"] = replies.ok(alone)
    async with STAND_IN.connected(notion) as tools:
        said = await tools.error("update_page", page_id=PAGE, properties={"Status": "Done"})
        assert "a page outside of data sources has its title only" in said
        await tools.ok("update_page", page_id=PAGE, title="New", icon="🎯", locked=True)
        assert "expected something to change" in await tools.error("update_page", page_id=PAGE)
    assert notion.asked[-1].body == {
        "icon": {"type": "emoji", "emoji": "🎯"},
        "is_locked": True,
        "properties": {"title": {"title": [{"type": "text", "text": {"content": "New"}}]}},
    }


async def test_a_page_in_a_data_source_is_created_with_its_properties(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        made = await tools.ok(
            "create_page", title="Plan", parent_id=f"https://www.notion.so/{DATABASE}?v={BARE}",
            parent_kind="data_source", properties={"Status": "done"}, markdown=TEXT,
        )  # fmt: skip
    assert (made["id"], made["title"]) == (PAGE, "Plan B")
    assert made["properties"] == {"Name": "Plan B", "Status": "Done", "Notes": "x" * 600}
    assert [asked.path.rpartition("/v1/")[2] for asked in notion.asked] == [
        f"data_sources/{DATABASE}", f"databases/{DATABASE}", f"data_sources/{SOURCE}", "pages",
    ]  # fmt: skip
    assert notion.asked[-1].body == {
        "parent": {"type": "data_source_id", "data_source_id": SOURCE},
        "properties": {
            "Name": {"title": [{"type": "text", "text": {"content": "Plan"}}]},
            "Status": {"status": {"name": "Done"}},
        },
        "markdown": TEXT,
    }
    sent = notion.asked[-1].headers
    assert (sent["Authorization"], sent["Notion-Version"]) == (f"Bearer {TOKEN}", "2026-03-11")


@pytest.mark.parametrize("count", [0, 2])
async def test_a_database_with_several_data_sources_names_them(notion: Service, count: int):
    several = [{"id": SOURCE, "name": "Tasks"}, {"id": BLOCK, "name": "Old"}][:count]
    notion.routes[f"GET /v1/databases/{DATABASE}"] = replies.ok(
        {**A_DATABASE, "data_sources": several}
    )
    async with STAND_IN.connected(notion) as tools:
        said = await tools.error("query_data_source", data_source_id=DATABASE)
    names = f"Tasks {SOURCE}, Old {BLOCK}" if count else "it has none"
    assert said.endswith(f"is a database: give the id of one of its data sources: {names}")


async def test_what_is_neither_is_told_as_notion_tells_it(notion: Service):
    notion.routes[f"GET /v1/databases/{DATABASE}"] = refusal(404, "object_not_found", "No database")
    async with STAND_IN.connected(notion) as tools:
        said = await tools.error("retrieve_data_source", data_source_id=DATABASE)
    assert "Could not find data source with ID" in said


FILTERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"property": "Status", "equals": "done"},
     {"property": "Status", "status": {"equals": "Done"}}),
    ({"property": "Status", "status": {"equals": "Done"}},
     {"property": "Status", "status": {"equals": "Done"}}),
    ({"or": [{"property": "Due", "is_empty": True}, {"property": "Size", "greater_than": 3}]},
     {"or": [{"property": "Due", "date": {"is_empty": True}},
             {"property": "Size", "number": {"greater_than": 3}}]}),
    ({"property": "Total", "number": {"equals": 1}},
     {"property": "Total", "formula": {"number": {"equals": 1}}}),
    ({"timestamp": "created_time", "created_time": {"past_week": {}}},
     {"timestamp": "created_time", "created_time": {"past_week": {}}}),
]  # fmt: skip


async def test_a_filter_needs_no_types(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        for given, told in FILTERS:
            await tools.ok("query_data_source", data_source_id=SOURCE, filter=given)
            assert notion.asked[-1].body["filter"] == told


async def test_a_query_is_sorted_and_its_rows_are_short(notion: Service):
    sorts = [{"property": "Due"}, {"property": "created_time", "direction": "descending"}]
    async with STAND_IN.connected(notion) as tools:
        page = await tools.ok(
            "query_data_source", data_source_id=SOURCE, sorts=sorts, limit=5, cursor="c"
        )
        only = await tools.ok("query_data_source", data_source_id=SOURCE, properties=["Status"])
    assert only["rows"][0]["properties"] == {"Status": "Done"}
    [row] = page["rows"]
    assert row["properties"]["Notes"] == "x" * 500 + "… [cut: 500 of 600 characters]"
    assert row["properties"].keys() == {"Name", "Status", "Notes"}
    assert (page["next_cursor"], page["data_source_id"]) == ("next", SOURCE)
    assert notion.asked[1].body == {
        "page_size": 5,
        "result_type": "page",
        "sorts": [
            {"property": "Due", "direction": "ascending"},
            {"timestamp": "created_time", "direction": "descending"},
        ],
        "start_cursor": "c",
    }


WRONG_QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"filter": {"property": "Stat", "equals": "x"}}, "property 'Stat': there is no such one"),
    ({"filter": {"property": "Status", "equals": "x"}}, "one of its options: 'Not started', "),
    ({"filter": {"property": "Status"}}, "Status is a status: expected one condition"),
    ({"filter": {"property": "Status", "status": "Done"}}, "expected one condition"),
    ({"filter": {"and": [{"or": [{"or": []}]}]}}, "takes and, or in two levels only"),
    ({"filter": {"and": ["Status"]}}, "filter: expected an object, got 'Status'"),
    ({"filter": {"equals": "x"}}, "property None: there is no such one"),
    ({"properties": ["Stat"]}, "property 'Stat': there is no such one"),
    ({"sorts": [{"property": "Stat"}]}, "property 'Stat': there is no such one"),
    ({"limit": 101}, "less than or equal to 100"),
]


async def test_a_query_that_does_not_fit_is_not_sent(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        for asked, said in WRONG_QUERIES:
            assert said in await tools.error("query_data_source", data_source_id=SOURCE, **asked)
    assert {asked.method for asked in notion.asked} == {"GET"}


async def test_lists_lead_on_and_say_what_is_missing(notion: Service):
    incomplete = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    notion.routes["POST /v1/search"] = listed(following="n", request_status=incomplete)
    async with STAND_IN.connected(notion) as tools:
        page = await tools.ok("search", kind="page", cursor="c")
    assert page == {"items": [], "next_cursor": "n", "incomplete": "query_result_limit_reached"}
    assert notion.asked[-1].body == {
        "page_size": 20,
        "sort": {"timestamp": "last_edited_time", "direction": "descending"},
        "filter": {"property": "object", "value": "page"},
        "start_cursor": "c",
    }


async def test_a_search_finds_titles(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        found = (await tools.ok("search", query="plan"))["items"]
    assert [(one["kind"], one["id"], one["title"]) for one in found] == [
        ("page", PAGE, "Plan B"), ("data_source", SOURCE, "Tasks"),
    ]  # fmt: skip
    assert found[0]["parent"] == {"type": "data_source_id", "id": SOURCE}
    assert notion.asked[-1].body == {"page_size": 20, "query": "plan"}


async def test_blocks_are_read_with_what_they_say(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        blocks = (await tools.ok("get_block_children", block_id=PAGE))["blocks"]
    told = [{key: one[key] for key in one if one[key] and key != "id"} for one in blocks]
    assert told == [
        {"type": "to_do", "text": "Ship it", "checked": True, "has_children": True},
        {"type": "quote", "text": "q" * 5_000 + "… [cut: 5000 of 5001 characters]"},
        {"type": "code", "text": "x = 1", "language": "python"},
        {"type": "table_row", "text": "a | b"},
        {"type": "child_page", "text": "Child"},
        {"type": "image", "url": "https://x/a.png"},
        {"type": "link_to_page", "text": BLOCK},
        {"type": "meeting_notes", "text": "Weekly"},
        {"type": "equation", "text": "a^2"},
        {"type": "brand_new"},
    ]


async def test_blocks_are_added_where_they_are_wanted(notion: Service):
    child = {"type": "to_do", "text": "b", "fields": {"checked": True}}
    blocks = [{"type": "toggle", "text": "a" * 1_500, "children": [child]}, {"type": "divider"}]
    async with STAND_IN.connected(notion) as tools:
        await tools.ok("append_block_children", block_id=PAGE, blocks=blocks, after=BLOCK)
        none = await tools.error("append_block_children", block_id=PAGE, blocks=[])
        many = [{"text": "x"}] * 101
        assert "at most 100" in await tools.error(
            "append_block_children", block_id=PAGE, blocks=many
        )
    assert "at least 1" in none
    [sent] = notion.asked
    toggle, divider = sent.body["children"]
    assert [len(one["text"]["content"]) for one in toggle["toggle"]["rich_text"]] == [1000, 500]
    [inner] = toggle["toggle"]["children"]
    assert inner["to_do"]["checked"] is True
    assert divider == {"type": "divider", "divider": {}}
    assert sent.body["position"] == {"type": "after_block", "after_block": {"id": BLOCK}}


async def test_a_long_page_is_read_in_parts_and_nothing_is_lost(notion: Service):
    text = "\n".join(["é" * 25_000, "", *(f"- {number}" for number in range(9_000))])
    left_out = [BLOCK] * 60
    notion.routes[f"GET /v1/pages/{PAGE}/markdown"] = markdown(
        text, truncated=True, unknown_block_ids=left_out
    )
    parts: list[str] = []
    cursor = None
    async with STAND_IN.connected(notion) as tools:
        while not parts or cursor:
            page = await tools.ok("retrieve_page_markdown", page_id=PAGE, cursor=cursor)
            parts, cursor = [*parts, page["markdown"]], page["next_cursor"]
        link = f"https://www.notion.so/Plan-{BARE}#{BLOCK.replace('-', '')}"
        past = await tools.ok("retrieve_page_markdown", page_id=link, cursor="WyI5OTk5OTk5Il0=")
        for wrong in ("x", "WyLCsiJd", "WyItMSJd"):
            said = await tools.error("retrieve_page_markdown", page_id=PAGE, cursor=wrong)
            assert "cursor: expected the next_cursor" in said
    assert len(parts) == 3
    assert "".join(parts) == text
    assert len(notion.asked) == 4, "wrong cursors are not sent"
    assert page["left_out_block_ids"] == left_out[:50]
    assert (past["markdown"], past["next_cursor"]) == ("", None)


async def test_edits_are_made_all_or_none(notion: Service):
    good = {"old": "- [ ] Ship it", "new": "- [x] Ship it"}
    bad = [good, {"old": "- [ ] Ship it", "new": ""}, {"old": "- [", "new": "* ["}]
    async with STAND_IN.connected(notion) as tools:
        said = await tools.error("update_page_markdown", page_id=PAGE, edits=bad)
        assert "none was made. 2: old is not in the page; 3: old is there 2 times" in said
        huge = {"old": " ", "new": "x" * 200_000, "everywhere": True}
        said = await tools.error("update_page_markdown", page_id=PAGE, edits=[huge, huge])
        assert "would make the page too long" in said
        assert [asked.method for asked in notion.asked] == ["GET", "GET"]
        edits = [good, {**bad[2], "everywhere": True}]
        made = await tools.ok("update_page_markdown", page_id=PAGE, edits=edits)
    assert made == {"page_id": PAGE, "length": 5}
    updates = [
        {"old_str": good["old"], "new_str": good["new"], "replace_all_matches": False},
        {"old_str": "- [", "new_str": "* [", "replace_all_matches": True},
    ]
    assert notion.asked[-1].body == {
        "type": "update_content",
        "update_content": {"content_updates": updates, "allow_deleting_content": False},
    }


async def test_markdown_is_inserted_or_a_page_replaced_without_losing_child_pages(notion: Service):
    path = f"PATCH /v1/pages/{PAGE}/markdown"
    async with STAND_IN.connected(notion) as tools:
        await tools.ok("update_page_markdown", page_id=PAGE, insert="x", at="start")
        inserted = notion.asked[-1].body
        both: dict[str, Any] = {"edits": [{"old": "a", "new": "b"}], "insert": "x"}
        assert "either edits or insert" in await tools.error("update_page_markdown", page_id=PAGE)
        said = await tools.error("update_page_markdown", page_id=PAGE, **both)
        assert "either edits or insert" in said
        await tools.ok("replace_page_markdown", page_id=PAGE, markdown="# New")
        message = "This operation would delete 1 child page(s): Child (x). Set allow_deleting…"
        notion.routes[path] = refusal(400, "validation_error", message)
        said = await tools.error("replace_page_markdown", page_id=PAGE, markdown="# New")
    assert "would delete 1 child page(s): Child" in said
    position = {"content": "x", "position": {"type": "start"}}
    assert inserted == {"type": "insert_content", "insert_content": position}
    assert len(notion.asked) == 3
    replaced = {"new_str": "# New", "allow_deleting_content": False}
    assert notion.asked[-1].body == {"type": "replace_content", "replace_content": replaced}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("page", {"parent": {"page_id": PAGE}}),
        ("block", {"parent": {"block_id": PAGE}}),
        ("discussion", {"discussion_id": PAGE}),
    ],
)
async def test_comments_go_where_they_belong(notion: Service, kind: str, target: dict[str, Any]):
    async with STAND_IN.connected(notion) as tools:
        made = await tools.ok("create_comment", target_id=PAGE, target_kind=kind, text="**a**")
    assert notion.asked[-1].body == {**target, "markdown": "**a**"}
    assert (made["text"], made["author"], made["discussion_id"]) == ("Looks good", "Ann", TALK)


async def test_a_database_is_described_in_simple_words(notion: Service):
    schema = {"Task": "title", "Due": "date", "Tags": {"multi_select": ["a", "b"]}}
    async with STAND_IN.connected(notion) as tools:
        arguments = {"parent_page_id": PAGE, "title": "Tasks", "inline": True}
        made = await tools.ok("create_database", **arguments, properties=schema)
        for titles in ({"Due": "date"}, {"A": "title", "B": "title"}):
            said = await tools.error("create_database", **arguments, properties=titles)
            assert "exactly one of type title" in said
        strange: list[Any] = ["formula", {}, {"status": []}, {"select": [], "multi_select": []}]
        for wrong in strange:
            both = {"N": "title", "A": wrong}
            await tools.error("create_database", **arguments, properties=both)
    assert made["data_sources"] == [{"id": SOURCE, "name": "Tasks"}]
    [sent] = notion.asked
    assert sent.body["initial_data_source"]["properties"] == {
        "Task": {"type": "title", "title": {}},
        "Due": {"type": "date", "date": {}},
        "Tags": {
            "type": "multi_select",
            "multi_select": {"options": [{"name": "a"}, {"name": "b"}]},
        },
    }


async def test_a_page_goes_to_the_trash_and_back(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        await tools.ok("trash_page", page_id=PAGE)
        await tools.ok("restore_page", page_id=PAGE)
    assert [asked.body for asked in notion.asked] == [{"in_trash": True}, {"in_trash": False}]


async def test_it_writes_and_destroys_only_where_that_is_allowed(notion: Service):
    destroying = {"replace_page_markdown", "delete_block", "trash_page"}
    async with STAND_IN.connected(notion, MCP_ALLOW_DESTRUCTIVE="") as tools:
        assert STAND_IN.calls.keys() - (await tools.listed()).keys() == destroying
    async with STAND_IN.connected(
        notion, MCP_ALLOW_WRITES="false", MCP_ALLOW_DESTRUCTIVE=""
    ) as tools:
        names = list(await tools.listed())
    assert names == list(STAND_IN.calls)[:10]


REFUSALS = [
    (404, "object_not_found", "adds the integration under ••• > Connections."),
    (403, "restricted_resource", "The integration lacks a capability for this: ask the operator"),
    (409, "conflict_error", "It was changed meanwhile: read it anew before you repeat this."),
    (400, "validation_error", "Change the arguments."),
    (429, "rate_limited", "Too many requests: try again in 40 s, and ask for less at once."),
    (529, "service_overload", "It may have taken effect anyway: check before you repeat it."),
]


async def test_a_write_that_is_refused_is_sent_once_and_explained(notion: Service):
    async with STAND_IN.connected(notion) as tools:
        for status, code, advice in REFUSALS:
            wait = {"Retry_After": "40"} if status == 429 else {}
            notion.routes["POST /v1/pages"] = refusal(status, code, "Because.", **wait)
            said = await tools.error("create_page", title="x", parent_id=PAGE)
            assert f"Notion refused ({status}): {code}: Because. " in said
            assert advice in said
    assert len(notion.asked) == len(REFUSALS)


def in_turn(*answers: Reply) -> Callable[[Request], Reply]:
    left = iter(answers)
    return lambda _: next(left)


@pytest.mark.parametrize(
    "passing", [refusal(429, "rate_limited", "…", Retry_After="0"), refusal(529, "overload", "…")]
)
async def test_a_query_outlives_what_passes(notion: Service, passing: Reply):
    """It is a POST, but safe to repeat."""
    async with STAND_IN.connected(notion) as tools:
        for path in ("search", f"data_sources/{SOURCE}/query"):
            notion.routes[f"POST /v1/{path}"] = in_turn(passing, listed())
        await tools.ok("search")
        await tools.ok("query_data_source", data_source_id=SOURCE)
    assert [asked.method for asked in notion.asked] == ["POST", "POST", "GET", "POST", "POST"]


@pytest.mark.parametrize(
    "page",
    [
        {"object": "page", "id": PAGE},
        {**A_PAGE, "properties": None, "parent": None, "url": None},
        {**A_PAGE, "properties": {"Name": None, "X": {"type": "title", "title": [None, 1]}}},
        {**A_PAGE, "properties": [], "parent": {"type": "agent_id", "agent_id": None}},
    ],
)
async def test_what_notion_leaves_out_is_no_fault(notion: Service, page: dict[str, Any]):
    notion.routes[f"GET /v1/pages/{PAGE}"] = replies.ok(page)
    comment = {"id": BLOCK, "display_name": None, "created_by": None, "rich_text": None}
    notion.routes["GET /v1/comments"] = listed(comment, request_status=None)
    async with STAND_IN.connected(notion) as tools:
        assert (await tools.ok("retrieve_page", page_id=PAGE))["id"] == PAGE
        assert (await tools.ok("list_comments", block_id=PAGE))["comments"][0]["author"] is None


async def test_the_token_is_in_no_answer_error_or_log(
    notion: Service, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    said = []
    async with STAND_IN.connected(notion) as tools:
        for tool, arguments in STAND_IN.calls.items():
            said.append(str(await tools.ok(tool, **arguments)))
        notion.routes["GET /v1/users/me"] = refusal(401, "unauthorized", f"{TOKEN} is invalid.")
        said.append(await tools.error("get_self"))
    assert "*** is invalid." in said[-1]
    assert TOKEN not in "".join(said) + caplog.text
    async with STAND_IN.connected(notion, NOTION_TOKEN="") as tools:
        assert "NOTION_TOKEN is not set" in await tools.error("search")
