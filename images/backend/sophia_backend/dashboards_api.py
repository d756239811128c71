"""The part of the REST API with the dashboards."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .callers import Caller, caller_of
from .charts import Charts, alerts_of
from .dashboards import RANGES, Dashboard, read_dashboards
from .fleet import Fleet
from .problems import Json, Problem
from .prometheus import Refused

RUNBOOKS = "SOPHIA_RUNBOOKS"
"""The variable with the address below which the repository's files can be read."""
OFF = "Nothing is monitored. To turn it on: pulumi config set --path monitoring.enabled true"
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")


def routes(fleet: Fleet, charts: Charts | None, runbooks: str = "") -> list[Route]:
    """Below /api/dashboards. charts: None where nothing is monitored."""
    known = read_dashboards()

    async def list_dashboards(request: Request) -> Response:
        caller = caller_of(request)
        shown = [
            {"name": name, "title": one.title, "about": one.about, "parameter": one.parameter}
            for name, one in known.items()
            if caller.every or not one.every
        ]
        return Json({"monitored": charts is not None, "dashboards": shown, "ranges": [*RANGES]})

    async def show_dashboard(request: Request) -> Response:
        caller, name = caller_of(request), request.path_params["dashboard"]
        dashboard = known.get(name)
        if dashboard is None:
            there = f"There is no dashboard {name[:64]!r}, only: {', '.join(known)}."
            raise Problem(404, "Unknown dashboard", there)
        if dashboard.every and not caller.every:
            raise Problem(403, "Not allowed", "Only callers who may use every server see this.")
        span = RANGES.get(request.query_params.get("range", "1h"))
        if span is None:
            got = request.query_params["range"][:20]
            expected = f"range: expected one of {', '.join(RANGES)}, got {got!r}."
            raise Problem(400, "Bad request", expected)
        if charts is None:
            raise Problem(404, "Monitoring is off", f"{OFF}, then pulumi up.")
        try:
            chosen, choices = await _chosen(request, dashboard, caller, fleet, charts)
            values = await charts.values(name, dashboard, span, chosen)
            alerts = await charts.prometheus.alerts()
        except Refused as refused:
            raise Problem(502, "Monitoring fails", f"Prometheus refuses: {refused}.") from None
        about: dict[str, Any] = {
            "name": name,
            "title": dashboard.title,
            "about": dashboard.about,
            "parameter": dashboard.parameter,
            "chosen": chosen,
            "choices": choices,
            "alerts": alerts_of(alerts, runbooks, None if caller.every else chosen),
        }
        return Json({**about, **values})

    return [
        Route("/api/dashboards", list_dashboards),
        Route("/api/dashboards/{dashboard}", show_dashboard),
    ]


async def _chosen(
    request: Request, dashboard: Dashboard, caller: Caller, fleet: Fleet, charts: Charts
) -> tuple[str, list[str]]:
    """What the dashboard is about, and what it may be about. "" is every node."""
    match dashboard.parameter:
        case "server":
            choices = [server.name for server in caller.servers(fleet)]
            first = choices[0] if choices else ""
            chosen = request.query_params.get("server", first)
            return caller.server(fleet, chosen).name, choices
        case "node":
            chosen = request.query_params.get("node", "")
            if chosen and not _NODE.fullmatch(chosen):
                raise Problem(400, "Bad request", f"node: expected a name, got {chosen[:64]!r}.")
            return chosen, sorted(await charts.prometheus.values_of("nodename"))
        case _:
            return "", []
