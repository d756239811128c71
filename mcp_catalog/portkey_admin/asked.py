"""Which requests analytics are about: from when to when, and which of them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field

DAYS = 7

_FORM = "Day or moment, like 2026-11-01 or 2026-11-01T09:30:00Z; UTC without an offset"
Start = Annotated[
    str | None, Field(max_length=40, description=f"{_FORM}. Defaults to {DAYS} days before end")
]
End = Annotated[
    str | None, Field(max_length=40, description=f"{_FORM}. A day is included. Defaults to now")
]
_Item = Annotated[str, Field(pattern=r"^[^,]{1,200}$")]
_Model = Annotated[
    str, Field(pattern=r"^[^,/]+/[^,]{1,200}$", description="Service and model: openai/gpt-4o")
]
_Items = Annotated[list[_Item] | None, Field(min_length=1, max_length=50)]


class Filters(BaseModel):
    """Only requests that match all of them."""

    model_config = ConfigDict(extra="forbid")  # otherwise an unknown filter would be ignored

    models: Annotated[list[_Model] | None, Field(min_length=1, max_length=50)] = None
    virtual_keys: _Items = Field(None, description="Slugs, of providers too")
    configs: _Items = Field(None, description="Slugs")
    prompts: _Items = Field(None, description="Slugs")
    api_key_ids: _Items = Field(None, description="Ids of list_api_keys")
    trace_ids: _Items = None
    status_codes: Annotated[list[int] | None, Field(min_length=1, max_length=50)] = None
    metadata: dict[str, str] | None = Field(None, description='Like {"_user": "ann"}')

    def query(self) -> dict[str, str]:
        """As Portkey names them."""
        models = [one.replace("/", "__", 1) for one in self.models or []]
        lists: dict[str, Sequence[object] | None] = {
            "ai_org_model": models, "virtual_keys": self.virtual_keys, "configs": self.configs,
            "prompt_slug": self.prompts, "api_key_ids": self.api_key_ids,
            "trace_id": self.trace_ids, "status_code": self.status_codes,
        }  # fmt: skip
        metadata = {"metadata": json.dumps(self.metadata)} if self.metadata else {}
        return {name: ",".join(map(str, many)) for name, many in lists.items() if many} | metadata


class Range(BaseModel):
    """From when to when."""

    start: datetime
    end: datetime


def asked_range(start: str | None, end: str | None) -> Range:
    """Both ends, where one or both may be left out.

    Raises:
        ToolError: one is not a time, or the start is not before the end.
    """
    until = _moment("end", end, time.max) if end else datetime.now(UTC)
    since = _moment("start", start, time.min) if start else until - timedelta(days=DAYS)
    since, until = since.replace(microsecond=0), until.replace(microsecond=0)
    if since >= until:
        expected = f"start: expected a time before the end, {until.isoformat()}"
        raise ToolError(f"{expected}, got {since.isoformat()}")
    return Range(start=since, end=until)


def _moment(name: str, text: str, of_day: time) -> datetime:
    """of_day: the time for a day without one."""
    try:
        day = date.fromisoformat(text)
        moment = datetime.combine(day, of_day)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ToolError(f"{name}: expected {_FORM}; got {text!r}") from None
    if moment.year < 2000:  # Portkey is younger, and dates have a first one
        raise ToolError(f"{name}: expected a time since 2000, got {text!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
