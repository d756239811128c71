"""The dashboards' answers, played for the page: their real panels, with values that look real."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from sophia_backend.dashboards import RANGES, Panel, read_dashboards

from tests.support.upstream import Reply, Request, ok

END = 1795449600
"""A moment, in seconds since 1970, so that pictures don't differ from day to day."""
RUNBOOKS = "https://example.com/sophia/"
NODES = ["manager-1", "manager-2", "manager-3", "gpu-1"]
LABELS: dict[str, list[str]] = {
    "service": ["ai_memory", "github", "slack", "postgres", "linear_v2", "notion_v2"],
    "server": ["ai_memory", "github", "slack", "postgres"],
    "tool": ["search_messages", "send_message", "list_channels", "get_thread_replies"],
    "outcome": ["ok", "error", "timeout"],
    "status": ["ok", "not_configured", "degraded"],
    "code": ["2xx", "4xx", "5xx"],
    "proxy": ["backend", "mcp-github"],
    "nodename": NODES,
    "node": NODES,
    "Hostname": ["gpu-1"],
    "gpu": ["0", "1"],
    "era": ["2026-07-28", "2025-11-25"],
    "upstream": ["slack.com"],
    "state": ["running", "idle", "stopped"],
    "instance": ["replica 1", "replica 2"],
    "datname": ["sophia"],
    "swarm_service": ["sophia-ai_memory", "sophia-database", "sophia-gateway"],
    "container": ["5f1c0e9a7b32"],
}
HEIGHT = {"share": 0.3, "seconds": 0.4, "bytes": 3e8, "bytes_per_second": 4e6, "count": 12,
          "per_second": 6, "watts": 280, "celsius": 61, "yes": 1}  # fmt: skip
ALERT = {
    "name": "UpstreamAway",
    "severity": "warning",
    "summary": "github: api.github.com keeps failing, and is not asked",
    "since": "2026-11-23T15:41:02.5Z",
    "runbook": "docs/runbooks/when-something-fails.md#upstreamaway",
    "link": f"{RUNBOOKS}docs/runbooks/when-something-fails.md#upstreamaway",
}
NUMBERS = {
    "Calls": 14.2,
    "Failed calls": 0.021,
    "Slowest twentieth of calls": 0.412,
    "Tasks that answer": 1.0,
    "Nodes that answer": 1.0,
    "Certificate ends in": 5.4e6,
    "Last backup": 45000.0,
    "Last change in S3": 71.0,
    "Servers that lack it": 0.0,
    "Least free disk": 0.12,
    "Replicas that answer": 1.0,
    "GPUs": 2,
}
NOT_COLLECTED = ("Power of GPUs", "Last error of GPUs")
QUIET = ("Tasks that don't answer", "Deadlocks")
EMPTY = ("Services outside that are left alone",)


def listed(monitored: bool = True) -> dict[str, Any]:
    """What GET /api/dashboards says."""
    shown = [
        {"name": name, "title": one.title, "about": one.about, "parameter": one.parameter}
        for name, one in read_dashboards().items()
    ]
    return {"monitored": monitored, "dashboards": shown, "ranges": [*RANGES]}


def shown(name: str, asked: dict[str, str], alerts: tuple[dict[str, str], ...] = (ALERT,)) -> Any:
    """What GET /api/dashboards/<name> says. asked: the query's parameters."""
    dashboard = read_dashboards()[name]
    span = RANGES[asked.get("range", "1h")]
    choices = {"server": LABELS["server"], "node": NODES}.get(dashboard.parameter, [])
    first = "ai_memory" if dashboard.parameter == "server" else ""
    return {
        "name": name,
        "title": dashboard.title,
        "about": dashboard.about,
        "parameter": dashboard.parameter,
        "chosen": asked.get(dashboard.parameter, first),
        "choices": choices,
        "alerts": list(alerts),
        "start": END - span.seconds,
        "end": END,
        "step_s": span.step_s,
        "panels": [_panel(panel, span.seconds // span.step_s + 1) for panel in dashboard.panels],
    }


def _panel(panel: Panel, points: int) -> dict[str, Any]:
    dice = random.Random(panel.title)
    lines = [] if panel.title in (*NOT_COLLECTED, *EMPTY) else _lines(panel, points, dice)
    missing = panel.title in NOT_COLLECTED
    return {
        "title": panel.title,
        "about": panel.about,
        "unit": panel.unit,
        "kind": panel.kind,
        "above": panel.above,
        "below": panel.below,
        "state": "ok" if lines else "not_collected" if missing else "empty",
        "reason": ", ".join(sorted(panel.metrics)) if missing else "",
        "lines": lines,
        "left_out": 0,
    }


def _lines(panel: Panel, points: int, dice: random.Random) -> list[dict[str, Any]]:
    found = []
    for pattern in panel.queries:
        wanted = [label for label in LABELS if f"{{{label}}}" in pattern]
        for value in LABELS[wanted[0]] if wanted else [""]:
            name = pattern
            for label in wanted:
                chosen = value if label == wanted[0] else LABELS[label][0]
                name = name.replace(f"{{{label}}}", chosen)
            wave = _wave(panel, dice)
            if panel.kind == "number":
                high = NUMBERS.get(panel.title, wave(0))
                return [{"name": name if wanted else "", "values": [high]}]
            values: list[float | None] = [float(f"{wave(at):.6g}") for at in range(points)]
            if value == "github":  # it was away
                values[points // 2 : points // 2 + points // 12] = [None] * (points // 12)
            found.append({"name": name, "values": values})
    return found


def _wave(panel: Panel, dice: random.Random) -> Callable[[int], float]:
    if panel.unit == "yes":
        return lambda _: 1.0
    if panel.title in QUIET:
        return lambda _: 0.0
    height = HEIGHT[panel.unit] * dice.uniform(0.5, 1)
    if "ailed" in panel.title or "errors" in panel.title:
        height /= 100
    if panel.below:
        height = 0.7
    if panel.above:
        height = min(height, panel.above[0] * 0.7)
    slow, phase = dice.uniform(15, 40), dice.uniform(0, 6)

    def value(at: int) -> float:
        found = height * (1 + 0.25 * math.sin(at / slow + phase) + dice.gauss(0, 0.03))
        return float(round(found)) if panel.unit == "count" else max(found, 0)

    return value


def answering(name: str) -> Callable[[Request], Reply]:
    def answered(request: Request) -> Reply:
        return ok(shown(name, {key: values[0] for key, values in request.query.items()}))

    return answered
