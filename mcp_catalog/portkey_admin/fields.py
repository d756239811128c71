"""Types that arguments and answers share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import at_most

from .hidden import in_text

Slug = Annotated[str, Field(pattern=r"^[\w-]{1,200}$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Search = Annotated[str | None, Field(max_length=200, description="Part of the name")]
Workspace = Annotated[
    str | None,
    Field(
        pattern=r"^[\w-]{1,100}$",
        description="Id, or slug like ws-shared-e2a85b, of list_workspaces. Needed with a key of "
        "the whole organization; the key of a workspace stays within its own",
    ),
]
Note = Annotated[Text, AfterValidator(in_text), at_most(300)]

_PERIODS = {"rps": "second", "rpm": "minute", "rph": "hour", "rpd": "day", "rpw": "week"}


def _unit(given: object) -> object:
    return "usd" if given in (None, "cost") else given


def _some(given: object) -> list[Any]:
    """Portkey gives one, a list of them, or one without an amount."""
    many = given if isinstance(given, list) else [given]
    return [one for one in many if isinstance(one, dict) and one.get("credit_limit") is not None]


class Budget(BaseModel):
    """What may be spent until the next reset."""

    amount: float = at("credit_limit")
    unit: Annotated[str, BeforeValidator(_unit)] = at(
        "type", default="usd", description="usd or tokens"
    )
    alert_at: float | None = at("alert_threshold", default=None)
    resets: str | None = at("periodic_reset", default=None, description="weekly, monthly")
    resets_every_days: int | None = at("periodic_reset_days", default=None)
    next_reset_at: str | None = at("next_usage_reset_at", default=None)


class Rate(BaseModel):
    """How much in a time."""

    amount: float = at("value")
    of: str = at("type", default="requests", description="requests or tokens")
    per: Annotated[Text, AfterValidator(lambda unit: _PERIODS.get(unit, unit))] = at(
        "unit", default="", description="minute, hour, day"
    )


Budgets = Annotated[list[Budget], BeforeValidator(_some)]


class Limited(BaseModel):
    """What has limits of its own. Empty: none."""

    budgets: Budgets = at("usage_limits", default_factory=list)
    rate_limits: Many[Rate] = Field(default_factory=list)
