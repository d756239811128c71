"""Types that arguments and answers share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

PAGE = "pageInfo{hasNextPage endCursor}"
COMMENT = "author{login} body createdAt url"
"""Of GraphQL, as `Following` and Comment read them."""

Owner = Annotated[str, Field(min_length=1, max_length=100, description="User or organization")]
Repo = Annotated[str, Field(min_length=1, max_length=100, description="Name without its owner")]
Number = Annotated[int, Field(ge=1, description="As in #42")]
Ref = Annotated[str, Field(min_length=1, max_length=250, description="Branch, tag or commit")]
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="Whole sha of a commit")]
Name = Annotated[str, Field(min_length=1, max_length=250)]
Names = Annotated[list[Name], Field(max_length=20)]
Path = Annotated[str, Field(min_length=1, max_length=1_000, description="Like src/main.py")]
Title = Annotated[str, Field(min_length=1, max_length=256)]
Body = Annotated[str, Field(max_length=60_000, description="Markdown")]
Search = Annotated[str, Field(min_length=1, max_length=500)]
Few = Annotated[int, Field(ge=1, le=50, description="How many at most; fewer have longer texts")]


def _name(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    return entry.get("name") or entry.get("login") or _name(entry.get("requestedReviewer"))


def _names(entries: object) -> object:
    return list(filter(None, map(_name, entries))) if isinstance(entries, list) else entries


NamesOf = Annotated[list[str], BeforeValidator(_names)]
"""Of labels, people or files, which come as objects."""
Lower = Annotated[str, AfterValidator(str.lower)]


def moment(given: datetime | None) -> str | None:
    """As GitHub takes it. Without a time zone it is in UTC."""
    if given is None:
        return None
    utc = given.astimezone(UTC) if given.tzinfo else given
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}"
