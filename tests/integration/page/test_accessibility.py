"""axe-core finds nothing on any view, in light and dark, on a phone and a desktop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_catalog.ui_ux_agent.chromium import Chromium
from tests.support import page_dashboards
from tests.support.browser import needs_chromium
from tests.support.page_api import TOKEN, answer
from tests.support.upstream import Service, ok, refused
from tests.support.viewer import Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

ROOT = Path(__file__).parents[3]
AXE = (ROOT / "mcp_catalog" / "ui_ux_agent" / "axe" / "axe.min.js").read_text()
SCREENSHOTS = ROOT / "docs" / "screenshots"
SHOWN = (
    *("fleet-light-desktop", "fleet-dark-desktop", "fleet-light-phone", "answer-light-desktop"),
    *("dashboard-fleet-light-desktop", "dashboard-nodes-dark-desktop"),
    *("dashboard-server-light-phone", "dashboard-database-light-desktop"),
)
"""What SCREENSHOTS=1 keeps pictures of."""

DASHBOARDS = {
    "fleet": "Calls by server",
    "server": "Calls by tool",
    "nodes": "Temperature of GPUs",
    "database": "Transactions",
}
"""What each of them shows."""

NOTES = "https://example.com/releases/3.2/" + "all-of-the-notes-" * 8
"""Wider than a phone."""
SIZES = {"desktop": 1280, "phone": 360}
TAGS = "{rules: {'target-size': {enabled: true}}}"
CONTRAST = "{runOnly: {type: 'rule', values: ['color-contrast']}}"
"""Everything that the dark theme can break."""
SMALL = """[...document.querySelectorAll('button, select, textarea, nav a, input, .box')]
    .filter((it) => it.offsetParent && it.type !== 'checkbox' && it.offsetHeight < 24)
    .map((it) => it.outerHTML)"""


async def test_every_view_is_accessible(browser: Chromium, service: Service) -> None:
    async with browser.page(reduced_motion=True) as page:
        view = Viewer(page, service.url)

        async def check(name: str) -> None:
            for device, width in SIZES.items():
                for scheme, rules in (("light", TAGS), ("dark", CONTRAST)):
                    await page.look(width, 800, scheme, reduced_motion=True)
                    where = f"{name}-{scheme}-{device}"
                    if where in SHOWN and os.environ.get("SCREENSHOTS"):
                        picture = await page.screenshot()
                        (SCREENSHOTS / f"{where}.png").write_bytes(picture)
                    found = await view.js(
                        f"axe.run(document, {rules}).then(({{violations}}) => violations.map("
                        "(it) => `${it.id}: ${it.nodes.map((node) => node.html).join(' ')}`))"
                    )
                    assert found == [], where
                    assert await view.js(SMALL) == [], where
                    wide = "document.documentElement.scrollWidth <= innerWidth"
                    assert await view.js(wide), f"{where} scrolls sideways"

        await view.open(before="")
        await view.js(AXE)
        await check("sign-in")
        await view.fill("Token", TOKEN)
        await view.press("Enter")
        await view.sees("16 servers")
        await check("fleet")
        good = service.routes["GET /api/fleet"]
        service.routes["GET /api/fleet"] = refused(503, {"detail": "The backend is away."})
        await view.sees("The backend is away.")
        await check("away")
        service.routes["GET /api/fleet"] = good
        await view.follow("#/tools")
        await view.sees("delete_message")
        await check("tools")
        await view.follow("#/servers/slack")
        await view.sees("2 replicas")
        await check("server")
        for name, words in DASHBOARDS.items():
            await view.follow(f"#/dashboards/{name}")
            await view.sees(words, "updated")
            await check(f"dashboard-{name}")
        service.routes["GET /api/dashboards"] = ok(page_dashboards.listed(monitored=False))
        await view.follow("#/dashboards")
        await view.sees("Nothing is monitored")
        await check("dashboards-off")
        await view.follow("#/connect")
        await view.sees("tools=search")
        await check("connect")
        await view.follow("#/tools/slack/search_everything")
        await view.fill("query", "release notes")
        await view.fill("limit", "500")
        await view.click("Run")
        await view.sees("Give at most 100.")
        await check("form")
        found = [{"channel": "#releases", "author": "ada", "text": f"Version 3.2: {NOTES}"}]
        service.routes["POST /api/tools/slack/search_everything"] = answer({"messages": found})
        await view.fill("limit", "5")
        await view.click("Run")
        await view.sees("Done")
        await check("answer")
        await view.click("Edit as JSON")
        await check("json")
        await view.follow("#/tools/slack/send_message")
        await view.fill("channel", "#general")
        await view.fill("text", "Version 3.2 is out.")
        await view.click("Run")
        await view.sees("Write to Slack?")
        await check("write")
        await view.click("Cancel")
        await view.follow("#/tools/slack/delete_message")
        await view.fill("ts", "1718000000.123456")
        await view.click("Run")
        await view.sees("Destroy in Slack?")
        await check("destroy")
