"""Types that arguments and answers share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import NextCursor

Value = str | int | float | bool
_AS_TEXT = BeforeValidator(lambda given: str(given) if isinstance(given, int) else given)

_TYPES = "contacts, companies, deals, tickets, notes, tasks, …; a custom one as 2-123456 or p_car"
ObjectType = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$", description=_TYPES)]
Id = Annotated[str, Field(pattern=r"^\d{1,20}$", description="Number of a record"), _AS_TEXT]
Key = Annotated[str, Field(min_length=1, max_length=250, description="Id of a record"), _AS_TEXT]
_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
Name = Annotated[_Key, Field(description="Internal name")]


def text(value: Value | list[str] | None) -> str:
    """A value as HubSpot keeps it: several choices with semicolons, "" for nothing."""
    if isinstance(value, list):
        return ";".join(value)
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


Values = Annotated[
    # A description alone would be a schema of the keys that accepts anything.
    dict[_Key, Value | list[str] | None],
    AfterValidator(lambda given: {name: text(value) for name, value in given.items()}),
    Field(description="By internal name, like {dealstage: closedwon}; null empties one"),
]


class Given(BaseModel):
    """An argument with parts; one that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Found(BaseModel):
    """A part of an answer. HubSpot gives some ids as numbers."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class Page(Found):
    """A page of a list."""

    next_cursor: NextCursor = at("paging", "next", "after", default=None)


def listed(given: object, key: str) -> list[Any]:
    """The value as a list, whatever HubSpot's form."""
    found = given.get(key) if isinstance(given, dict) else None
    return found if isinstance(found, list) else [] if found in (None, "") else [found]
