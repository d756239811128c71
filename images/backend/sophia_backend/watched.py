"""One server as it was last seen: its replicas and their health, its tools, its activity."""

import asyncio
import logging
import socket
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import SERVER_INFO_META_KEY, DiscoverResult
from pydantic import ValidationError
from sophia_mcp.activity import Report

from . import wire
from .places import Place
from .tools import Tool, read_tool

logger = logging.getLogger(__name__)

STATUSES = ("ok", "degraded", "not_configured", "starting", "draining", "away")
"""The best first: a server has the status of its best replica."""

_CALLABLE = STATUSES[:3]
_HEALTH_S = 2.0
_LIST_S = 5.0
_LISTS_KEPT_S = 30.0
_MOST_PAGES = 50
_MISSES = 2
"""After this many unanswered polls in a row a replica is away."""


@dataclass
class Replica:
    """url: without a path. detail: why it isn't `ok`. activity: from /activity."""

    url: str
    status: str = "away"
    detail: str | None = "it was not checked yet"
    misses: int = _MISSES - 1
    in_flight: int = 0
    activity: Report = field(default_factory=Report)

    def missed(self, why: str) -> None:
        """It did not answer."""
        self.misses += 1
        if self.misses >= _MISSES:
            self.status, self.detail = "away", why


class Watched:
    """servers: the names of all."""

    def __init__(self, place: Place, servers: Collection[str]) -> None:
        self.place, self._servers = place, servers
        self.replicas: dict[str, Replica] = {}
        self.title, self.instructions = place.name, ""
        self.tools: dict[str, Tool] = {}
        self.looked = False
        self._turn = count()
        self._looking = asyncio.Lock()
        self._listed_of: frozenset[str] = frozenset()
        self._list_again_at = 0.0
        self._unlisted: str | None = None
        self._unresolved: str | None = None

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def headers(self) -> dict[str, str]:
        """The Host of every request: a server answers to its name, not to an address."""
        return {"Host": self.name}

    def callable(self) -> list[Replica]:
        """Replicas that take calls, the least busy first."""
        turn = next(self._turn)
        able = [replica for replica in self.replicas.values() if replica.status in _CALLABLE]
        turned = [able[(turn + place) % len(able)] for place in range(len(able))]
        return sorted(turned, key=lambda replica: replica.in_flight)

    @property
    def status(self) -> str:
        """One of STATUSES. If its tools can't be listed at all, `degraded` at best."""
        best = min(
            (STATUSES.index(replica.status) for replica in self.replicas.values()), default=5
        )
        return STATUSES[max(best, 1) if self._unlisted and not self.tools else best]

    @property
    def detail(self) -> str | None:
        """Why it is not `ok`."""
        for replica in self.replicas.values():
            if replica.status == self.status and replica.status != "ok":
                return replica.detail
        if self.replicas:
            return self._unlisted
        return self._unresolved or "it has no replica"

    async def look(self, http: httpx2.AsyncClient) -> None:
        """Poll it. Concurrent callers wait for the same answers."""
        if self._looking.locked():
            async with self._looking:
                return
        async with self._looking:
            await self._resolve()
            asked = [self._examine(http, replica) for replica in self.replicas.values()]
            await asyncio.gather(*asked)
            able = frozenset(replica.url for replica in self.callable())
            if able and (able != self._listed_of or monotonic() >= self._list_again_at):
                await self._list(http, able)
            elif not able:  # a replica that comes back may be a new version
                self._listed_of = able
            self.looked = True

    async def _resolve(self) -> None:
        """While a name can't be resolved, the known addresses stay."""
        loop, place = asyncio.get_running_loop(), self.place
        try:
            async with asyncio.timeout(_HEALTH_S):
                found = await loop.getaddrinfo(
                    place.host, place.port, family=socket.AF_INET, type=socket.SOCK_STREAM
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            self._unresolved = f"{place.host} has no address: {type(error).__name__}"
            return
        self._unresolved = None
        urls = sorted({f"http://{address[0]}:{place.port}" for *_, address in found})
        self.replicas = {url: self.replicas.get(url) or Replica(url) for url in urls}

    async def _examine(self, http: httpx2.AsyncClient, replica: Replica) -> None:
        try:
            async with asyncio.timeout(_HEALTH_S):
                health = await self._get(http, f"{replica.url}/health")
                status = health.get("status")
                if status not in STATUSES[:-1]:
                    raise wire.Unusable("its /health has an unknown status")
                replica.misses, replica.status = 0, str(status)
                problem = health.get("problem")
                replica.detail = None if problem is None else str(problem)[:500]
                with suppress(wire.Unusable, ValidationError):
                    told = await self._get(http, f"{replica.url}/activity")
                    replica.activity = Report.model_validate(told)
        except TimeoutError:
            replica.missed(f"no answer within {_HEALTH_S:g} s")
        except httpx2.TransportError as error:
            replica.missed(f"it can't be reached: {type(error).__name__}")
        except wire.Fault as fault:
            replica.missed(str(fault))

    async def _get(self, http: httpx2.AsyncClient, url: str) -> dict[str, Any]:
        async with http.stream("GET", url, headers=self.headers) as response:
            body = await wire.read(response)
        if not isinstance(body, dict):
            raise wire.Unusable("its answer is not an object")
        return body

    async def _list(self, http: httpx2.AsyncClient, able: frozenset[str]) -> None:
        """Its tools, from any replica. If that fails, the known ones stay."""
        url = f"{self.callable()[0].url}/mcp"
        try:
            async with asyncio.timeout(_LIST_S):
                told = await self._ask(http, url, "server/discover", {})
                about = DiscoverResult.model_validate(told, by_name=False)
                tools = await self._all_tools(http, url)
        except (wire.Fault, MCPError, TimeoutError, ValidationError) as error:
            why = str(error)
            if isinstance(error, TimeoutError | ValidationError):
                late = isinstance(error, TimeoutError)
                why = f"no answer within {_LIST_S:g} s" if late else "a wrong answer"
            self._unlisted = f"its tools can't be listed: {why}"[:500]
            return
        info = (about.meta or {}).get(SERVER_INFO_META_KEY)
        titles = info if isinstance(info, dict) else {}
        self.title = str(titles.get("title") or self.name)
        self.instructions = about.instructions or ""
        self.tools, self._unlisted = tools, None
        self._listed_of, self._list_again_at = able, monotonic() + _LISTS_KEPT_S

    async def _all_tools(self, http: httpx2.AsyncClient, url: str) -> dict[str, Tool]:
        tools: dict[str, Tool] = {}
        params: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            page = await self._ask(http, url, "tools/list", params)
            given = page.get("tools")
            if not isinstance(given, list):
                raise wire.Unusable("its list of tools is not a list")
            for definition in given:
                try:
                    tool = read_tool(self.name, definition, self._servers)
                except ValueError:
                    logger.warning("skipped an invalid tool", extra={"of": self.name})
                else:
                    tools[tool.name] = tool
            if not page.get("nextCursor"):
                return tools
            params = {"cursor": page["nextCursor"]}
        raise wire.Unusable(f"its list of tools has more than {_MOST_PAGES} pages")

    async def _ask(
        self, http: httpx2.AsyncClient, url: str, method: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        return await wire.ask(http, url, method, params, headers=self.headers, seconds=_LIST_S)
