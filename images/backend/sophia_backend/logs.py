"""The logs of all services, from the store that keeps them, where the platform has one."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Settings

from . import logs_query, wire
from .problems import Problem

VARIABLE = "SOPHIA_LOGS"
MOST_LINES = 1000
"""In one answer."""
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
    Raises Problem: a wrong value (400), or the store doesn't answer (502).
    """
    async with wire.http_client() as http:
        try:
            answer = await http.post(
                f"{place.url}/select/logsql/query",
                data={"query": _query(place.prefix, asked)},
                timeout=_ANSWER_S,
            )
            answer.raise_for_status()
            rows = [json.loads(line) for line in answer.text.splitlines()]
        except (httpx2.HTTPError, ValueError) as error:
            detail = f"The store of logs doesn't answer: {type(error).__name__}. Try again."
            raise Problem(502, "No logs now", detail) from None
    return [
        {
            "time": row.get("_time"),
            "service": str(row.get("service", "")).removeprefix(place.prefix),
            "node": row.get("node"),
            "stream": row.get("stream"),
            "line": row.get("_msg"),
        }
        for row in reversed(rows)
    ]


def _query(prefix: str, asked: Mapping[str, str]) -> str:
    """LogsQL. Raises Problem."""
    service, since = asked.get("service", ""), asked.get("since") or "1h"
    limit = asked.get("limit") or "100"
    if service and not _SERVICE.fullmatch(service):
        raise _bad("service", service, "a service's name, such as slack or gateway")
    if not logs_query.SINCE.fullmatch(since):
        raise _bad("since", since, logs_query.SINCE_SUCH_AS)
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST_LINES:
        raise _bad("limit", limit, f"a whole number from 1 to {MOST_LINES}")
    physical, search = prefix + service if service else "", asked.get("search", "")[:1000]
    return logs_query.query(physical, search, "", since, int(limit))


def _bad(name: str, got: str, expected: str) -> Problem:
    return Problem(400, "Bad request", f"{name}: expected {expected}, got {got[:40]!r}.")
