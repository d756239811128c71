"""Requests through Portkey: their content, cost and results."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.arguments import given
from sophia_mcp.pages import Cursor, Limit

from .asked import End, Filters, Start, asked_range
from .fields import Workspace
from .portkey import Page, Portkey
from .reports import (
    Cost,
    CostPoint,
    Graph,
    Group,
    Groups,
    Health,
    HealthPoint,
    Status,
    Usage,
    UsagePoint,
    to_usd,
)

T = TypeVar("T", bound=BaseModel)

_SCOPE = "analytics.view"


class AnalyticsTools:
    """The tools."""

    def __init__(self, portkey: Portkey) -> None:
        self._portkey = portkey

    async def get_usage_analytics(
        self, start: Start = None, end: End = None, workspace: Workspace = None,
        filters: Filters | None = None,
    ) -> Usage:  # fmt: skip
        """Get how many requests, tokens and users there were, in all and over time."""
        of, params = await self._about(start, end, workspace, filters)
        requests, tokens, users = await self._graphs(params, "requests", "tokens", "users")
        return Usage(
            **of, requests=requests.whole.total, tokens=tokens.whole.total,
            tokens_per_request=tokens.whole.avg, users=users.whole.total,
            points=_merged(UsagePoint, (
                (requests, {"requests": "total"}), (tokens, {"tokens": "total"}),
                (users, {"users": "total"}),
            )),
        )  # fmt: skip

    async def get_cost_analytics(
        self, start: Start = None, end: End = None, workspace: Workspace = None,
        filters: Filters | None = None,
    ) -> Cost:  # fmt: skip
        """Get what requests cost in US dollars, in all and over time. get_grouped_analytics has
        it by user or metadata."""
        of, params = await self._about(start, end, workspace, filters)
        [cost] = await self._graphs(params, "cost")
        points = [
            CostPoint(at=one.at, cost_usd=to_usd(one.total), usd_per_request=to_usd(one.avg))
            for one in cost.points
        ]
        total, each = to_usd(cost.whole.total), to_usd(cost.whole.avg)
        return Cost(**of, cost_usd=total, usd_per_request=each, points=points)

    async def get_health_analytics(
        self, start: Start = None, end: End = None, workspace: Workspace = None,
        filters: Filters | None = None,
    ) -> Health:  # fmt: skip
        """Get how requests went: errors by status, what retries and fallbacks rescued, latency,
        and what the cache saved."""
        of, params = await self._about(start, end, workspace, filters)
        errors, rate, statuses, rescued, latency, cache = await self._graphs(
            params, "errors", "errors/rate", "errors/status-codes", "requests/rescued", "latency",
            "cache/hit-rate",
        )  # fmt: skip
        took = latency.whole
        return Health(
            **of, errors=errors.whole.total, error_percent=rate.whole.rate,
            errors_by_status=[
                Status(status_code=one.status_code, count=one.count)
                for one in statuses.points if one.status_code is not None
            ],
            rescued_by_retry=rescued.whole.retry, rescued_by_fallback=rescued.whole.fallback,
            average_ms=took.avg, p50_ms=took.p50, p90_ms=took.p90, p99_ms=took.p99,
            cache_hits=cache.whole.total, cache_hit_percent=cache.whole.rate,
            cache_saved_usd=to_usd(cache.points[-1].saved_cents) if cache.points else None,
            points=_merged(HealthPoint, (
                (errors, {"errors": "total"}), (latency, {"p50_ms": "p50", "p99_ms": "p99"}),
            )),
        )  # fmt: skip

    async def get_grouped_analytics(
        self, by: Literal["user", "model", "metadata"],
        metadata_key: Annotated[str | None, Field(max_length=100, description="Like team")] = None,
        start: Start = None, end: End = None, workspace: Workspace = None,
        filters: Filters | None = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Groups:  # fmt: skip
        """Get requests and US dollars by user, model (requests only) or the values of a key of
        metadata. With a cursor, give the start and end of the answer before."""
        if (by == "metadata") != bool(metadata_key):
            raise ToolError("metadata_key: expected with by=metadata, and only then")
        of, params = await self._about(start, end, workspace, filters)
        kinds = {"user": ("users",), "model": ("ai-models",)}
        path = ("analytics", "groups", *kinds.get(by, ("metadata", metadata_key or "")))
        page = await self._portkey.page(
            Page[Group], _SCOPE, *path, limit=limit, cursor=cursor, **params
        )
        return Groups(**of, groups=page.items, total=page.total, next_cursor=page.next_cursor)

    async def _about(
        self, start: str | None, end: str | None, workspace: str | None, filters: Filters | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The answer's metadata, and the requested part. Raises ToolError."""
        range_ = asked_range(start, end)
        slug = await self._portkey.workspace_slug(workspace)
        params = given(
            time_of_generation_min=range_.start.isoformat(),
            time_of_generation_max=range_.end.isoformat(), workspace_slug=slug,
        )  # fmt: skip
        of = {"time_range": range_, "workspace": slug}
        return of, params | (filters.query() if filters else {})

    async def _graphs(self, params: dict[str, Any], *names: str) -> list[Graph]:
        paths = [("analytics", "graphs", *name.split("/")) for name in names]
        return await asyncio.gather(
            *(self._portkey.get(Graph, _SCOPE, *path, **params) for path in paths)
        )


def _merged(kind: type[T], graphs: Iterable[tuple[Graph, Mapping[str, str]]]) -> list[T]:
    """Points of several graphs by time. For each graph: our fields and its own."""
    by_time: dict[str, dict[str, Any]] = {}
    for graph, fields in graphs:
        for point in graph.points:
            known = by_time.setdefault(point.at, {"at": point.at})
            known |= {ours: getattr(point, its) for ours, its in fields.items()}
    return [kind.model_validate(by_time[at]) for at in sorted(by_time)]
