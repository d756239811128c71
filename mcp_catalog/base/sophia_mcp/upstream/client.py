"""One service on the network, called with retries and within limits.

A call ends within `deadline_s`, including all its tries; what is safe to repeat is retried. Errors
are sentences for the model. Neither they nor the log hold a query, a header or a body of ours.
"""

import asyncio
import functools
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from mcp.server.mcpserver.exceptions import ToolError

from sophia_mcp import audit
from sophia_mcp.arguments import given
from sophia_mcp.errors import DependencyError, NotConfigured, Refused, Unusable, UpstreamError
from sophia_mcp.metrics import Metrics
from sophia_mcp.settings import Needed

from . import retry
from .answers import Answer, Answers
from .auth import Auth
from .breaker import Breaker
from .pace import Pace
from .received import elsewhere, received
from .wording import Wording

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Limits of every call to one service.

    deadline_s: of a call with all its tries; below the time that a tool may take.
    connect_s, read_s: of one try, until it is connected, and between two pieces of the answer.
    at_once, per_second: calls in flight, and calls started (None: no limit). Further ones wait.
    answer_bytes: longer answers are abandoned while they arrive.
    """

    deadline_s: float = 15.0
    connect_s: float = 3.0
    read_s: float = 10.0
    tries: int = 4
    at_once: int = 8
    per_second: float | None = None
    answer_bytes: int = 2_000_000


@dataclass(frozen=True)
class _Call:
    method: str
    url: str
    signed: bool
    params: Mapping[str, Any] | None
    body: object
    headers: Mapping[str, str]
    repeatable: bool
    last: int | None


class Upstream:
    """name: for people. url: the base of all paths; without a query.

    needs: settings that it can't work without, besides the credentials of `auth`.
    headers: of every request, such as the version of the API.
    data: the key of every answer that holds the result, as in `{"data": …}`.
    ok: the key that is false if an answer is an error despite its status, as in
        `{"ok": false, "error": "channel_not_found"}`.
    explain: what to do about an error, from its body, a JSON object; "" for the usual advice.
    lasts: whether an error lasts, from the same, such as a daily limit: then there is no retry.

    Pass it to `Server(upstreams=…)`, which opens it. Every call raises ToolError, see errors.py.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        auth: Auth | None = None,
        limits: Limits | None = None,
        needs: Sequence[Needed] = (),
        headers: Mapping[str, str] | None = None,
        data: str | None = None,
        ok: str | None = None,
        explain: Callable[[bytes], str] | None = None,
        lasts: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._auth = auth or Auth()
        self._headers = headers or {}
        needed = (*self._auth.credentials, *needs)
        self._missing = tuple(one.name for one in needed if one.value is None)
        self._wording = Wording(name, urlsplit(url).netloc, self._auth.hide, explain, lasts)
        self._answers = Answers(self._wording, data, ok)
        self._limits = limits or Limits()
        self._breaker = Breaker()
        self._last_failure = ""
        self._http: httpx2.AsyncClient | None = None
        self._metrics: Metrics | None = None

    @asynccontextmanager
    async def opened(self, metrics: Metrics) -> AsyncIterator[None]:
        """One client with its connections, for as long as the context."""
        limits = self._limits
        # Bound to the running event loop.
        self._pace = Pace(limits.at_once, limits.per_second)
        async with httpx2.AsyncClient(
            verify=_trusted(),
            timeout=httpx2.Timeout(limits.read_s, connect=limits.connect_s),
            follow_redirects=False,
            # A limit on bytes read limits memory only if nothing is decompressed.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as http:
            self._http, self._metrics = http, metrics
            yield

    async def check(self) -> None:
        """For /health, from the results of calls; sends nothing.

        Raises NotConfigured if something it needs is missing, DependencyError while the breaker is
        open.
        """
        if self._missing:
            raise NotConfigured(self.name, self._missing)
        if self._breaker.is_open:
            raise DependencyError(f"{self.name}: {self._last_failure}")

    async def get(self, kind: type[T], *path: str, params: Mapping[str, Any] | None = None) -> T:
        """GET the path below the address, as a `kind` that pydantic parses."""
        return self.read(kind, await self.request("GET", *path, params=params))

    async def send(
        self, kind: type[T], method: str, *path: str, body: object, repeatable: bool = False
    ) -> T:
        """Send `body` as JSON. repeatable: doing it twice is the same as doing it once."""
        answer = await self.request(method, *path, body=body, repeatable=repeatable)
        try:
            return self.read(kind, answer)
        except Unusable as error:
            raise error if repeatable else self._wording.in_doubt(error) from None

    def read(self, kind: type[T], answer: Answer) -> T:
        """An answer of `request` as a `kind` that pydantic parses."""
        return self._answers.read(kind, answer)

    def refusal(self, content: bytes) -> Refused:
        """The error for an answer with status 200 that reports an error in its own way. content:
        that, as `{"error": …}`."""
        return self._wording.refused_though_200(content)

    async def graphql(
        self, kind: type[T], query: str, variables: Mapping[str, Any], *path: str
    ) -> T:
        """The `data` of a GraphQL query. Its errors arrive with status 200, and are raised.

        variables: None values are left out; null would mean "has none".
        """
        mutates = query.lstrip().startswith("mutation")
        body = {"query": query, "variables": given(**variables)}
        answer = await self.request("POST", *path, body=body, repeatable=not mutates)
        return self._answers.graphql(kind, answer)

    async def request(
        self,
        method: str,
        *path: str,
        at: str | None = None,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        last: int | None = None,
    ) -> Answer:
        """Any request. path: its segments, each is quoted. params: None values are left out.

        at: a whole address instead of a path, such as one that the service gave for an upload. It
        gets no credentials; the caller checks whose it is.
        body: bytes are sent unchanged, anything else as JSON.
        repeatable: GET and HEAD are, others only if the caller says so.
        last: keep only this many bytes from the end of a long text such as a log. It may be behind
        one
        redirect: within the service, or to https elsewhere, which gets none of our headers.
        """
        if self._missing:
            raise NotConfigured(self.name, self._missing)
        call = _Call(
            method,
            at or "/".join((self._url, *map(_segment, path))),
            at is None,
            given(**(params or {})) or None,
            body,
            headers or {},
            method in retry.SAFE if repeatable is None else repeatable,
            last,
        )
        limit = self._limits.deadline_s
        try:
            async with asyncio.timeout(limit) as timer:
                return await self._tried(call, timer)
        except TimeoutError:
            if not timer.expired():
                raise
            why = f"no answer within {limit:g} s"
            raise self._wording.in_vain(why, "timeout", doubtful=not call.repeatable) from None

    async def _tried(self, call: _Call, timer: asyncio.Timeout) -> Answer:
        ends_at, now = timer.when() or 0.0, asyncio.get_running_loop().time
        for tries in range(1, self._limits.tries + 1):
            try:
                return await self._once(call, timer)
            except UpstreamError as error:
                wait = retry.pause(tries, error.wait)
                last = tries == self._limits.tries or now() + wait >= ends_at
                if last or not retry.is_worth_it(error, call.repeatable):
                    raise
                self._measured().upstream_retries.labels(self.name).inc()
                logger.info(
                    "asking again",
                    extra={"upstream": self.name, "reason": error.reason, "in_s": round(wait, 1)},
                )
            await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _once(self, call: _Call, timer: asyncio.Timeout) -> Answer:
        async with self._pace.turn():
            if (seconds := self._breaker.refusal()) is not None:
                raise self._wording.left_alone(self._last_failure, seconds)
            started, outcome = perf_counter(), "crash"
            try:
                answer = await self._exchange(call)
                outcome = f"{answer.status // 100}xx"
            except httpx2.RequestError as error:
                failure = self._wording.unreached(error, doubtful=not call.repeatable)
                outcome = failure.reason
                raise failure from None
            except UpstreamError as error:
                outcome = error.reason
                raise
            except asyncio.CancelledError:
                outcome = "timeout" if timer.expired() else "cancelled"
                raise
            finally:
                seconds = perf_counter() - started
                audit.count_upstream(seconds)
                self._measured().upstream_try(self.name, call.method, outcome, seconds)
                self._note(outcome)
            if answer.status >= 300:
                wait = retry.retry_after(answer.headers, datetime.now(UTC))
                raise self._wording.refusal(
                    answer.status, wait, answer.content, doubtful=not call.repeatable
                )
            return answer

    async def _exchange(self, call: _Call) -> Answer:
        assert self._http is not None, f"{self.name} is not opened: give it to Server(upstreams=…)"
        most, last = self._limits.answer_bytes, call.last
        raw = call.body if isinstance(call.body, bytes) else None
        ours = {**self._headers, **await self._auth.headers()} if call.signed else {}
        async with self._http.stream(
            call.method,
            call.url,
            params=call.params,
            content=raw,
            json=call.body if raw is None else None,
            headers={**ours, **call.headers},
        ) as response:
            there = elsewhere(response, httpx2.URL(self._url)) if last is not None else None
            if there is None:
                return await received(response, self._wording, most, last)
        async with self._http.stream("GET", there) as response:
            return await received(response, self._wording, most, last)

    def _note(self, outcome: str) -> None:
        """Reports a try's result to the breaker. A service that refuses or answers too much is
        alive."""
        if outcome in ("cancelled", "crash"):
            self._breaker.left()
        elif outcome in ("timeout", "unreachable", "broken", "5xx"):
            self._last_failure = _WORDS.get(outcome, outcome)
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        self._measured().upstream_open.labels(self.name).set(self._breaker.is_open)

    def _measured(self) -> Metrics:
        assert self._metrics is not None
        return self._metrics


_WORDS = {
    "timeout": "no answer in time",
    "unreachable": "can't be reached",
    "broken": "broken connection",
    "5xx": "server errors",
}


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The system's authorities: they take 20 ms to read and memory in each copy."""
    return httpx2.create_ssl_context()


def _segment(text: str) -> str:
    """One segment of a path. A text that would lead elsewhere is not a name."""
    if text in ("", ".", ".."):
        raise ToolError(f"expected an id or a name, got {text!r}")
    return quote(text, safe=":")  # as in `service:query`, where some read no %3A
