"""Answers that fit a model: pages with cursors, long texts cut, a final limit."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

MOST_BYTES = 100_000
"""For an answer; about 25,000 tokens."""

PAGE_BYTES = 60_000
"""For a page's entries; the rest is for what surrounds them."""

TEXTS = 24_000
"""Characters of all long texts in an answer: at 4 bytes each it stays below the limit."""

Limit = Annotated[int, Field(ge=1, le=100, description="How many at most")]
Cursor = Annotated[
    str | None, Field(max_length=1_000, description="next_cursor of the answer before")
]
NextCursor = Annotated[
    str | None,
    AfterValidator(lambda given: given or None),  # on the last page, some services say ""
    Field(description="Give it as cursor to get the next page; null on the last"),
]


def _following(page: object) -> object:
    if not isinstance(page, dict):
        return page
    return page.get("endCursor") if page.get("hasNextPage") else None


Following = Annotated[NextCursor, BeforeValidator(_following)]
"""The same, read from a connection's `pageInfo{hasNextPage endCursor}` in GraphQL."""

T = TypeVar("T", bound=BaseModel)


def cursor(*parts: str) -> str:
    """A position in a list as a text that only this server reads."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def place(given: str, count: int) -> list[str]:
    """The parts that were passed to `cursor`.

    Raises:
        ToolError: it is not one of ours, or has another number of parts.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(given.encode()))
    except ValueError:
        raise bad_cursor() from None
    good = isinstance(parts, list) and len(parts) == count
    if not good or not all(isinstance(p, str) and p and "\0" not in p for p in parts):
        raise bad_cursor()
    return [str(part) for part in parts]


def number(part: str) -> int:
    """A part of a cursor that is a count.

    Raises:
        ToolError: it isn't one.
    """
    if not re.fullmatch(r"[0-9]{1,6}", part):
        raise bad_cursor()
    return int(part)


def offset(given: str | None) -> int:
    """How many entries precede the page of `cursor(str(count))`; 0 without a cursor.

    Raises:
        ToolError: it isn't such a cursor.
    """
    return number(place(given, 1)[0]) if given else 0


def bad_cursor() -> ToolError:
    """For an invalid cursor."""
    return ToolError(
        "cursor: expected the next_cursor of a previous answer of this tool, unchanged"
    )


def cut(text: str, most: int) -> str:
    """The text, or its beginning with a mark that says how long it was."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… [cut: {most} of {len(text)} characters]"


def at_most(characters: int) -> AfterValidator:
    """Cuts an answer's text, as in `Annotated[Text, at_most(300)]`."""
    return AfterValidator(lambda text: cut(text, characters))


def cut_all(entries: Sequence[BaseModel], field: str, budget: int = TEXTS) -> None:
    """Cuts that text of each (it may be null), so that all together fit the budget of characters.
    Short ones stay whole, and leave their share to the others."""
    texts = [getattr(one, field) or "" for one in entries]
    left, most = budget, 0
    for number, length in enumerate(sorted(map(len, texts))):
        most = left // (len(texts) - number)
        if length > most:
            break
        left -= length
    for one, text in zip(entries, texts, strict=True):
        if len(text) > most:
            setattr(one, field, cut(text, most))


def that_fit(entries: Sequence[T], budget: int = PAGE_BYTES) -> list[T]:
    """As many of the first entries as fit a page; at least one, however long."""
    used = 0
    kept: list[T] = []
    for entry in entries:
        used += len(entry.model_dump_json().encode())
        if kept and used > budget:
            break
        kept.append(entry)
    return kept


def paged(
    entries: Sequence[T], given: str | None, limit: int | None = None
) -> tuple[list[T], str | None]:
    """A page of a whole list, for services that have none: as many entries as fit, at most limit of
    them, and the cursor of the next page. given: the cursor of this one.

    Raises:
        ToolError: the cursor is none of ours.
    """
    start = offset(given)
    page = that_fit(entries[start:][:limit])
    end = start + len(page)
    return page, cursor(str(end)) if end < len(entries) else None


def compact(result: CallToolResult) -> CallToolResult:
    """The same with its data as a text without indentation, which is most of a deeply nested one.

    A tool's own text stays unchanged.
    """
    data = result.structured_content
    own = data is None or isinstance(data.get("result"), str)
    if own or not all(isinstance(item, TextContent) for item in result.content):
        return result
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return result.model_copy(update={"content": [TextContent(type="text", text=text)]})


def size(result: CallToolResult) -> int:
    """Bytes of an answer that a model reads. The same content as text and as data counts once."""
    return sum(
        len((item.text if isinstance(item, TextContent) else item.model_dump_json()).encode())
        for item in result.content
    )
