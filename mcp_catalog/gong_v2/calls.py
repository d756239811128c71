"""Searches in Gong's lists of calls: limited, and resumed by a cursor."""

from asyncio import gather, get_running_loop
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp import pages
from sophia_mcp.errors import Refused
from sophia_mcp.upstream import Upstream

from .models import Call, CallTranscript, Found, Monologue, Page

C = TypeVar("C", bound=Call)
E = TypeVar("E", bound=BaseModel)

MOST_PAGES, SOON_S = 5, 8.0
"""Of a list, in one answer, and until when the next is begun. A page has 100 entries."""

AT_ONCE = 5
"""Transcripts in one request: that of an hour has some 200 kB."""

_FIRST = "-"


class Calls:
    """The calls of a company. private: whether those are shown that Gong calls private."""

    def __init__(self, api: Upstream, private: bool) -> None:
        self._api, self._private = api, private

    async def get(self, kind: type[Page[E]], *path: str, **params: str | None) -> Page[E]:
        """A list that Gong gives by GET."""
        return await _or_none(kind, self._api.get(kind, "v2", *path, params=params))

    async def post(
        self, kind: type[Page[E]], *path: str, cursor: str | None = None, **body: Any
    ) -> Page[E]:
        """A list that Gong gives by POST, which changes nothing."""
        more = {"cursor": cursor} if cursor else {}
        sent = self._api.send(kind, "POST", "v2", *path, body={**body, **more}, repeatable=True)
        return await _or_none(kind, sent)

    async def all(self, kind: type[Page[E]], *path: str, **params: str | None) -> Found[E]:
        """A list that Gong gives at once."""
        entries = (await self.get(kind, *path, **params)).entries
        return Found(entries=entries, looked_at=len(entries), total=len(entries))

    async def within(
        self, kind: type[Page[C]], where: Mapping[str, Any], cursor: str | None, limit: int,
        good: Callable[[C], object] = lambda _: True, **exposed: Any,
    ) -> Found[C]:  # fmt: skip
        """Good calls of those that Gong's filter leaves, see `scan`. exposed: see `_page`."""

        async def read(place: str | None) -> Page[C]:
            return await self._page(kind, where, place, **exposed)

        return await scan(read, cursor, limit, good)

    async def one(self, kind: type[Page[C]], call_id: str, **exposed: Any) -> C:
        """The call with this id.

        Raises:
            ToolError: there is no such call, or it may not be shown.
        """
        found = await self._page(kind, {"callIds": [call_id]}, None, **exposed)
        if not found.entries:
            why = "" if self._private else ", or it is private, which this server does not show"
            raise ToolError(f"call: Gong has no call {call_id}{why}. list_calls has the ids.")
        return found.entries[0]

    async def _page(
        self, kind: type[Page[C]], where: Mapping[str, Any], cursor: str | None,
        crm: bool = False, **exposed: Any,
    ) -> Page[C]:  # fmt: skip
        """exposed: what Gong adds to the calls, crm: with what they are linked to."""
        select = {"context": "Extended" if crm else "None", "exposedFields": exposed}
        page = await self.post(
            kind, "calls", "extensive", cursor=cursor, filter=where, contentSelector=select
        )
        page.entries = [one for one in page.entries if self._private or not one.is_private]
        return page

    async def transcripts(self, ids: Sequence[str]) -> dict[str, list[Monologue]]:
        """By the calls' ids. Calls without one are left out."""
        parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
        kind, path = Page[CallTranscript], ("calls", "transcript")
        asked = (self.post(kind, *path, filter={"callIds": list(part)}) for part in parts)
        read = [one for page in await gather(*asked) for one in page.entries]
        return {one.call_id: one.monologues for one in read if one.monologues}


def period(
    since: datetime, until: datetime | None, hosts: Sequence[str] | None, workspace: str | None
) -> dict[str, Any]:
    """Gong's filter of calls.

    Raises:
        ToolError: it ends before it begins.
    """
    if until and until <= since:
        raise ToolError(f"until: expected a time after since ({since.isoformat()})")
    times = {"fromDateTime": since.isoformat(), "toDateTime": until and until.isoformat()}
    where = {**times, "primaryUserIds": hosts, "workspaceId": workspace}
    return {key: value for key, value in where.items() if value}


async def scan(
    read: Callable[[str | None], Awaitable[Page[E]]],
    cursor: str | None,
    limit: int,
    good: Callable[[E], object] = lambda _: True,
) -> Found[E]:
    """The first good entries, from the cursor on, that fit an answer. read: a page, by Gong's
    cursor. Our cursor is Gong's plus how many of its page were already read."""
    at, skip = _place(cursor)
    ends, budget = get_running_loop().time() + SOON_S, pages.PAGE_BYTES
    found = Found[E](entries=[], looked_at=0)
    for _ in range(MOST_PAGES):
        page = await read(None if at == _FIRST else at)
        found.total, following = page.total, page.next_cursor
        for number, one in enumerate(page.entries[skip:], skip + 1):
            size = len(one.model_dump_json().encode()) if good(one) else 0
            if size and (len(found.entries) == limit or (found.entries and size > budget)):
                found.next_cursor = pages.cursor(at, str(number - 1))
                return found
            found.looked_at += 1
            found.entries += [one] if size else []
            budget -= size
        found.next_cursor = pages.cursor(following, "0") if following else None
        if not following or len(found.entries) == limit or get_running_loop().time() > ends:
            break
        at, skip = following, 0
    return found


def _place(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return _FIRST, 0
    at, skip = pages.place(cursor, 2)
    return at, pages.number(skip)


async def _or_none(kind: type[Page[E]], asked: Awaitable[Page[E]]) -> Page[E]:
    """Gong answers 404 where nothing fits a filter. Other errors of that status are errors."""
    try:
        return await asked
    except Refused as error:
        if error.status != 404 or "found corresponding to the provided" not in str(error):
            raise
        return kind.model_validate({"calls": []})
