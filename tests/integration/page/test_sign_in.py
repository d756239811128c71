"""Who may see the page, and where the token stays."""

from __future__ import annotations

import pytest

from tests.support.browser import needs_chromium
from tests.support.page_api import TOKEN, fleet
from tests.support.upstream import Service, ok, refused
from tests.support.viewer import FAST, SIGNED_IN, Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

KEPT = """[sessionStorage.getItem('sophia-token'), localStorage.length, document.cookie,
    location.href.includes('token')]"""


async def test_a_token_opens_the_fleet_and_stays_in_the_tab(service: Service, view: Viewer) -> None:
    await view.open(before="")
    assert [it.path for it in service.asked if it.path.startswith("/api")] == []
    assert await view.js("document.activeElement.autocomplete") == "current-password"
    await view.fill("Token", f" {TOKEN} ")
    await view.press("Enter")
    await view.sees("16 servers", "default", "Sign out")
    assert await view.js(KEPT) == [TOKEN, 0, "", False]
    assert await view.js("document.getElementById('token').value") == ""
    assert all(TOKEN not in f"{it.path}{it.query}" for it in service.asked)
    await view.click("Sign out")
    await view.sees("Sign in")
    assert await view.js("sessionStorage.length") == 0
    assert "GitHub" not in await view.js("document.documentElement.outerHTML")


async def test_a_wrong_token_is_refused_with_the_reason(view: Viewer) -> None:
    await view.open(before="")
    await view.fill("Token", "another")
    await view.press("Enter")
    await view.sees("This token is not one of a caller. Ask the operator for one.")
    await view.fill("Token", "zwei Wörter")
    await view.press("Enter")
    await view.sees("A token is one word")
    assert await view.js(KEPT) == [None, 0, "", False]


async def test_a_token_that_ends_leads_back_to_where_one_was(
    service: Service, view: Viewer
) -> None:
    await view.open("#/servers/slack")
    await view.sees("send_message")
    good = service.routes["GET /api/fleet"]
    service.routes["GET /api/fleet"] = refused(401, {"detail": "The token was withdrawn."})
    await view.click("Fleet")
    await view.sees("The token was withdrawn.", "Sign in")
    assert await view.js("sessionStorage.length") == 0
    service.routes["GET /api/fleet"] = good
    await view.fill("Token", TOKEN)
    await view.press("Enter")
    await view.sees("16 servers")


async def test_a_busy_gateway_is_waited_for(service: Service, view: Viewer) -> None:
    await view.open(before=FAST)
    busy = {"error": {"code": -32000, "message": "Too many requests."}}
    good = service.routes["GET /api/fleet"]
    service.routes["GET /api/fleet"] = refused(429, busy, Retry_After="30")
    await view.fill("Token", TOKEN)
    await view.press("Enter")
    await view.sees("Too many requests. Trying again in 30 s.")
    service.routes["GET /api/fleet"] = good
    await view.sees("16 servers")


async def test_what_a_caller_may_not_see_is_explained(service: Service, view: Viewer) -> None:
    why = {"title": "Forbidden", "status": 403, "detail": "You may use slack."}
    service.routes["GET /api/servers/github"] = refused(403, why)
    await view.open("#/servers/github", before=SIGNED_IN)
    await view.sees("Not available", "You may use slack.")
    await view.follow("#/nowhere")
    await view.sees("There is no page #/nowhere.")
    await view.follow("#/tools/slack/none")
    await view.sees("slack has no tool none.")


async def test_an_answer_that_is_no_json_is_told(service: Service, view: Viewer) -> None:
    service.routes["GET /api/fleet"] = refused(418)
    await view.open()
    await view.sees("The answer has status 418 but is not JSON.")
    service.routes["GET /api/fleet"] = ok(fleet())
    await view.click("Try again")
    await view.sees("16 servers")
