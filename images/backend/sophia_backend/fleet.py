"""All servers, watched in the background: requests get what was last seen, at once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from sophia_mcp.errors import DependencyError

from . import wire
from .places import Place
from .tools import Tool
from .watched import Watched

logger = logging.getLogger(__name__)

_FIRST_LOOKS_S = 5.0


@dataclass(frozen=True)
class Pauses:
    """Seconds between two polls of a server: if all its replicas take calls, and if not."""

    well: float = 5.0
    unwell: float = 1.0


class Fleet:
    """The servers at `places`."""

    def __init__(self, places: Sequence[Place], pauses: Pauses = Pauses()) -> None:
        names = [place.name for place in places]
        ordered = sorted(places, key=lambda place: place.name)
        self.servers = {place.name: Watched(place, names) for place in ordered}
        self._pauses = pauses
        self._http = wire.http_client()
        self.clients = {name: wire.http_client() for name in names}
        """For calls: separate from those of other servers and from background requests."""
        self._began_at = monotonic()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Fleet"]:
        """Watches for as long as the context."""
        self._began_at = monotonic()
        watching = [asyncio.create_task(self._watch(one)) for one in self.servers.values()]
        try:
            yield self
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            for client in (self._http, *self.clients.values()):
                await client.aclose()

    async def check(self) -> None:
        """Raises during the first poll of the servers, for a few seconds at most: a client that
        comes earlier would see none of their tools."""
        waited = monotonic() - self._began_at
        if waited < _FIRST_LOOKS_S and not all(one.looked for one in self.servers.values()):
            raise DependencyError("the servers are being checked for the first time")

    def tools(self, servers: Collection[Watched]) -> list[Tool]:
        """The tools of those of `servers` that take calls, by their full names."""
        here = [one for one in servers if one.callable()]
        every = [tool for one in here for tool in one.tools.values()]
        return sorted(every, key=lambda tool: tool.full_name)

    async def look_at(self, server: Watched) -> None:
        """Polls a server now, without waiting for its turn."""
        await server.look(self._http)

    async def _watch(self, server: Watched) -> None:
        while True:
            try:
                await server.look(self._http)
            except Exception:  # no error may end the watch
                logger.exception("could not check a server", extra={"of": server.name})
            # A missing credential stays missing for long: don't poll each second for it.
            well = 0 < len(server.replicas) == len(server.callable())
            await asyncio.sleep(self._pauses.well if well else self._pauses.unwell)
