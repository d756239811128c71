"""The browser itself: what it shows, what it can't reach, and what it leaves behind."""

import asyncio
import hashlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.browser import needs_chromium
from tests.support.polling import eventually

from .chromium import Answer, Asked, Chromium, ChromiumError

pytestmark = [pytest.mark.slow]
AXE = Path(__file__).parent / "axe"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where profiles go; what is in it after a browser's end was left behind."""
    made = tmp_path_factory.mktemp("c")
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


class Site(ThreadingHTTPServer):
    """Answers every request, and notes what reached it."""

    def __init__(self) -> None:
        self._tcp: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<title>site</title>")

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(self.server_address)
        self._udp.setblocking(False)

    def verify_request(self, *_: object) -> bool:
        self._tcp.append("tcp")
        return True

    def reached(self) -> list[str]:
        with suppress(BlockingIOError):
            return [*self._tcp, f"udp: {self._udp.recv(2_000)!r}"]
        return self._tcp

    def server_close(self) -> None:
        self._udp.close()
        super().server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def processes(folder: Path) -> list[str]:
    """States of the processes that were started for a profile in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if bytes(folder) in (process / "cmdline").read_bytes():
                found.append((process / "stat").read_text())
        except OSError:
            continue
    return found


async def ended(folder: Path) -> None:
    """Nothing is left of the browsers. Their handlers of crashes notice a moment later."""

    async def look() -> list[str]:
        return processes(folder)

    await eventually(look, lambda left: left == [], "every process has ended", 10)
    assert os.listdir(folder) == []


@needs_chromium
async def test_a_page_of_html_is_shown_as_asked(folder: Path) -> None:
    html = (
        "<!doctype html><title>Grüße</title><script>alert(1); window.own = 1</script><p id=p>x</p>"
        "<iframe srcdoc='<title>inner</title>'></iframe>"
    )
    seen = (
        "[document.title, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches,"
        " matchMedia('(prefers-reduced-motion)').matches]"
    )
    async with Chromium() as browser, browser.page(width=390, color_scheme="dark") as page:
        await page.open_html(html)
        dark = await page.evaluate(seen)
        await page.look(1000, 600, reduced_motion=True)
        light = await page.evaluate(seen)
        later = await page.evaluate("new Promise(done => setTimeout(() => done({own}), 10))")
        png = await page.screenshot()
        inside = [await page.evaluate("document.title", context=c) for c in await page.isolated()]
        own = [await page.evaluate("typeof own", context=c) for c in await page.isolated()]
        with pytest.raises(ChromiumError, match="nope is not defined"):
            await page.evaluate("nope()")
    assert dark == ["Grüße", 390, True, False]
    assert light == ["Grüße", 1000, False, True]
    assert later == {"own": 1}
    assert png.startswith(b"\x89PNG")
    assert (inside, own) == (["Grüße", "inner"], ["undefined", "undefined"])
    await ended(folder)


@needs_chromium
async def test_it_reaches_only_what_it_was_told(site: Site) -> None:
    url = f"http://127.0.0.1:{site.server_port}"
    everything = (
        f"<img src={url}/image><iframe src={url}/frame></iframe><script>"
        f"new Worker(URL.createObjectURL(new Blob(['fetch(\"{url}/worker\")'])));"
        f"navigator.sendBeacon('{url}/beacon'); open('{url}/popup');"
        f"new WebSocket('ws://127.0.0.1:{site.server_port}/socket')</script>"
    )
    server = f"127.0.0.1:{site.server_port}"
    calls = (
        "new Promise(done => { const pc = new RTCPeerConnection({iceServers: [{username: 'a',"
        f"credential: 'b', urls: ['turn:{server}?transport=tcp', 'stun:{server}']}}]}});"
        "pc.createDataChannel('c'); pc.createOffer().then(offer => pc.setLocalDescription(offer));"
        "pc.onicecandidate = event => event.candidate || done(); setTimeout(done, 1000); })"
    )
    async with Chromium() as browser, browser.page() as page:
        await page.open_html(everything)
        await page.evaluate(calls)
        assert await page.evaluate(f"fetch('{url}').catch(e => e.name)") == "TypeError"
        with pytest.raises(ChromiumError, match="ERR_BLOCKED_BY_CLIENT"):
            await page.open(url)
    assert site.reached() == []
    async with Chromium(reachable=["127.0.0.1"]) as browser, browser.page() as page:
        await page.open(f"{url}/allowed")
        assert await page.evaluate("document.title") == "site"
    assert "tcp" in site.reached()


@needs_chromium
async def test_requests_are_answered_by_us(site: Site) -> None:
    asked: list[Asked] = []

    async def answerer(one: Asked) -> Answer | None:
        asked.append(one)
        if one.url.endswith("/from"):
            return Answer(302, [("location", "/to")])
        return Answer(body=b"<title>ours</title><img src=/x>") if one.url.endswith("/to") else None

    async with Chromium(answerer=answerer) as browser, browser.page() as page:
        await page.open("https://example.com/from")
        seen = await page.evaluate("[document.title, location.href, isSecureContext]")
    assert seen == ["ours", "https://example.com/to", True]
    assert [(one.method, one.url, one.kind) for one in asked[:3]] == [
        ("GET", "https://example.com/from", "Document"),
        ("GET", "https://example.com/to", "Document"),
        ("GET", "https://example.com/x", "Image"),
    ]


@needs_chromium
async def test_what_takes_too_long_ends(folder: Path) -> None:
    async with Chromium(seconds=4) as browser, browser.page() as page:
        await page.open_html("<p>")
        with pytest.raises(ChromiumError, match=r"Runtime.evaluate was not done within 4 s"):
            await page.evaluate("(() => { while (true); })()")
    await ended(folder)


@needs_chromium
async def test_a_browser_that_uses_up_all_threads_ends_with_its_own_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def tried() -> None:
        async with Chromium(seconds=4) as browser, browser.page() as page:
            monkeypatch.setattr(asyncio, "to_thread", refused)
            await page.evaluate("(() => { while (true); })()")

    with pytest.raises(ChromiumError, match=r"Runtime.evaluate was not done within 4 s"):
        await tried()
    await ended(folder)


@needs_chromium
async def test_a_page_that_never_loads_is_looked_at_as_it_is() -> None:
    async def answerer(one: Asked) -> Answer | None:
        await asyncio.sleep(60)
        return None

    async with Chromium(answerer=answerer) as browser, browser.page() as page:
        await page.open_html("<title>so far</title><img src=https://slow.example/>", load_s=0.3)
        assert await page.evaluate("document.title") == "so far"


@needs_chromium
@pytest.mark.parametrize("started", [False, True])
async def test_a_cancelled_task_leaves_nothing_behind(folder: Path, started: bool) -> None:
    opened = asyncio.Event()

    async def work() -> None:
        async with Chromium() as browser, browser.page() as page:
            opened.set()
            await page.evaluate("new Promise(() => {})")

    async def running() -> bool:
        return opened.is_set() if started else bool(processes(folder))

    task = asyncio.create_task(work())
    await eventually(running, bool, "the browser runs")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended(folder)


@needs_chromium
async def test_a_browser_that_dies_is_said_to_have(folder: Path) -> None:
    async with Chromium() as browser, browser.page() as page:
        waiting = asyncio.create_task(page.evaluate("new Promise(() => {})"))
        os.kill(browser.pid, signal.SIGKILL)
        with pytest.raises(ChromiumError, match="chromium ended by itself"):
            await waiting
    await ended(folder)


async def test_without_chromium_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChromiumError, match="no `chromium` on PATH"):
        async with Chromium():
            pass


def test_axe_is_the_one_that_its_readme_names() -> None:
    source, told = (AXE / "axe.min.js").read_bytes(), (AXE / "README.md").read_text()
    assert hashlib.sha256(source).hexdigest() in told
    assert f"axe-core {source.split(b' v')[1].split()[0].decode()} by" in told
