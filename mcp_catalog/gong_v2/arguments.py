"""Arguments of tools, as a model sees them."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

_LINK = re.compile(r"(?:.*[?&]id=)?(\d{1,20})(?:&.*)?")


def _call_id(given: str) -> str:
    if (found := _LINK.fullmatch(given.strip())) is None:
        raise ValueError("expected a call's id, or the link to its page in Gong")
    return found[1]


Id = Annotated[str, Field(pattern=r"^\d{1,20}$")]
Ids = Annotated[list[Id] | None, Field(min_length=1, max_length=100)]
CallId = Annotated[
    str, AfterValidator(_call_id), Field(max_length=500, description="Id, or link to its page")
]
Since = Annotated[AwareDatetime, Field(description="Calls from then on: 2026-11-01T00:00:00Z")]
Until = Annotated[AwareDatetime | None, Field(description="Calls before that; now if left out")]
Hosts = Annotated[Ids, Field(description="Users who hosted them; ids of list_users")]
Workspace = Annotated[Id | None, Field(description="Id of list_workspaces")]
Few = Annotated[int, Field(ge=1, le=40, description="Calls at most")]
Word = Annotated[str, Field(min_length=2, max_length=100, pattern=r"\S")]
Part = Annotated[Word | None, Field(description="Part of it")]
Who = Annotated[Word | None, Field(description="Part of a name or address, or a user's id")]
Account = Annotated[
    Word | None,
    Field(description="Part of an account's or deal's name, its CRM id, or customers' domain"),
]
Tracker = Annotated[Word | None, Field(description="Came up in them: part of its name, or id")]
Side = Literal["Internal", "External"] | None
Deal = Annotated[Word, Field(description="CRM id, or part of the name")]
Minute = Annotated[float | None, Field(ge=0, le=10_000)]
Words = Annotated[
    list[Word],
    Field(
        min_length=1,
        max_length=20,
        description="Words or phrases, of which any is looked for; disc finds discount, too",
    ),
]
Day = Annotated[date, Field(description="Like 2026-11-01, in the company's time zone")]
