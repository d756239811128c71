"""Somebody in front of the page: looks, clicks and types in a real browser."""

from __future__ import annotations

import json
from typing import Any

from mcp_catalog.ui_ux_agent.chromium import Chromium, Page
from tests.support.page_api import TOKEN

WATCH = """
    window.complaints = [];
    const complain = (text) => window.complaints.push(text);
    addEventListener('securitypolicyviolation', (it) => complain(`CSP: ${it.violatedDirective}`));
    addEventListener('error', (it) => complain(`error: ${it.message}`));
    addEventListener('unhandledrejection', (it) => complain(`rejection: ${it.reason}`));
"""
SIGNED_IN = f"sessionStorage.setItem('sophia-token', {json.dumps(TOKEN)});"
FAST = """{
    const real = setTimeout;
    window.setTimeout = (act, ms) => real(act, Math.max(ms / 50, Math.min(ms, 20)));
}"""
"""Waits of the page are fifty times shorter, but those of `Viewer.true` are as before: one that
looks without a break leaves no time to the page."""

FIELD = """((name) => [...document.querySelectorAll('label')].find(
    (label) => label.firstChild?.textContent === name || label.textContent === name)?.control)"""
KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "ArrowDown": (40, ""),
    "ArrowLeft": (37, ""),
    "Home": (36, ""),
}


class Viewer:
    """A page of a browser. complaints: what the browser refused, and errors of the page's
    scripts."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    async def open(self, at: str = "#/", *, before: str = SIGNED_IN) -> None:
        """before: JavaScript that runs ahead of the page's."""
        await self.page.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH + before)
        await self.page.open(f"{self.url}/{at}")

    async def js(self, expression: str) -> Any:
        return await self.page.evaluate(expression)

    async def text(self, selector: str = "body") -> str:
        """The visible text there."""
        got = await self.js(f"document.querySelector({json.dumps(selector)})?.innerText")
        return str(got)

    async def sees(self, *words: str, at: str = "body", seconds: float = 20) -> None:
        """Waits until all of these texts are shown."""
        shown = f"document.querySelector({json.dumps(at)})?.innerText"
        await self.true(f"{json.dumps(words)}.every((word) => {shown}?.includes(word))", seconds)

    async def true(self, expression: str, seconds: float = 20) -> None:
        """Waits until an expression holds."""
        left = await self.js(
            f"""(async (ends) => {{
                while (!({expression})) {{
                    if (performance.now() > ends) return document.body.innerText;
                    await new Promise((go) => setTimeout(go, 20));
                }}
            }})(performance.now() + {seconds * 1000})"""
        )
        assert left is None, f"not within {seconds} s: {expression}; last seen: {left[:3000]}"

    async def follow(self, at: str) -> None:
        """Goes to another address of the page."""
        await self.js(f"location.hash = {json.dumps(at)}")

    async def click(self, name: str) -> None:
        """Clicks the button, or the link, of this name."""
        found = f"""[...document.querySelectorAll('button, a')].filter((it) => it.offsetParent)
            .find((it) => {json.dumps(name)} === (it.ariaLabel ?? it.textContent))"""
        await self.true(found)
        await self.js(f"{found}.click()")

    async def fill(self, name: str, value: str) -> None:
        """Types into the field with this label, or chooses there."""
        field = f"{FIELD}({json.dumps(name)})"
        await self.true(field)
        if await self.js(f"{field}.matches('select, [type=checkbox]')"):
            chosen = f"[...it.options].find((o) => o.text === {json.dumps(value)}).value"
            await self.js(
                f"""((it) => {{
                    if (it.type === 'checkbox') it.click(); else it.value = {chosen};
                    it.dispatchEvent(new Event('input', {{ bubbles: true }}));
                }})({field})"""
            )
            return
        await self.js(f"{field}.focus(), {field}.select()")
        await self.write(value)

    async def write(self, text: str) -> None:
        """Types where the focus is."""
        if text:
            await self.page.send("Input.insertText", text=text)
        else:
            await self.js("document.execCommand('delete')")

    async def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            code, text = KEYS[key]
            about = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            await self.page.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
            await self.page.send("Input.dispatchKeyEvent", type="keyUp", **about)

    async def tab_to(self, name: str) -> None:
        """Presses Tab until the focused element has this name."""
        for _ in range(80):
            await self.press("Tab")
            if await self.focused() == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    async def focused(self) -> Any:
        """The name of the focused element."""
        return await self.js(
            """((it) => it.getAttribute('aria-label') ?? it.labels?.[0]?.firstChild.textContent
                ?? it.textContent)(document.activeElement)"""
        )

    async def complaints(self) -> Any:
        return await self.js("window.complaints")


def browser() -> Chromium:
    """A browser that reaches this machine only."""
    return Chromium(seconds=240, reachable=("127.0.0.1",))
