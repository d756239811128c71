"""Dashboards: numbers, lines with gaps, what fires, and everything by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import page_dashboards
from tests.support.browser import needs_chromium
from tests.support.page_dashboards import ALERT
from tests.support.upstream import Service, ok, silent
from tests.support.viewer import FAST, SIGNED_IN, Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

LISTED = "GET /api/dashboards"
FLEET = "GET /api/dashboards/fleet"
AT = "#/dashboards"


def changed(title: str, *, alerts: tuple[dict[str, str], ...] = (ALERT,), **to: Any) -> Any:
    """The fleet with another panel."""
    shown = page_dashboards.shown("fleet", {}, alerts)
    next(panel for panel in shown["panels"] if panel["title"] == title).update(to)
    return ok(shown)


def ranges(service: Service) -> list[str]:
    """The times that were asked for, without repetitions."""
    asked = [one.query["range"][0] for one in service.asked if "range" in one.query]
    return [one for at, one in enumerate(asked) if at == 0 or asked[at - 1] != one]


async def chart(view: Viewer, title: str, script: str) -> Any:
    """With `it` as the chart of this panel."""
    found = f"document.querySelector('[role=slider][aria-label=\"{title} over time\"]')"
    return await view.js(f"((it) => {script})({found})")


async def test_numbers_lines_and_alerts_are_shown(view: Viewer) -> None:
    await view.open(AT)
    await view.sees("What callers notice", "14.2/s", "412 ms", "62.5 days", "updated 0 s ago")
    await view.sees("Warning: github: api.github.com keeps failing")
    link = "document.querySelector('.alerts a')"
    assert await view.js(f"{link}.href") == ALERT["link"]
    assert await view.js(f"{link}.ariaLabel") == "What to do: UpstreamAway"
    assert await view.js("document.title") == "Fleet · Sophia"
    tiles = await view.text(".tiles")
    assert "2.1 %, needs attention" in tiles.replace("\n", "")
    assert await view.js("document.querySelectorAll('.charts canvas').length") == 9
    spoken = await chart(view, "Calls by server", "it.getAttribute('aria-valuetext')")
    assert spoken.startswith("16:00:00: ai_memory 2.87/s, github ")


async def test_it_is_there_within_a_second(view: Viewer) -> None:
    await view.open()
    await view.sees("16 servers")
    drawn = await view.js(
        """(async () => {
            const began = performance.now();
            location.hash = '#/dashboards/nodes?range=15d';
            while (document.querySelectorAll('.charts canvas').length < 14) {
                await new Promise((go) => setTimeout(go, 10));
                if (performance.now() - began > 10000) return Infinity;
            }
            return performance.now() - began;
        })()"""
    )
    print(f"drawn in {drawn:.0f} ms")
    assert drawn < 5000, "it takes 0.4 s; this machine may be busy"


async def test_no_data_is_no_zero(service: Service, view: Viewer) -> None:
    service.routes[FLEET] = changed("Calls", state="empty", lines=[])
    await view.open(AT)
    await view.sees("Calls\n\nno data")
    service.routes[FLEET] = changed(
        "Calls", state="not_collected", reason="mcp_tool_calls_total", lines=[]
    )
    await view.fill("Time", "15 minutes")
    await view.sees("Calls\n\nnot collected\n\nNot collected: mcp_tool_calls_total.")
    service.routes[FLEET] = changed("Calls", lines=[{"name": "", "values": [0]}])
    await view.fill("Time", "1 hour")
    await view.sees("Calls\n\n0/s")
    await view.follow("#/dashboards/nodes")
    await view.sees("Not collected: DCGM_FI_DEV_XID_ERRORS.")
    await view.follow("#/dashboards/server")
    await view.sees("Services outside that are left alone", "No data in this time.")
    shown = page_dashboards.shown("fleet", {})
    shown["panels"][6].update(state="failed", reason="parse error", lines=[])
    service.routes[FLEET] = ok(shown)
    await view.follow("#/dashboards")
    await view.sees("The query fails: parse error.")


async def test_values_at_any_time_by_keyboard(view: Viewer) -> None:
    await view.open(AT)
    await view.sees("Calls by server", "updated")
    await view.tab_to("Calls by server over time")
    await view.press("ArrowLeft", "ArrowLeft")
    await view.sees("15:59:30")
    spoken = "it.getAttribute('aria-valuetext')"
    assert (await chart(view, "Calls by server", spoken)).startswith("15:59:30: ai_memory ")
    # All charts show the same moment.
    assert (await chart(view, "Servers by state", spoken)).startswith("15:59:30: ok ")
    await view.press("Home")
    assert (await chart(view, "Calls by server", spoken)).startswith("15:00:00: ")
    await view.press("Tab")
    await view.sees("Now")
    assert (await chart(view, "Calls by server", spoken)).startswith("16:00:00: ")


async def test_a_gap_is_no_zero(service: Service, view: Viewer) -> None:
    values = [1.0, None, None, 2.0]
    line = {"name": "github", "values": [None] * 237 + values}
    service.routes[FLEET] = changed("Calls by server", lines=[line])
    await view.open(AT)
    await view.sees("Calls by server", "updated")
    await view.tab_to("Calls by server over time")
    await view.press("ArrowLeft")
    spoken = "it.getAttribute('aria-valuetext')"
    assert await chart(view, "Calls by server", spoken) == "15:59:45: github no data"
    row = "[...document.querySelectorAll('[aria-label=\"Calls by server\"] td')]"
    assert await view.js(f"{row}.map((it) => it.textContent)") == ["no data", "2/s"]


async def test_the_time_is_chosen_and_kept(service: Service, view: Viewer) -> None:
    await view.open(f"{AT}/server/slack?range=6h")
    await view.sees("Server: slack", "updated")
    assert await view.js("document.getElementById('choose-Time').value") == "6h"
    await view.fill("Time", "15 days")
    await view.js("document.getElementById('choose-of').focus()")
    await view.fill("Server", "github")
    await view.sees("Server: github")
    assert await view.js("location.hash") == "#/dashboards/server/github?range=15d"
    assert await view.focused() == "Server"
    assert ranges(service) == ["6h", "15d"]
    await view.click("Nodes and GPUs")
    await view.sees("all nodes", "Temperature of GPUs", "61")
    assert service.asked[-1].query == {"range": ["15d"]}
    await view.fill("Node", "gpu-1")
    await view.sees("Nodes and GPUs: gpu-1")
    assert service.asked[-1].query == {"range": ["15d"], "node": ["gpu-1"]}


async def test_updates_keep_the_focus_and_are_announced(service: Service, view: Viewer) -> None:
    service.routes[FLEET] = changed("Calls", alerts=())
    await view.open(AT, before=SIGNED_IN + FAST)
    await view.sees("No alert fires.")
    await view.js("window.kept = document.querySelector('canvas')")
    await view.tab_to("Calls by server over time")
    service.routes[FLEET] = changed("Calls", lines=[{"name": "", "values": [3.5]}])
    await view.sees("3.5/s", "What to do")
    assert await view.focused() == "Calls by server over time"
    assert await view.js("kept.isConnected")
    assert await view.text("#said") == ALERT["summary"]
    service.routes[FLEET] = changed("Calls", alerts=({**ALERT, "summary": "It has a new number."},))
    await view.sees("It has a new number.")
    assert await view.text("#said") == ALERT["summary"]


async def test_updates_stop_when_they_are_paused(service: Service, view: Viewer) -> None:
    await view.open(AT, before=SIGNED_IN + FAST)
    await view.sees("updated")
    await view.click("Pause")
    await view.sees("paused, updated 2 s ago")
    asked = len(service.asked)
    await view.sees("paused, updated 4 s ago")
    assert len(service.asked) == asked
    await view.click("Pause")
    await view.sees("updated 0 s ago")
    assert len(service.asked) > asked


async def test_data_stays_while_prometheus_is_away(service: Service, view: Viewer) -> None:
    await view.open(AT, before=SIGNED_IN + FAST)
    await view.sees("14.2/s")
    service.routes[FLEET] = silent()
    await view.sees("The gateway does not answer.", "what was last seen", "Try now", "14.2/s")
    service.routes[FLEET] = changed("Calls", lines=[{"name": "", "values": [81.5]}])
    await view.sees("81.5/s")
    assert "does not answer" not in await view.text()


async def test_a_platform_without_monitoring_says_how_to_turn_it_on(
    service: Service, view: Viewer
) -> None:
    service.routes[LISTED] = ok(page_dashboards.listed(monitored=False))
    await view.open(AT)
    await view.sees("Nothing is monitored", "pulumi config set --path monitoring.enabled true")
    assert FLEET not in {f"{one.method} {one.path}" for one in service.asked}


async def test_a_caller_of_some_servers_sees_those(service: Service, view: Viewer) -> None:
    listed = page_dashboards.listed()
    listed["dashboards"] = [one for one in listed["dashboards"] if one["name"] == "server"]
    service.routes[LISTED] = ok(listed)
    await view.open(AT)
    await view.sees("Server: ai_memory", "Calls by tool")
    assert "Nodes" not in await view.text(".tabs")


async def test_the_library_is_loaded_by_those_who_need_it(service: Service, view: Viewer) -> None:
    loaded = "/assets/uplot.js"
    await view.open("#/servers/slack")
    await view.click("Dashboard")
    await view.sees("Server: slack", "updated")
    paths = [one.path for one in service.asked]
    assert paths.count(loaded) == 1
    assert paths.index(loaded) > paths.index("/api/servers/slack")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "seconds", "0 s"),
        (0.0123, "seconds", "12.3 ms"),
        (1.5, "seconds", "1.5 s"),
        (600, "seconds", "10 min"),
        (5400000, "seconds", "62.5 days"),
        (123456789, "bytes", "123 MB"),
        (0, "bytes", "0 B"),
        (2.5e12, "bytes", "2.5 TB"),
        (4e6, "bytes_per_second", "4 MB/s"),
        (0.0217, "share", "2.17 %"),
        (1, "share", "100 %"),
        (0.004, "per_second", "0.004/s"),
        (12345, "count", "12,345"),
        (1, "yes", "yes"),
        (61.2, "celsius", "61.2 °C"),
        (None, "count", "no data"),
    ],
)
async def test_values_as_people_read_them(view: Viewer, value: Any, unit: str, shown: str) -> None:
    await view.open(before="")
    given = "null" if value is None else repr(value)
    script = f"import('/assets/units.js').then((it) => it.shown({given}, '{unit}'))"
    assert await view.js(script) == shown
