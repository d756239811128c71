"""Codacy's API: paths of organizations and repositories, pages, and the meaning of errors."""

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp.fields import at
from sophia_mcp.pages import NextCursor
from sophia_mcp.remembered import Remembered
from sophia_mcp.upstream import Upstream

T = TypeVar("T")

PROVIDERS = ("gh", "gl", "bb", "ghe", "gle", "bbe")
"""GitHub, GitLab, Bitbucket; with an e: self-hosted."""

_KEPT_S = 900.0
_ADVICE = {
    "NotFound": "list_organizations and list_repositories have what Codacy knows: a repository has "
    "to be added there, and a branch to be enabled.",
    "not found": "The token may be revoked: ask the operator of this server for another.",
    "Conflict": "An analysis may be under way: try again in a few minutes.",
    "PaymentRequired": "The organization's plan at Codacy does not include it.",
}


def explain(body: bytes) -> str:
    """What to do about an error, which has a word for itself."""
    return _ADVICE.get(str(json.loads(body).get("error")), "")


class Page(BaseModel):
    """A part of a list. total: of all pages, where Codacy counts."""

    next_cursor: NextCursor = at("pagination", "cursor", default=None)
    total: int | None = at("pagination", "total", default=None)


class One(BaseModel, Generic[T]):
    """An answer about one thing, or about a list without pages."""

    data: T


class Account(BaseModel):
    """An organization, or a person's account, as it is called on the Git provider."""

    name: str
    provider: str
    kind: str | None = at("type", default=None)
    membership: str | None = at("joinStatus", default=None)


class Accounts(Page):
    """Organizations of the token's account."""

    organizations: list[Account] = at("data")


class Codacy:
    """provider, organization: where a name has none; without an organization, the only one of the
    token's account."""

    def __init__(self, api: Upstream, provider: str, organization: str | None) -> None:
        self._api, self._provider, self._organization = api, provider, organization
        self._only = Remembered()

    async def repository(self, name: str) -> tuple[str, ...]:
        """The path of one that is given as web, acme/web or gl/acme/web. Raises ToolError."""
        organization, _, own = name.rpartition("/")
        return (*await self.organization(organization or None), "repositories", own)

    async def organization(self, name: str | None) -> tuple[str, ...]:
        """The path of one that is given as acme or gl/acme.

        Raises:
            ToolError: none was named, and the account has none or several.
        """
        provider, _, own = (name or self._organization or "").partition("/")
        if not own or provider not in PROVIDERS:
            provider, own = self._provider, name or self._organization or await self._only_one()
        return ("organizations", provider, own)

    async def _only_one(self) -> str:
        if kept := self._only.get(self._provider):
            return kept
        path = ("user", "organizations", self._provider)
        names = [one.name for one in (await self.get(Accounts, *path, limit=100)).organizations]
        if len(names) != 1:
            has = f"one of {', '.join(names[:20])}" if names else "one: the account has none there"
            raise ToolError(f"organization: expected {has} (on {self._provider}), got nothing")
        self._only.put(self._provider, names[0], _KEPT_S)
        return names[0]

    async def get(self, kind: type[T], *path: str, **params: Any) -> T:
        """One thing, or a page."""
        return await self._api.get(kind, *path, params=params)

    async def find(self, kind: type[T], *path: str, filters: Mapping[str, Any], **params: Any) -> T:
        """What matches all filters but empty ones: a POST that only reads."""
        body = {name: value for name, value in filters.items() if value}
        answer = await self._api.request("POST", *path, params=params, body=body, repeatable=True)
        return self._api.read(kind, answer)

    async def change(self, *path: str, body: Mapping[str, Any]) -> None:
        """A change that is the same when it is made twice."""
        await self._api.request("PATCH", *path, body=body, repeatable=True)
