"""Types that arguments share."""

import re
from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

_ISSUE = re.compile(
    r"(?:https?://\S+/issue/)?([A-Za-z][A-Za-z0-9_]*-[0-9]+)(?:[/?#]\S*)?|([0-9a-fA-F-]{36})"
)
_SLUG = re.compile(r"https?://\S+/(?:project|document)/[^/\s]*?([0-9a-f]{12})(?:[/?#]\S*)?")


def _issue(text: str) -> str:
    if not (found := _ISSUE.fullmatch(text.strip())):
        raise ValueError(f"expected an identifier such as ENG-123, a link or an id, got {text!r}")
    return found[1] or found[2]


def _slug(text: str) -> str:
    return found[1] if (found := _SLUG.fullmatch(text.strip())) else text


Issue = Annotated[
    str, Field(max_length=500, description="Like ENG-123; or its link, or its id"),
    AfterValidator(_issue),
]  # fmt: skip
Name = Annotated[str, Field(min_length=1, max_length=200, description="Name or id")]
Team = Annotated[Name, Field(description="Key, name or id, like ENG")]
Person = Annotated[Name, Field(description="me, name, e-mail address or id")]
Project = Annotated[Name, Field(description="Name, link or id"), AfterValidator(_slug)]
Document = Annotated[Name, Field(description="Link or id"), AfterValidator(_slug)]
Cycle = Annotated[Name, Field(description="current, next, previous, number, name or id")]
State = Annotated[Name, Field(description="Name or id of a status, like In Progress")]
Milestone = Annotated[Name, Field(description="Name or id of a milestone of the project")]
Names = Annotated[list[Name], Field(min_length=1, max_length=10)]
Types = list[Literal["triage", "backlog", "unstarted", "started", "completed", "canceled"]]
Priority = Literal["none", "urgent", "high", "medium", "low"]
PRIORITIES = get_args(Priority)
"""As Linear numbers them."""

Estimate = Annotated[int, Field(ge=0, le=1_000, description="Points")]
Day = Annotated[date, Field(description="Like 2026-11-26")]
Moment = Annotated[
    str,
    Field(
        pattern=r"^(\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?|-P[0-9YMWDTHS]+)$",
        description="Like 2026-11-26, 2026-11-26T09:00:00Z or -P2W: two weeks ago",
    ),
]
Title = Annotated[str, Field(min_length=1, max_length=255)]
Markdown = Annotated[str, Field(max_length=100_000, description="Markdown")]
Query = Annotated[str, Field(min_length=1, max_length=200, description="Part of a name")]
Search = Annotated[str, Field(min_length=1, max_length=500)]
Limit = Annotated[int, Field(ge=1, le=50, description="How many at most")]
Archived = Annotated[bool, Field(description="Also what is archived")]
