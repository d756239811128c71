"""The logs of all services, from the store that keeps them, where the platform has one."""

import asyncio
import json
import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Settings

from . import logs_query, wire
from .problems import Problem

VARIABLE = "SOPHIA_LOGS"
MOST_LINES, MOST_BYTES = 1000, 4 * 1024 * 1024
"""In one answer. A line may have 128 KiB."""
_LINES = "100"
"""Without a limit."""
_ANSWER_S = 15.0
_SERVICE = re.compile(r"[A-Za-z0-9_-]{1,63}")


class Place(BaseModel):
    """url: of the store, VictoriaLogs. prefix: of services' names in it."""

    model_config = ConfigDict(extra="forbid")
    url: str
    prefix: str


def read_place(settings: Settings) -> Place | None:
    """From SOPHIA_LOGS; None without it. Raises SettingError: it is something else."""
    text = settings.text(VARIABLE, "")
    if not text:
        return None
    try:
        return Place.model_validate_json(text)
    except ValidationError as error:
        example = json.dumps({"url": "http://tasks.sophia-logs:9428", "prefix": "sophia-"})
        raise SettingError(f"{VARIABLE}: expected an object such as {example}: {error}") from None


async def find(place: Place, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """The newest lines, the oldest of them first: `time`, `service`, `node`, `stream`, `line`.

    asked: service, search (text in any case), since (such as 2h, or a date), limit.
    Raises Problem: a wrong value (400), or no store answers (502).
    """
    wanted, most = _query(place.prefix, asked), int(asked.get("limit") or _LINES)
    try:
        stores = await _stores(place.url)
        told = await asyncio.gather(*(_told(one, wanted) for one in stores), return_exceptions=True)
        answers = [one for one in told if not isinstance(one, BaseException)]
        for one in told:
            if isinstance(one, Problem) or (isinstance(one, BaseException) and not answers):
                raise one
        rows = [json.loads(line) for line in logs_query.union(map(reversed, answers))]
    except (OSError, httpx2.HTTPError, ValueError) as error:
        detail = f"The store of logs doesn't answer: {type(error).__name__}. Try again."
        raise Problem(502, "No logs now", detail) from None
    rows.sort(key=lambda row: str(row.get("_time")).removesuffix("Z"))
    return [
        {
            "time": row.get("_time"),
            "service": str(row.get("service", "")).removeprefix(place.prefix),
            "node": row.get("node"),
            "stream": row.get("stream"),
            "line": row.get("_msg"),
        }
        for row in rows[-most:]
    ]


async def _stores(url: str) -> list[str]:
    """The addresses of all. Raises OSError."""
    at = urlsplit(url)
    found = await asyncio.get_running_loop().getaddrinfo(
        at.hostname or "", at.port, family=socket.AF_INET, type=socket.SOCK_STREAM
    )
    addresses = {str(where[0]) for *_, where in found}
    return [f"http://{address}:{at.port}" for address in sorted(addresses)]


async def _told(url: str, wanted: str) -> list[bytes]:
    """The rows of a store's answer. Raises Problem, httpx2.HTTPError."""
    told = bytearray()
    async with (
        wire.http_client() as http,
        http.stream(
            "POST", f"{url}/select/logsql/query", data={"query": wanted}, timeout=_ANSWER_S
        ) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            told += chunk
            if len(told) > MOST_BYTES:
                detail = f"The lines have more than {MOST_BYTES} bytes: ask for fewer by `limit`."
                raise Problem(400, "Bad request", detail)
    # Not as text, which has more ends of lines: some of Unicode's are in what people send.
    return bytes(told).splitlines()


def _query(prefix: str, asked: Mapping[str, str]) -> str:
    """LogsQL. Raises Problem."""
    service, since = asked.get("service", ""), asked.get("since") or "1h"
    limit = asked.get("limit") or _LINES
    if service and not _SERVICE.fullmatch(service):
        raise _bad("service", service, "a service's name, such as slack or gateway")
    if not logs_query.is_since(since):
        raise _bad("since", since, logs_query.SINCE_SUCH_AS)
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST_LINES:
        raise _bad("limit", limit, f"a whole number from 1 to {MOST_LINES}")
    physical, search = prefix + service if service else "", asked.get("search", "")[:1000]
    return logs_query.query(physical, search, "", since, int(limit))


def _bad(name: str, got: str, expected: str) -> Problem:
    return Problem(400, "Bad request", f"{name}: expected {expected}, got {got[:40]!r}.")
