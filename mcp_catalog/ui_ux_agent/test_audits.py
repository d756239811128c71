"""Audits with the real engine in the real browser, and what a page may load meanwhile."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
from sophia_mcp.settings import read_settings

from tests.support.browser import needs_chromium
from tests.support.tool_calls import tools_of

from . import guard
from .chromium import Asked
from .guard import Guard, is_allowed, is_public
from .server import build

# After axe-core's own bad page (doc/examples): each rule that it is known for, and one in a frame.
BAD = """<html><head><title></title><style>.low { color: #aaa; background: #fff }</style></head>
<body><img src="https://elsewhere.example/a.png"><button></button><p class="low">low</p><input>
<iframe title="f" srcdoc="<p style='color:#bbb;background:#fff'>in a frame</p>"></iframe>
<div role="foo">x</div></body></html>"""
GOOD = """<!doctype html><html lang="en"><head><title>Good</title></head><body><main>
<h1>Good</h1><p>Fine</p><button type="button">Go</button></main></body></html>"""


def server(**settings: str) -> Any:
    return build(read_settings("ui_ux_agent", settings))


@pytest.mark.parametrize(
    "network",
    [
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "100.64.0.0/10", "0.0.0.0/8", "240.0.0.0/4", "224.0.0.0/4", "192.0.2.0/24", "::/127",
        "fe80::/10", "fc00::/7", "fd00:ec2::/64", "::ffff:a00:0/104", "64:ff9b::a00:0/104",
        "2002:a00::/24", "ff02::/16",
    ],
)  # fmt: skip
def test_only_public_addresses_are_connected_to(network: str) -> None:
    found = ip_network(network)
    for address in (found[0], found[1], found[-1]):
        assert not is_public(str(address))


def test_public_addresses_and_allowed_hosts_are() -> None:
    assert is_public(str(ip_network("8.8.8.0/24")[8]))
    assert is_public("2606:4700::1111")
    hosts = ["example.com", "*.example.org"]
    assert is_allowed("EXAMPLE.com", hosts)
    assert is_allowed("a.b.example.org", hosts)
    for other in ("example.org", "a.example.com", "evilexample.org", "example.com.evil"):
        assert not is_allowed(other, hosts)
    assert is_allowed("any.where", ["*"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1/", "may not be audited"),
        ("http://2130706433/", "may not be audited"),
        ("http://example.com.evil/", "may not be audited"),
        ("http://user:secret@example.com/", "without a user"),
        ("file:///etc/passwd", "expected an http or https"),
        ("javascript:alert(1)", "expected an http or https"),
        ("not an address", "expected an http or https"),
    ],
)
async def test_what_may_not_be_audited_is_refused_before_a_browser_starts(
    url: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with tools_of(server(UI_UX_ALLOWED_HOSTS="example.com")) as tools:
        text = await tools.error("audit_accessibility", url=url)
    assert expected in text


async def test_without_allowed_hosts_or_a_browser_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with tools_of(server()) as tools:
        none = await tools.error("audit_accessibility", url="https://example.com")
        absent = await tools.error("audit_html", html=GOOD)
    assert "UI_UX_ALLOWED_HOSTS is not set" in none
    assert "`servers.ui_ux_agent.packages: [chromium]`" in absent


class Site(ThreadingHTTPServer):
    """A page with files. asked: hosts and paths."""

    def __init__(self) -> None:
        site, self.asked = self, list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(f"{self.headers['Host']}{self.path}")
                found = {
                    "/": ("text/html", BAD.replace("</head>", "<link rel=stylesheet href=/s>")),
                    "/s": ("text/css", ".low { color: #000 }"),
                    "/bomb": ("text/css", "x" * 9_000_000),
                }
                kind, text = found.get(self.path, ("text/plain", ""))
                self.send_response(200 if text else 302)
                if self.path == "/away":
                    self.send_header("Location", "http://metadata.example/latest")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(gzip.compress(text.encode()))

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """At http://public.example, whose name leads to this machine as if that were public."""
    names = {"public.example": "127.0.0.1", "cdn.example": "127.0.0.1"}

    async def found(_: object, host: str, port: int, **__: object) -> list[Any]:
        address = names.get(host, "169.254.169.254")
        return [(0, 0, 0, "", (address, port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", found)
    public = guard.is_public
    monkeypatch.setattr(guard, "is_public", lambda one: one == "127.0.0.1" or public(one))
    with Site() as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def asked(url: str, kind: str = "Stylesheet", method: str = "GET") -> Asked:
    return Asked(method, url, kind, {"Cookie": "a=b", "User-Agent": "x"})


async def test_a_page_loads_by_get_from_public_addresses_within_bounds(site: Site) -> None:
    port = site.server_port
    async with httpx2.AsyncClient(trust_env=False) as http:
        one = Guard(http, ["public.example"])
        got = await one.answer(asked(f"http://cdn.example:{port}/s"))
        assert got is not None
        assert (got.status, got.body) == (200, b".low { color: #000 }")
        assert "content-encoding" not in dict(got.headers)
        refused = {
            f"http://cdn.example:{port}/": ("Document", "GET", "not in UI_UX_ALLOWED_HOSTS"),
            f"http://public.example:{port}/p": ("Fetch", "POST", "only load, by GET"),
            f"http://inside.example:{port}/": ("Image", "GET", "169.254.169.254, which is not"),
            f"http://169.254.169.254:{port}/": ("Image", "GET", "which is not a public address"),
            f"http://cdn.example:{port}/bomb": ("Stylesheet", "GET", "larger than 4 MB"),
            f"ftp://cdn.example:{port}/": ("Image", "GET", "expected an http or https"),
        }
        for url, (kind, method, why) in refused.items():
            assert await one.answer(asked(url, kind, method)) is None
            assert why in one.refused[url]
        for number in range(guard.MOST_REQUESTS):
            await one.answer(asked(f"ftp://many.example/{number}"))
        assert await one.answer(asked(f"http://cdn.example:{port}/s")) is None
    assert site.asked == [f"cdn.example:{port}/s", f"cdn.example:{port}/bomb"]


@pytest.mark.slow
@needs_chromium
async def test_html_is_audited_by_axe() -> None:
    async with tools_of(server()) as tools:
        bad = await tools.ok("audit_html", html=BAD, max_places=2)
        good = await tools.ok("audit_html", html=GOOD, tags=["wcag2a", "best-practice"])
    rules = {one["rule"]: one for one in bad["violations"]}
    assert rules.keys() >= {
        *("aria-roles", "button-name", "image-alt", "label", "color-contrast", "document-title"),
        "html-has-lang",
    }
    contrast = rules["color-contrast"]
    assert (contrast["impact"], contrast["wcag"], contrast["nodes"]) == ("serious", ["1.4.3"], 2)
    assert [one["selector"] for one in contrast["places"]] == ["p", "iframe >>> p"]
    assert "Expected contrast ratio of 4.5:1" in contrast["places"][0]["fix"]
    impacts = [one["impact"] for one in bad["violations"]]
    assert impacts == sorted(impacts, key=["critical", "serious", "moderate", "minor"].index)
    assert (bad["url"], bad["engine"]) == (None, "axe-core 4.14.1")
    assert "were not loaded" in bad["note"]
    assert (good["violations"], good["title"], good["note"]) == ([], "Good", None)
    assert good["passed"] > 10


@pytest.mark.slow
@needs_chromium
async def test_a_page_is_audited_by_its_address_and_led_nowhere_else(site: Site) -> None:
    url = f"http://public.example:{site.server_port}"
    async with tools_of(server(UI_UX_ALLOWED_HOSTS="public.example")) as tools:
        found = await tools.ok("audit_accessibility", url=f"{url}/")
        away = await tools.error("audit_accessibility", url=f"{url}/away")
    rules = {one["rule"]: one["nodes"] for one in found["violations"]}
    assert rules["color-contrast"] == 1, "its stylesheet was loaded"
    assert found["url"] == f"{url}/"
    assert "https://elsewhere.example/a.png" in found["note"]
    assert "metadata.example is not in UI_UX_ALLOWED_HOSTS" in away
    assert all(one.startswith("public.example") for one in site.asked)


@pytest.mark.slow
@needs_chromium
async def test_a_page_that_fights_back_is_audited_all_the_same() -> None:
    hostile = GOOD.replace(
        "<main>",
        "<main><img src=x><script>Promise.prototype.then = null; JSON.stringify = () => 'x';"
        "window.axe = {run: () => []}; for (let i = 0; i < 3; i++) alert(i)</script>",
    )
    endless = GOOD.replace("<main>", "<main><script>while (true);</script>")
    async with tools_of(server(GRACE_SECONDS="12")) as tools:
        found = await tools.ok("audit_html", html=hostile)
        text = await tools.error("audit_html", html=endless)
    assert [one["rule"] for one in found["violations"]] == ["image-alt"]
    assert "The browser could not audit it" in text
