import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import BaseModel
from sophia_mcp import pages

TEXTS = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


class Entry(BaseModel):
    text: str


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_cursor_is_read_as_it_was_written(parts: list[str]):
    assert pages.place(pages.cursor(*parts), len(parts)) == parts


@given(st.text())
def test_any_other_text_is_no_cursor(text: str):
    with pytest.raises(ToolError, match=r"^cursor: expected the next_cursor"):
        pages.place(text, 2)


def test_a_cursor_of_another_list_is_none():
    with pytest.raises(ToolError, match=r"^cursor: expected"):
        pages.place(pages.cursor("a"), 2)


def test_a_long_text_is_cut_with_a_mark():
    assert pages.cut("abc", 3) == "abc"
    assert pages.cut("abcd", 3) == "abc… [cut: 3 of 4 characters]"


def test_a_page_holds_what_fits_and_at_least_one():
    entries = [Entry(text="x" * 100) for _ in range(10)]
    assert len(pages.that_fit(entries, 350)) == 3
    assert len(pages.that_fit(entries, 1)) == 1
    assert pages.that_fit(entries) == entries
    assert pages.that_fit([]) == []


@given(st.integers(0, 9), st.none() | st.integers(1, 4))
def test_a_whole_list_is_read_page_by_page(count: int, limit: int | None):
    entries = [Entry(text=f"{number}" * 20_000) for number in range(count)]
    seen, cursor = [], None
    while True:
        page, cursor = pages.paged(entries, cursor, limit)
        assert len(page) <= min(limit or 2, 2)  # 60 kB, with the names of the fields
        seen += page
        if cursor is None:
            break
    assert seen == entries
    assert pages.paged(entries, pages.cursor("40"), limit) == ([], None)


class Page(BaseModel):
    next_cursor: pages.NextCursor = None


@pytest.mark.parametrize(("said", "read"), [("abc", "abc"), ("", None), (None, None)])
def test_the_last_page_leads_nowhere_however_a_service_says_that(said: str | None, read: object):
    assert Page(next_cursor=said).next_cursor == read


@pytest.mark.parametrize("part", ["", "-1", "1.5", "1000000", "\u0661", "x"])
def test_a_place_that_counts_is_a_number(part: str):
    assert pages.offset(None) == 0
    assert pages.offset(pages.cursor("40")) == 40
    with pytest.raises(ToolError, match=r"^cursor: expected the next_cursor"):
        pages.number(part)
    with pytest.raises(ToolError, match=r"^cursor: expected the next_cursor"):
        pages.offset(pages.cursor("1", "2"))


class Connection(BaseModel):
    next_cursor: pages.Following = None


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"hasNextPage": True, "endCursor": "abc"}, "abc"),
        ({"hasNextPage": False, "endCursor": "abc"}, None),
        ({"hasNextPage": True, "endCursor": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_graphql_says_where_a_page_ends_on_the_last_one_too(said: object, read: str | None):
    assert Connection.model_validate({"next_cursor": said}).next_cursor == read


class Said(BaseModel):
    text: str | None


@given(st.lists(st.text("abc", max_size=40) | st.none(), max_size=8), st.integers(0, 100))
def test_texts_share_a_budget_and_the_short_ones_stay_whole(texts: list[str | None], budget: int):
    entries = [Said(text=text) for text in texts]
    pages.cut_all(entries, "text", budget)
    kept = [(one.text or "").partition("… [cut")[0] for one in entries]
    assert sum(map(len, kept)) <= budget
    if sum(len(text or "") for text in texts) <= budget:
        assert [one.text for one in entries] == texts
    else:
        most = max(map(len, kept))
        assert all(k == (t or "")[:most] for k, t in zip(kept, texts, strict=True))
        assert sum(map(len, kept)) > budget - len(texts)


def result(data: dict[str, object] | None, *content: ContentBlock) -> CallToolResult:
    return CallToolResult(content=list(content), structured_content=data)


def texts(found: CallToolResult) -> list[str]:
    return [item.text for item in found.content if isinstance(item, TextContent)]


def test_data_is_one_text_without_indentation():
    indented = TextContent(type="text", text=json.dumps({"a": ["ä"]}, indent=2))
    found = pages.compact(result({"a": ["ä"]}, indented))
    assert texts(found) == ['{"a":["ä"]}']
    assert found.structured_content == {"a": ["ä"]}
    several = [TextContent(type="text", text=text) for text in ("1", "2")]
    assert texts(pages.compact(result({"result": [1, 2]}, *several))) == ['{"result":[1,2]}']


def test_a_tools_own_text_stays_as_it_is():
    own = TextContent(type="text", text='{ "a": 1 }')
    picture = ImageContent(type="image", data="", mime_type="image/png")
    for one in (result(None, own), result({"result": own.text}, own), result({}, own, picture)):
        assert pages.compact(one) is one
