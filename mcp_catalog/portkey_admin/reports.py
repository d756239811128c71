"""What analytics answer, and how Portkey says it: by graphs, in US cents."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import NextCursor

from .asked import Range

POINTS = 400

Number = int | float | None
_NEWEST = Field(description=f"The newest {POINTS}, oldest first")


def to_usd(cents: float | None) -> float | None:
    """US dollars."""
    return None if cents is None else round(cents / 100, 6)


_Cents = Annotated[Number, AfterValidator(to_usd)]


class _Values(BaseModel):
    total: Number = None
    avg: Number = None
    rate: Number = None
    p50: Number = None
    p90: Number = None
    p99: Number = None


class Summary(_Values):
    """Of all points of a graph, whichever it is of."""

    retry: Number = None
    fallback: Number = None


class Point(_Values):
    """One of a graph: of a time, or of a status."""

    status_code: int | None = None
    count: Number = None
    simple_saved: Number = at("cumulative_simple_cache_savings", default=None)
    semantic_saved: Number = at("cumulative_semantic_cache_savings", default=None)
    at: Text = at("timestamp", default="")

    @property
    def saved_cents(self) -> Number:
        """By both kinds of cache until then; None where neither is told."""
        both = [one for one in (self.simple_saved, self.semantic_saved) if one is not None]
        return sum(both) if both else None


class Graph(BaseModel):
    """What Portkey counts."""

    whole: Annotated[Summary, BeforeValidator(lambda given: given or {})] = at(
        "summary", default_factory=Summary
    )
    points: Annotated[Many[Point], AfterValidator(lambda many: many[-POINTS:])] = at(
        "data_points", default_factory=list
    )


class Of(BaseModel):
    """What an answer is about."""

    time_range: Range
    workspace: str | None = Field(None, description="null: the key's own, or the default one")


class UsagePoint(BaseModel):
    """From then until the next one."""

    at: str
    requests: Number = None
    tokens: Number = None
    users: Number = None


class Usage(Of):
    """How much was asked. users: different ones, by the metadata _user."""

    requests: Number
    tokens: Number
    tokens_per_request: Number
    users: Number
    points: Annotated[list[UsagePoint], _NEWEST]


class CostPoint(BaseModel):
    """From then until the next one."""

    at: str
    cost_usd: float | None = None
    usd_per_request: float | None = None


class Cost(Of):
    """What was spent, in US dollars."""

    cost_usd: float | None
    usd_per_request: float | None
    points: Annotated[list[CostPoint], _NEWEST]


class Status(BaseModel):
    """How often requests ended with a status of HTTP."""

    status_code: int
    count: Number


class HealthPoint(BaseModel):
    """From then until the next one."""

    at: str
    errors: Number = None
    p50_ms: Number = None
    p99_ms: Number = None


class Health(Of):
    """How requests went. p90_ms: nine in ten were answered within it."""

    errors: Number
    error_percent: Number
    errors_by_status: list[Status]
    rescued_by_retry: Number
    rescued_by_fallback: Number
    average_ms: Number
    p50_ms: Number
    p90_ms: Number
    p99_ms: Number
    cache_hits: Number
    cache_hit_percent: Number
    cache_saved_usd: float | None
    points: Annotated[list[HealthPoint], _NEWEST]


class Group(BaseModel):
    """A user, model or value of metadata."""

    name: str | None = None
    requests: Number = None
    cost_usd: _Cents = at("cost", default=None)
    tokens_per_request: Number = at("avg_tokens", default=None)
    last_seen: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, raw: Any) -> Any:
        """Each kind of group has its own key for the name."""
        if not isinstance(raw, dict):
            return raw
        keys = ("user", "ai_model", "metadata_value")
        return {**raw, "name": next((raw[key] for key in keys if raw.get(key)), None)}


class Groups(Of):
    """Groups. total: of all pages."""

    groups: list[Group]
    total: int | None
    next_cursor: NextCursor = None
