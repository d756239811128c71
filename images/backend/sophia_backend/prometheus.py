"""Asks one of the platform's Prometheuses, by its HTTP API."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx2
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Settings

from . import wire
from .problems import Problem

logger = logging.getLogger(__name__)

VARIABLE = "SOPHIA_PROMETHEUS"
_PLACE = re.compile(r"([A-Za-z0-9_.-]+):([0-9]{1,5})")
_SEEN = "count_over_time(sophia_expected_nodes[15d:15m])"
"""How much a Prometheus has seen itself: one that lost its node starts with nothing (ADR 35)."""
_ORDER_KEPT_S = 60.0
_ANSWER_S = 8.0

Series = tuple[Mapping[str, str], list[tuple[float, float]]]
"""Labels, and values at times in seconds since 1970."""


class Refused(Exception):
    """Prometheus can't answer this query. The text is its reason."""


def read_place(settings: Settings) -> tuple[str, int] | None:
    """Host and port from SOPHIA_PROMETHEUS, None without it: nothing is monitored. The host
    resolves to all of them. Raises SettingError: it is something else."""
    text = settings.text(VARIABLE, "")
    if not text:
        return None
    if not (found := _PLACE.fullmatch(text)) or not 0 < int(found[2]) < 65536:
        raise SettingError(
            f"{VARIABLE}: expected host:port, such as tasks.sophia-prod-prometheus:9090, "
            f"got {text[:100]!r}"
        )
    return found[1], int(found[2])


class Prometheus:
    """All at one host, of which the one that has seen most is asked, so that charts don't change
    from one answer to the next."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._http = wire.http_client()
        self._order: list[str] = []
        self._ordered_at = -_ORDER_KEPT_S
        self._ordering = asyncio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._http.aclose()

    async def over(self, query: str, start: int, end: int, step: int) -> list[Series]:
        """Values from start to end, both in seconds since 1970, every `step` seconds.

        Raises:
            Refused: this query can't be answered.
            Problem: no Prometheus answers.
        """
        asked: dict[str, str | int] = {"query": query, "start": start, "end": end, "step": step}
        data = await self._ask("query_range", asked)
        return [
            (one["metric"], [(float(at), float(value)) for at, value in one["values"]])
            for one in data["result"]
        ]

    async def now(self, query: str) -> list[Series]:
        """The newest values. Raises as `over`."""
        found = (await self._ask("query", {"query": query}))["result"]
        return [(one["metric"], [(float(one["value"][0]), float(one["value"][1]))])
                for one in found]  # fmt: skip

    async def values_of(self, label: str) -> list[str]:
        """All values of a label among what is kept; of `__name__`, every metric. Raises as
        `over`."""
        return [str(value) for value in await self._ask(f"label/{label}/values", {})]

    async def alerts(self) -> list[dict[str, Any]]:
        """Those that fire or are about to. Raises as `over`."""
        return list((await self._ask("alerts", {}))["alerts"])

    async def _ask(self, what: str, asked: Mapping[str, str | int]) -> Any:
        reason = "its name has no address"
        for address in await self._addresses():
            try:
                return await self._ask_at(address, what, asked)
            except (wire.Fault, httpx2.TransportError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                self._ordered_at = -_ORDER_KEPT_S  # look again who is there
        raise Problem(503, "Monitoring is away", f"Prometheus does not answer: {reason}.")

    async def _ask_at(self, address: str, what: str, asked: Mapping[str, str | int]) -> Any:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}/api/v1/{what}"
        async with (
            asyncio.timeout(_ANSWER_S),
            self._http.stream("GET", url, params=dict(asked)) as answer,
        ):
            try:
                said = await wire.read(answer)
            except wire.TooLong as long:  # another one's would be as long
                raise Refused(str(long)) from None
        if isinstance(said, dict) and said.get("status") == "success":
            return said["data"]
        reason = said.get("error") if isinstance(said, dict) else None
        raise Refused(str(reason or f"an answer with status {answer.status_code}"))

    async def _addresses(self) -> list[str]:
        """Of all, the one that has seen most first."""
        async with self._ordering:
            if monotonic() - self._ordered_at < _ORDER_KEPT_S:
                return self._order
            loop = asyncio.get_running_loop()
            try:
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            except OSError:
                found = []
            addresses = sorted({str(one[4][0]) for one in found})
            seen = await asyncio.gather(*map(self._seen, addresses))
            by_seen = dict(zip(addresses, seen, strict=True))
            self._order = sorted(addresses, key=lambda address: (-by_seen[address], address))
            self._ordered_at = monotonic()
            return self._order

    async def _seen(self, address: str) -> float:
        try:
            data = await self._ask_at(address, "query", {"query": _SEEN})
            return max((float(one["value"][1]) for one in data["result"]), default=0)
        except (wire.Fault, Refused, httpx2.TransportError, TimeoutError) as error:
            logger.warning("a Prometheus does not answer", extra={"reason": str(error)})
            return -1
