"""Portkey's admin API: pages, workspaces, and what errors mean."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sophia_mcp import pages
from sophia_mcp.errors import Refused
from sophia_mcp.fields import Many, at
from sophia_mcp.pages import NextCursor
from sophia_mcp.upstream import Upstream

T = TypeVar("T")

_ADVICE = {
    "AB01": "Change the arguments.",
    "AB02": "Check the id or the slug: list what there is.",
    "AB06": "Too many requests: wait a minute, and ask for less at once.",
    "AB07": "There is one already: read it first, or take another name.",
    "AB08": "Check the id or the slug: list what there is.",
    "AB09": "Portkey's plan is used up: ask the operator of this server.",
}


def explain(body: bytes) -> str:
    """What to do about an error, by its code."""
    given = json.loads(body)
    inside = next((given[at] for at in ("error", "data") if isinstance(given.get(at), dict)), given)
    return _ADVICE.get(str(inside.get("errorCode") or inside.get("code")), "")


class Page(BaseModel, Generic[T]):
    """A part of a list. total: of all pages, where Portkey counts."""

    items: Many[T] = at("data", default_factory=list)
    total: int | None = None
    next_cursor: NextCursor = None


class Workspace(BaseModel):
    """Both names of a workspace."""

    id: str
    slug: str | None = None


class Portkey:
    """The API, with the rights of one key."""

    def __init__(self, api: Upstream) -> None:
        self._api = api

    async def get(self, kind: type[T], scope: str, *path: str, **params: Any) -> T:
        """One object. scope: the right that the key needs for it."""
        with _needing(scope):
            return await self._api.get(kind, *path, params=params)

    async def page(
        self, kind: type[Page[T]], scope: str, *path: str, limit: int, cursor: str | None,
        counted: bool = False, **params: Any,
    ) -> Page[T]:  # fmt: skip
        """A page of a list. counted: it is requested by offset, not by the page's number.

        The page's size stands in the cursor: with another one, numbers mean other entries. Where
        the API knows no pages, as its documentation has it for configs, all of them come at once.
        """
        number, size = map(pages.number, pages.place(cursor, 2)) if cursor else (0, limit)
        if not 1 <= size <= 100:
            raise pages.bad_cursor()
        start = number * size
        place = {"current_page": number, "page_size": size}
        if counted:
            place = {"offset": start, "limit": size}
        found = await self.get(kind, scope, *path, **place, **params)
        got, total = len(found.items), found.total
        if got > size:
            total, found.items = got, found.items[start : start + size]
        more = got == size if total is None else start + size < total
        following = pages.cursor(str(number + 1), str(size)) if more and found.items else None
        return found.model_copy(update={"total": total, "next_cursor": following})

    async def send(
        self, kind: type[T], scope: str, method: str, *path: str, body: Mapping[str, Any]
    ) -> T:
        """A change, made once."""
        with _needing(scope):
            return await self._api.send(kind, method, *path, body=body)

    async def workspace_slug(self, given: str | None) -> str | None:
        """Analytics know workspaces by slug only."""
        if given is None or not _is_uuid(given):
            return given
        return (await self._workspace(given)).slug or given

    async def workspace_id(self, given: str | None) -> str | None:
        """New configs and guardrails name theirs by id only."""
        if given is None or _is_uuid(given):
            return given
        return (await self._workspace(given)).id

    async def _workspace(self, given: str) -> Workspace:
        return await self.get(Workspace, "workspaces.read", "admin", "workspaces", given)


class Named(BaseModel):
    """What most things have."""

    name: str | None = None
    slug: str | None = None
    status: str | None = None
    workspace_id: str | None = None
    created_at: str | None = None
    last_updated_at: str | None = None


@contextmanager
def _needing(scope: str) -> Iterator[None]:
    """Says which scope the key may lack."""
    try:
        yield
    except Refused as error:
        if error.status not in (401, 403):
            raise
        text = (
            f"{error} The key in PORTKEY_API_KEY needs the scope {scope}. A workspace's key "
            "reaches that workspace, an admin key all of them"
        )
        only = "." if scope != "completions.write" else "; this scope, only the former have."
        raise Refused(text + only, error.status) from None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
