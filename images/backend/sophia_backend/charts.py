"""One dashboard with its values, as the page draws it."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from time import time
from typing import Any

from .dashboards import LEAST_WINDOW_S, NUMBERS_OVER_S, Dashboard, Panel, Range, filled, named
from .prometheus import Prometheus, Refused, Series

SCRAPE_S = 10
"""How often Prometheus has something new, as components/plan/monitoring.py says."""
MOST_LINES = 24
"""In one panel; those with the highest values."""
_AT_ONCE = 4
_MOST_KEPT = 64


class Charts:
    """Asks for the values of dashboards.

    Whatever was asked within ten seconds is asked once, however many pages are open.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus
        self._known: OrderedDict[tuple[Any, ...], asyncio.Task[dict[str, Any]]] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def values(
        self, name: str, dashboard: Dashboard, span: Range, chosen: str
    ) -> dict[str, Any]:
        """Every panel with its state and lines. chosen: the server or node; "" for all nodes.

        Raises:
            Problem: no Prometheus answers.
        """
        now = int(time())
        end = now // span.step_s * span.step_s  # else lines would tremble from answer to answer
        key = (name, span, chosen, now // SCRAPE_S)
        task = self._known.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._asked(dashboard, span, chosen, end))
            self._known[key] = task
            while len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        return await asyncio.shield(task)

    async def _asked(
        self, dashboard: Dashboard, span: Range, chosen: str, end: int
    ) -> dict[str, Any]:
        start = end - span.seconds
        panels = await asyncio.gather(
            *(self._panel(panel, span, chosen, start, end) for panel in dashboard.panels)
        )
        if any(panel["state"] == "empty" for panel in panels):
            known = set(await self.prometheus.values_of("__name__"))
            for panel, shown in zip(dashboard.panels, panels, strict=True):
                missing = sorted(panel.metrics - known)
                if shown["state"] == "empty" and missing:
                    shown |= {"state": "not_collected", "reason": ", ".join(missing)}
        return {"start": start, "end": end, "step_s": span.step_s, "panels": panels}

    async def _panel(
        self, panel: Panel, span: Range, chosen: str, start: int, end: int
    ) -> dict[str, Any]:
        number = panel.kind == "number"
        window = NUMBERS_OVER_S if number else max(LEAST_WINDOW_S, span.step_s)
        values = {
            "window": f"{window}s",
            "range": f"{span.seconds}s",
            "server": chosen,
            "node": chosen.replace(".", "[.]") or ".+",
        }
        shown: dict[str, Any] = {
            "title": panel.title,
            "about": panel.about,
            "unit": panel.unit,
            "kind": panel.kind,
            "above": panel.above,
            "below": panel.below,
            "lines": [],
            "left_out": 0,
            "reason": "",
        }
        lines = []
        try:
            for label, query in panel.queries.items():
                asked = filled(query, values)
                async with self._slots:
                    found = await (
                        self.prometheus.now(asked)
                        if number
                        else self.prometheus.over(asked, start, end, span.step_s)
                    )
                at = range(start, end + 1, span.step_s)
                lines += [_line(label, one, None if number else at) for one in found]
        except Refused as refused:
            return {**shown, "state": "failed", "reason": str(refused)}
        lines = [line for line in lines if any(value is not None for value in line["values"])]
        most = sorted(lines, key=_highest, reverse=True)[:MOST_LINES]
        kept = [line for line in lines if line in most]
        state = "ok" if kept else "empty"
        return {**shown, "state": state, "lines": kept, "left_out": len(lines) - len(kept)}


def alerts_of(
    alerts: Iterable[Mapping[str, Any]], runbooks: str, server: str | None
) -> list[dict[str, str]]:
    """What fires, the worst first. runbooks: where they can be read, "" if that is unknown.
    server: only what is about that one; None for all."""
    shown = []
    for alert in alerts:
        labels, said = alert["labels"], alert["annotations"]
        about = (labels.get("server"), labels.get("service"))
        if alert["state"] != "firing" or labels.get("severity") == "none":
            continue  # Watching, which is for somebody outside
        if server is not None and server not in about:
            continue
        runbook = said.get("runbook", "")
        shown.append(
            {
                "name": labels["alertname"],
                "severity": labels.get("severity", "warning"),
                "summary": said.get("summary", labels["alertname"]),
                "since": alert["activeAt"],
                "runbook": runbook,
                "link": f"{runbooks.rstrip('/')}/{runbook}" if runbooks and runbook else "",
            }
        )
    return sorted(shown, key=lambda one: (one["severity"] != "critical", one["since"]))


def _line(label: str, series: Series, times: range | None) -> dict[str, Any]:
    """times: at which a value is wanted, None where there is none: the line has a gap there."""
    labels, values = series
    if times is None:  # one value, which the panel's title names
        name = named(label, labels) if "{" in label else ""
        return {"name": name, "values": [_number(value) for _, value in values]}
    known = {round(at): _number(value) for at, value in values}
    return {"name": named(label, labels), "values": [known.get(at) for at in times]}


def _number(value: float) -> float | None:
    """With six digits; what is divided by nothing is none."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _highest(line: Mapping[str, Any]) -> float:
    return float(max(value for value in line["values"] if value is not None))
