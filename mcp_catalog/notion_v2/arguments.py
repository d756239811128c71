"""What tools take: ids with hyphens, without or in a link, names, texts, limits."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field

Place = Literal["fragment", "peek", "path"]

_PATTERN = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_ID = re.compile(_PATTERN, re.IGNORECASE)
_AT_THE_END = re.compile(f"(?<![0-9a-f]){_PATTERN}$", re.IGNORECASE)
_HOST = re.compile(r"(.+\.)?notion\.(so|com|site)")


def read_id(given: str, *places: Place) -> str:
    """The id with hyphens. places: of a link, the first that has an id counts: what comes after #,
    the page that is open beside a database (?p=…), or the last segment of the path.

    Raises:
        ValueError: it is neither an id nor a link to Notion that has one.
    """
    text = given.strip().removeprefix("collection://")
    if _ID.fullmatch(text):
        return str(UUID(text))
    for candidate in _in_link(text, places):
        if found := _AT_THE_END.search(candidate):
            return str(UUID(found[0]))
    raise ValueError(
        "expected an id such as 59833787-2cf9-4fdf-8782-e53db20768a5 (hyphens may be missing) or "
        f"a link to it in Notion, got {given[:100]!r}. search finds pages by their titles."
    )


def _in_link(text: str, places: tuple[Place, ...]) -> list[str]:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return []
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return []
    every = {
        "fragment": parts.fragment,
        "peek": parse_qs(parts.query).get("p", [""])[0],
        "path": parts.path.rstrip("/").rpartition("/")[2],
    }
    return [every[place] for place in places]


def _found(*places: Place) -> AfterValidator:
    return AfterValidator(lambda given: read_id(given, *places))


_Given = Annotated[str, Field(max_length=2_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Title = Annotated[str, Field(max_length=2_000)]
Markdown = Annotated[
    str,
    Field(
        max_length=200_000,
        description="Tabs indent what is inside a list item, <br> breaks a line in a block, $…$ is "
        "an equation; <details>, <callout>, <columns> and <table> as retrieve_page_markdown has "
        "them",
    ),
]
PageId = Annotated[_Given, _found("peek", "path"), Field(description="Id or link of a page")]
BlockId = Annotated[
    _Given, _found("fragment", "peek", "path"), Field(description="Id or link of a block or page")
]
SourceId = Annotated[
    _Given,
    _found("path"),
    Field(description="Id of a data source, or id or link of a database that has one"),
]
DatabaseId = Annotated[_Given, _found("path"), Field(description="Id or link of a database")]
ParentId = Annotated[
    _Given,
    _found("peek", "path"),
    Field(description="Id or link of a page, or of a data source or its database"),
]
TargetId = Annotated[
    _Given,
    _found("fragment", "peek", "path"),
    Field(description="Id or link of a page or block, or discussion_id of a comment"),
]
