"""Types that arguments and answers share."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
)
from sophia_mcp.fields import Text
from sophia_mcp.pages import at_most, cut

_NAME = r"^[^\s:/]+(/[^\s:/]+){0,9}$"
Repository = Annotated[
    str,
    Field(
        pattern=_NAME,
        max_length=500,
        description="Like web, acme/web or gl/acme/web (gh GitHub, gl GitLab, bb Bitbucket)",
    ),
]
Organization = Annotated[
    str | None,
    Field(
        pattern=_NAME,
        max_length=500,
        description="Like acme or gl/acme. Defaults to the operator's, or the only one",
    ),
]
Branch = Annotated[
    str | None, Field(max_length=250, description="One that Codacy analyses; else the main one")
]
Name = Annotated[str, Field(min_length=1, max_length=250)]
Names = Annotated[list[Name] | None, Field(max_length=50)]
Search = Annotated[str | None, Field(max_length=250, description="Part of the name or path")]

Line = Annotated[Text, AfterValidator(lambda text: cut(text.strip(), 300))]
Long = Annotated[Text, at_most(4_000)]


class Hits(BaseModel):
    """How often tests ran a line."""

    line: int = Field(validation_alias=AliasChoices("line", "lineNumber"))
    hits: int


_HITS = TypeAdapter(list[Hits])


def _uncovered(given: object) -> str:
    """Lines that no test runs, those in a row together."""
    try:
        hits = _HITS.validate_python(given or [])
    except ValidationError:
        raise ValueError("expected lines with their hits") from None
    rows: list[list[int]] = []
    for line in sorted(one.line for one in hits if not one.hits):
        if rows and line == rows[-1][1] + 1:
            rows[-1][1] = line
        else:
            rows.append([line, line])
    return cut(", ".join("-".join(map(str, dict.fromkeys(row))) for row in rows), 2_000)


Uncovered = Annotated[
    str, BeforeValidator(_uncovered), Field(description="Lines that no test runs, like 3, 7-9")
]
