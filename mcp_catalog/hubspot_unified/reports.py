"""Traffic of the account's web pages, as HubSpot's analytics count it."""

from datetime import date
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.pages import Cursor, Limit, NextCursor
from sophia_mcp.upstream import Upstream

from .fields import listed

By = Literal[
    "totals", "sessions", "sources", "geolocation", "utm-campaigns", "utm-contents", "utm-mediums",
    "utm-sources", "utm-terms", "pages", "landing-pages", "standard-pages", "blog-posts",
    "listing-pages", "knowledge-articles", "forms", "event-completions", "social-assists",
]  # fmt: skip
Period = Literal[
    "total", "daily", "weekly", "monthly",
    "summarize/daily", "summarize/weekly", "summarize/monthly",
]  # fmt: skip
_Drill = Annotated[str | None, Field(max_length=500, description="A breakdown to look into")]


class Row(BaseModel):
    """Numbers of a breakdown (a source, a country, a page) in a period. Those left out are 0."""

    period: str | None
    breakdown: str | None
    numbers: dict[str, float]


class Report(BaseModel):
    """A report. total: rows of all pages."""

    total: int
    totals: dict[str, float]
    rows: list[Row]
    next_cursor: NextCursor


class Reports:
    """The tool."""

    def __init__(self, api: Upstream) -> None:
        self._api = api

    async def get_analytics(
        self, by: By, start: date, end: date, period: Period = "total", d1: _Drill = None,
        d2: _Drill = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Report:  # fmt: skip
        """Get visits, new contacts and the like of the account's web pages from start to end, by
        source (d1: organic, … and d2 look into one), country or page. summarize/daily has a row for
        each day, daily one for each breakdown, too. Records are counted by search_objects."""
        if start > end:
            raise ToolError(f"start: expected a day up to end ({end}), got {start}")
        first = pages.offset(cursor)
        params: dict[str, Any] = {"start": f"{start:%Y%m%d}", "end": f"{end:%Y%m%d}"}
        params |= {"d1": d1, "d2": d2}
        if whole := period == "total":
            params |= {"limit": limit, "offset": first}
        path = ("analytics", "v2", "reports", by, *period.split("/"))
        answer = await self._api.get(dict[str, Any], *path, params=params)
        if whole:
            rows = [_row(None, one) for one in listed(answer, "breakdowns")]
            known = answer.get("total")
            total = known if isinstance(known, int) else first + len(rows)
        else:
            days = {day: rows for day, rows in sorted(answer.items()) if isinstance(rows, list)}
            rows = [_row(day, one) for day, every in days.items() for one in every]
            total, rows = len(rows), rows[first : first + limit]
        last = first + len(rows)
        return Report(
            total=total,
            totals=_row(None, answer.get("totals")).numbers,
            rows=rows,
            next_cursor=pages.cursor(str(last)) if rows and last < total else None,
        )


def _row(period: str | None, given: object) -> Row:
    said = given if isinstance(given, dict) else {}
    numbers = {k: v for k, v in said.items() if isinstance(v, int | float) and v}
    return Row(period=period, breakdown=str(said.get("breakdown") or "") or None, numbers=numbers)
