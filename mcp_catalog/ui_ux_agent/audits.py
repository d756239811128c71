"""Pages audited by axe-core in a browser."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx2
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, Field
from sophia_mcp.fields import Text
from sophia_mcp.pages import at_most

from .chromium import Chromium, ChromiumError, Page
from .guard import Guard, is_allowed

AXE = Path(__file__).parent / "axe" / "axe.min.js"
LOAD_S = 12.0
"""How long a page has to load before it is audited in its present state."""
MOST_RULES = 40
_IMPACTS = ("critical", "serious", "moderate", "minor")

Tag = Literal["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DEFAULT_TAGS: tuple[Tag, ...] = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
Scheme = Literal["light", "dark"]


def _criteria(tags: object) -> object:
    """`wcag143` is success criterion 1.4.3, `wcag1412` is 1.4.12."""
    if not isinstance(tags, list):
        return tags
    found = [re.fullmatch(r"wcag([1-4])(\d)(\d{1,2})", str(tag)) for tag in tags]
    return [".".join(one.groups()) for one in found if one]


class Place(BaseModel):
    """An element that a rule is about."""

    selector: str
    html: Annotated[Text, at_most(300)] = ""
    fix: Annotated[Text, at_most(400)] = Field("", description="What is wrong and what fixes it")


class Finding(BaseModel):
    """A rule and the elements that it is about."""

    rule: str
    impact: str | None = Field(description="critical, serious, moderate or minor")
    wcag: Annotated[list[str], BeforeValidator(_criteria)] = Field(
        description="Success criteria, like 1.4.3"
    )
    help: str
    help_url: str
    nodes: int = Field(description="How many elements; places has the first")
    places: list[Place]


class Audited(BaseModel):
    """violations: what is wrong. to_check: what only a person can tell."""

    title: Annotated[Text, at_most(200)]
    url: str | None = Field(description="Where it ended up; null for HTML that was given")
    engine: str
    violations: list[Finding]
    to_check: list[Finding]
    passed: int = Field(description="Rules that found nothing wrong")
    note: str | None = Field(description="What of the page was not seen")


_RUN = """axe.run(document, %s).then(done => {
  const one = (found) => ({
    rule: found.id, impact: found.impact, wcag: found.tags, help: found.help,
    help_url: found.helpUrl, nodes: found.nodes.length,
    places: found.nodes.slice(0, %d).map(node => ({
      selector: node.target.flat(9).join(' >>> ').slice(0, 300), html: node.html.slice(0, 1000),
      fix: (node.failureSummary || '').slice(0, 1000),
    })),
  });
  return {
    title: document.title.slice(0, 1000), engine: 'axe-core ' + axe.version,
    violations: done.violations.map(one), to_check: done.incomplete.map(one),
    passed: done.passes.length, url: location.href.slice(0, 2000),
  };
})"""


class Audits:
    """hosts: whose pages may be audited by address. seconds: that one audit may take."""

    def __init__(self, hosts: Sequence[str], seconds: float) -> None:
        self._hosts, self._seconds = hosts, seconds
        self._one_at_a_time = asyncio.Semaphore(1)  # a browser has some 500 MB

    async def of_html(
        self, html: str, tags: Sequence[Tag] | None, places: int, width: int, scheme: Scheme
    ) -> Audited:
        """Of a page with this text. Nothing that it refers to is loaded.

        Raises:
            ToolError: there is no browser, or it failed.
        """
        async with self._one_at_a_time:
            with_browser = Chromium(seconds=self._seconds)
            try:
                async with (
                    with_browser as browser,
                    browser.page(width=width, color_scheme=scheme) as page,
                ):
                    await page.open_html(html, load_s=LOAD_S)
                    audited = await _audited(page, tags, places)
            except ChromiumError as error:
                raise _said(error) from None
        refers = re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//|@import|url\(""", html)
        audited.url = None
        audited.note = (
            "Files that it refers to were not loaded: put styles into the HTML." if refers else None
        )
        return audited

    async def of_url(
        self, url: str, tags: Sequence[Tag] | None, places: int, width: int, scheme: Scheme
    ) -> Audited:
        """Of the page at an address.

        Raises:
            ToolError: it is not allowed, can't be loaded, or there is no browser.
        """
        self._check(url)
        # No proxy: it, and not we, would choose the connections.
        timeout = httpx2.Timeout(10.0, connect=5.0)
        async with (
            self._one_at_a_time,
            httpx2.AsyncClient(timeout=timeout, trust_env=False) as http,
        ):
            guard = Guard(http, self._hosts)
            try:
                async with (
                    Chromium(seconds=self._seconds, answerer=guard.answer) as browser,
                    browser.page(width=width, color_scheme=scheme) as page,
                ):
                    await page.open(url, load_s=LOAD_S)
                    audited = await _audited(page, tags, places)
            except ChromiumError as error:
                if "ERR_BLOCKED_BY_CLIENT" in str(error) and guard.refused:
                    where, why = list(guard.refused.items())[-1]
                    raise ToolError(f"url: {where[:200]} was not loaded: {why}") from None
                raise _said(error) from None
        if guard.refused:
            first = [f"{where[:100]} ({why[:150]})" for where, why in guard.refused.items()][:3]
            audited.note = f"{len(guard.refused)} files were not loaded, such as {'; '.join(first)}"
        return audited

    def _check(self, url: str) -> None:
        """Before a browser is started."""
        if not self._hosts:
            raise ToolError(
                "This server audits no addresses: UI_UX_ALLOWED_HOSTS is not set. Ask its operator "
                "to name the hosts, such as example.com, or give the page's text to audit_html."
            )
        try:
            parts = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise ToolError(f"url: {error}") from None
        if parts.scheme not in ("http", "https") or parts.userinfo:
            raise ToolError(
                "url: expected an http or https address without a user, like https://example.com/"
            )
        if not is_allowed(parts.host, self._hosts):
            raise ToolError(
                f"url: {parts.host} may not be audited, only {', '.join(self._hosts)} "
                "(UI_UX_ALLOWED_HOSTS). Give the page's text to audit_html instead."
            )


async def _audited(page: Page, tags: Sequence[Tag] | None, places: int) -> Audited:
    """In isolated worlds, so the page's scripts neither see nor change it."""
    source = AXE.read_text("utf-8")
    contexts = await page.isolated()
    for context in contexts:
        await page.evaluate(f"{source}; 0", context=context)
    options = {
        "runOnly": {"type": "tag", "values": list(tags or DEFAULT_TAGS)},
        "resultTypes": ["violations", "incomplete"],
    }
    run = _RUN % (json.dumps(options), places)
    found: dict[str, Any] = await page.evaluate(run, context=contexts[0])
    audited = Audited(**found, note=None)
    for findings in (audited.violations, audited.to_check):
        findings.sort(key=lambda one: _rank(one.impact))
        del findings[MOST_RULES:]
    return audited


def _rank(impact: str | None) -> int:
    return _IMPACTS.index(impact) if impact in _IMPACTS else len(_IMPACTS)


def _said(error: ChromiumError) -> ToolError:
    if "no `chromium` on PATH" in str(error):
        return ToolError(
            "This server has no browser, which audits need. Ask its operator to set "
            "`servers.ui_ux_agent.packages: [chromium]` (README.md of ui_ux_agent); "
            "review_component reviews HTML without one."
        )
    return ToolError(
        f"The browser could not audit it: {str(error)[:500]}. Give a smaller page; if small ones "
        "fail, too, ask the operator to raise memoryMb and pids of this server (README.md)."
    )
