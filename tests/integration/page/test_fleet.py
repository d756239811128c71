"""The fleet, and its changes while the page is open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import page_api
from tests.support.browser import needs_chromium
from tests.support.polling import eventually
from tests.support.upstream import Service, hanging, ok, silent
from tests.support.viewer import FAST, SIGNED_IN, Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

ASKED = "GET /api/fleet"


def changed(name: str, **to: Any) -> dict[str, Any]:
    """The fleet with another state of one server."""
    now = page_api.fleet()
    next(server for server in now["servers"] if server["name"] == name).update(to)
    return now


async def test_the_fleet_is_told_in_a_line_and_in_a_table(view: Viewer) -> None:
    await view.open()
    await view.sees("16 servers: 3 ready, 1 away, 1 degraded, 11 need a credential.")
    await view.sees("1,850 calls and 14 errors in the last 15 minutes.", "updated 0 s ago")
    rows = await view.js(
        "[...document.querySelectorAll('[aria-label=Servers] tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert [row[0] for row in rows[:4]] == ["UI and UX", "GitHub", "AI memory", "PostgreSQL"]
    assert rows[1][1:] == [
        "Degraded", "GitHub left 5 requests of 5 unanswered; asked again in 8 s",
        "2", "29", "412", "9", "182 ms", "1.2 s",
    ]  # fmt: skip
    errors = await view.text("[aria-labelledby=errors]")
    assert errors.index("list_workflow_runs") < errors.index("send_message")
    assert "19ab63c0d1f24d7e" in errors
    assert "channel: there is no channel #relases" in errors
    assert "research\t16\t0" in await view.text("[aria-labelledby=callers]")


async def test_updates_change_only_what_changed(service: Service, view: Viewer) -> None:
    await view.open(before=SIGNED_IN + FAST)
    await view.sees("PostgreSQL")
    await view.js(
        """window.row = [...document.querySelectorAll('tr')]
            .find((it) => it.innerText.startsWith('PostgreSQL'));
        row.querySelector('a').focus()"""
    )
    service.routes[ASKED] = ok(changed("postgres", status="away", calls=97, replicas=0))
    await view.sees("2 ready, 2 away")
    assert await view.focused() == "PostgreSQL"
    assert await view.js("row.isConnected && row.cells[5].textContent") == "97"
    assert await view.text("#said") == "PostgreSQL: Away."


async def test_data_stays_while_the_api_is_away(service: Service, view: Viewer) -> None:
    await view.open(before=SIGNED_IN + FAST)
    await view.sees("16 servers")
    service.routes[ASKED] = silent()
    await view.sees("The gateway does not answer.", "what was last seen", "Try now", "16 servers")
    service.routes[ASKED] = ok(changed("asana", status="ok", detail=None))
    await view.sees("4 ready")
    assert "does not answer" not in await view.text()


async def test_tries_are_further_apart_each_time(service: Service, view: Viewer) -> None:
    service.routes[ASKED] = silent()
    await view.open(before=SIGNED_IN + FAST)
    for seconds in (5, 10, 20, 30):
        await view.sees(f"Trying again in {seconds} s.")
    service.routes[ASKED] = ok(page_api.fleet())
    await view.click("Try now")
    await view.sees("16 servers", seconds=1)


async def test_nothing_is_asked_while_the_page_is_hidden(service: Service, view: Viewer) -> None:
    await view.open(before=SIGNED_IN + FAST)
    await view.sees("16 servers")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    await view.js(
        f"Object.defineProperty(document, 'hidden', {{value: true, configurable: true}}), {look}"
    )
    await view.sees("updated 1 s ago")  # no request is under way by now
    before = len(service.asked)
    await view.sees("updated 2 s ago")
    assert len(service.asked) == before
    await view.js(f"delete document.hidden, {look}")
    await view.sees("updated 0 s ago")
    assert len(service.asked) > before


async def test_a_caller_without_servers_and_calls(service: Service, view: Viewer) -> None:
    service.routes[ASKED] = ok(page_api.empty())
    await view.open()
    await view.sees("0 servers.", "This caller may use no server.", "None.", "No calls yet.")


async def test_leaving_ends_what_was_asked(service: Service, view: Viewer) -> None:
    service.routes[ASKED] = hanging()
    await view.open()
    await view.click("Connect")
    await view.sees(f"{service.url}/mcp?tools=search")

    async def left() -> int:
        return service.left

    await eventually(left, lambda count: count == 1, "the request for the fleet is given up", 5)
    assert page_api.TOKEN not in await view.text()
