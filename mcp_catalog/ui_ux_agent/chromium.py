"""Debian's Chromium without a window, over the DevTools protocol's pipe. A browser is started for
one task, reaches nothing that it was not allowed, and leaves neither processes nor files behind.
"""

import asyncio
import base64
import fcntl
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

HTML_URL = "https://page.invalid/"
"""The address of a page that was given as HTML."""

MOST_BYTES = 64_000_000
"""Of a message from the browser, such as a screenshot."""

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    # Frames of other sites stay in the page's process, where its scripts and requests are seen.
    "--disable-features=IsolateOrigins,site-per-process,HttpsUpgrades,Translate,MediaRouter",
    "--disable-site-isolation-trials",
    # Its sandbox needs user namespaces, which neither root nor our containers have. There, the
    # container is the sandbox: read-only, without capabilities, with its own user.
    "--no-sandbox",
    # Else its packets go out whatever the names resolve to.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)


class ChromiumError(Exception):
    """The browser is missing, crashed, took too long, or could not execute a command."""


@dataclass(frozen=True)
class Asked:
    """A page's request to the network. kind: such as Document, Script, Image, Fetch."""

    method: str
    url: str
    kind: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """The answer to it."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


Answerer = Callable[[Asked], Awaitable[Answer | None]]
"""Answers a page's requests in the network's place; None refuses one."""


class Chromium:
    """`async with Chromium() as browser, browser.page() as page: await page.open_html("<p>…")`

    seconds: limit of the whole. answerer: for pages' requests to the network.
    reachable: hosts that the browser itself may reach, such as 127.0.0.1, and no others.

    Every method raises ChromiumError.
    """

    def __init__(
        self,
        *,
        seconds: float = 30.0,
        answerer: Answerer | None = None,
        reachable: Sequence[str] = (),
    ) -> None:
        self._seconds, self._ends = seconds, 0.0
        self.answerer, self.reachable = answerer, frozenset(reachable)
        self.pid = 0
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        program = shutil.which("chromium")
        if program is None:
            raise ChromiumError("there is no `chromium` on PATH")
        self._ends = asyncio.get_running_loop().time() + self._seconds
        self._folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        ours, theirs = socket.socketpair()
        try:
            self.pid = _spawned([program, *_FLAGS, *self._flags()], theirs, self._folder)
            theirs.close()
            self._reader, self._writer = await asyncio.open_unix_connection(
                sock=ours, limit=MOST_BYTES
            )
            self._start(self._read())
            await self.send("Browser.getVersion")
        except BaseException:
            theirs.close()
            ours.close()
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()
        await self._end()

    @asynccontextmanager
    async def page(
        self,
        *,
        width: int = 1280,
        height: int = 800,
        color_scheme: Literal["light", "dark"] = "light",
        reduced_motion: bool = False,
    ) -> AsyncIterator["Page"]:
        """A new empty page."""
        target = (await self.send("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.send("Target.attachToTarget", targetId=target, flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        await page.send("Page.enable")
        await page.send("Fetch.enable")
        await page.look(width, height, color_scheme, reduced_motion)
        try:
            yield page
        finally:
            del self._pages[attached["sessionId"]]
            with suppress(ChromiumError):
                await self.send("Target.closeTarget", targetId=target)

    async def send(self, method: str, /, session: str | None = None, **params: Any) -> Any:
        """A command of the DevTools protocol, and its result."""
        self._last_id += 1
        number = self._last_id
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with self.in_time(method):
                self._writer.write(json.dumps(message).encode() + b"\0")
                await self._writer.drain()
                said = await answer
        except OSError:
            raise ChromiumError(self._why_gone()) from None
        finally:
            del self._waiting[number]
        if error := said.get("error"):
            raise ChromiumError(f"{method}: {error.get('message')}")
        return said["result"]

    @asynccontextmanager
    async def in_time(self, what: str) -> AsyncIterator[None]:
        """Ends what takes longer than the whole task may."""
        try:
            async with asyncio.timeout_at(self._ends):
                yield
        except TimeoutError:
            raise ChromiumError(f"{what} was not done within {self._seconds:g} s") from None

    def _flags(self) -> list[str]:
        hosts = [f"EXCLUDE {host}" for host in sorted(self.reachable)]
        rules = ", ".join(["MAP * ~NOTFOUND", *hosts])  # addresses are names here, too
        return [
            f"--user-data-dir={self._folder}",
            f"--host-resolver-rules={rules}",
        ]

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        try:
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if "id" in message:
                    answer = self._waiting.get(message["id"])
                    if answer is not None and not answer.done():
                        answer.set_result(message)
                elif page := self._pages.get(message.get("sessionId", "")):
                    self._start(page.happened(message["method"], message["params"]))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            for answer in [
                *self._waiting.values(),
                *(page.loaded for page in self._pages.values()),
            ]:
                if not answer.done():
                    answer.set_exception(ChromiumError(self._why_gone()))

    def _why_gone(self) -> str:
        said = (self._folder / "stderr").read_text("utf-8", "replace").strip()
        return f"chromium ended by itself: {said[-500:] or 'it said nothing'}"

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        # In a separate thread, which a cancelled task doesn't end.
        try:
            await asyncio.shield(asyncio.to_thread(_removed, self.pid, self._folder))
        except RuntimeError:  # no thread is left: the browser has used up the container's limit
            _removed(self.pid, self._folder)


class Page:
    """One page of a browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session
        self._html: str | None = None
        self.loaded = _quiet_future()

    async def send(self, method: str, /, **params: Any) -> Any:
        """A command of the DevTools protocol to this page, and its result."""
        return await self._browser.send(method, session=self._session, **params)

    async def look(
        self,
        width: int,
        height: int,
        color_scheme: Literal["light", "dark"] = "light",
        reduced_motion: bool = False,
    ) -> None:
        """The size of the viewport in CSS pixels, and what the user prefers."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = {
            "prefers-color-scheme": color_scheme,
            "prefers-reduced-motion": "reduce" if reduced_motion else "no-preference",
        }
        await self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )

    async def open_html(self, html: str, *, load_s: float | None = None) -> None:
        """Open a page with this text, at HTML_URL; load_s: as for `open`."""
        self._html = html
        await self.open(HTML_URL, load_s=load_s)

    async def open(self, url: str, *, load_s: float | None = None) -> None:
        """Open an address and wait until it has loaded, or for load_s seconds."""
        self.loaded = _quiet_future()
        if error := (await self.send("Page.navigate", url=url)).get("errorText"):
            raise ChromiumError(f"{url}: {error}")
        async with self._browser.in_time(f"loading {url}"):
            with suppress(TimeoutError):
                async with asyncio.timeout(load_s):
                    await asyncio.shield(self.loaded)

    async def evaluate(self, expression: str, *, context: int | None = None) -> Any:
        """The value of an expression of JavaScript, as JSON; promises are awaited.

        context: one of `isolated`; else the page's own.
        """
        place = {} if context is None else {"contextId": context}
        done = await self.send(
            "Runtime.evaluate",
            expression=expression, awaitPromise=True, returnByValue=True, **place,
        )  # fmt: skip
        if thrown := done.get("exceptionDetails"):
            text = thrown.get("exception", {}).get("description") or thrown.get("text")
            raise ChromiumError(f"JavaScript: {text}")
        return done["result"].get("value")

    async def isolated(self) -> list[int]:
        """Contexts that see the document but not the page's scripts, which see nothing of what is
        done in them: of the page first, then of each frame."""
        found, frames = [], [(await self.send("Page.getFrameTree"))["frameTree"]]
        for tree in frames:
            frames += tree.get("childFrames", [])
            with suppress(ChromiumError):  # a frame may be gone by now
                made = await self.send(
                    "Page.createIsolatedWorld", frameId=tree["frame"]["id"], worldName="sophia"
                )
                found.append(made["executionContextId"])
        return found

    async def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of the viewport, or of the whole page."""
        done = await self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(done["data"])

    async def happened(self, event: str, params: dict[str, Any]) -> None:
        """Called by the browser with each event of this page."""
        with suppress(ChromiumError):  # the page may have navigated by now
            if event == "Page.loadEventFired" and not self.loaded.done():
                self.loaded.set_result({})
            elif event == "Page.javascriptDialogOpening":
                await self.send("Page.handleJavaScriptDialog", accept=True)
            elif event == "Fetch.requestPaused":
                await self._answer(params["requestId"], params["request"], params["resourceType"])

    async def _answer(self, number: str, request: dict[str, Any], kind: str) -> None:
        url = request["url"]
        if url == HTML_URL and self._html is not None:
            html = [("content-type", "text/html; charset=utf-8")]
            answer: Answer | None = Answer(200, html, self._html.encode())
        elif urlsplit(url).hostname in self._browser.reachable:
            await self.send("Fetch.continueRequest", requestId=number)
            return
        elif self._browser.answerer is not None:
            asked = Asked(request["method"], url, kind, request["headers"])
            answer = await self._browser.answerer(asked)
        else:
            answer = None
        if answer is None:
            await self.send("Fetch.failRequest", requestId=number, errorReason="BlockedByClient")
            return
        await self.send(
            "Fetch.fulfillRequest",
            requestId=number,
            responseCode=answer.status,
            responseHeaders=[{"name": name, "value": value} for name, value in answer.headers],
            body=base64.b64encode(answer.body).decode(),
        )


def _quiet_future() -> asyncio.Future[dict[str, Any]]:
    """A future whose exception need not be retrieved."""
    future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _spawned(command: list[str], pipe: socket.socket, folder: Path) -> int:
    """A process group's leader. It has the pipe as 3 and 4, but not our environment."""
    high = fcntl.fcntl(pipe.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
    try:
        return os.posix_spawn(
            command[0],
            command,
            {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "LANG": "C.UTF-8",
            },
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, f"{folder}/stderr", os.O_WRONLY | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, high, 3),
                (os.POSIX_SPAWN_DUP2, high, 4),
            ],
            setpgroup=0,
        )
    finally:
        os.close(high)


def _removed(pid: int, folder: Path) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-pid, 0)
    # In a container, process 1 inherits orphans and must wait for them: that is us. Chromium's
    # handlers of crashes leave its group, and end when it does; the next sweep gets the last ones.
    with suppress(ChildProcessError):
        while os.getpid() == 1 and os.waitpid(-1, os.WNOHANG)[0]:
            pass
    shutil.rmtree(folder, ignore_errors=True)
