"""GitHub's two APIs on one address: REST in pages, and GraphQL where that is one call for many."""

import re
from typing import Any, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp import pages
from sophia_mcp.arguments import given
from sophia_mcp.errors import SettingError, Unusable
from sophia_mcp.fields import at
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Answer, Upstream, bearer

T = TypeVar("T")
P = TypeVar("P", bound=BaseModel)

_NAME = "query($owner:String!,$repo:String!){repository(owner:$owner,name:$repo){nameWithOwner}}"

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


class _Moved(BaseModel):
    name: str = at("repository", "nameWithOwner")


class GitHub:
    """api: on the address that both are below. rest: the path of REST there."""

    def __init__(self, api: Upstream, rest: tuple[str, ...]) -> None:
        self.api, self._rest = api, rest

    async def request(self, method: str, *path: str, **options: Any) -> Answer:
        """Any request to REST; options as Upstream's."""
        try:
            return await self.api.request(method, *self._rest, *path, **options)
        except Unusable as error:
            if error.reason == "redirect" and path[0] == "repos" and "last" not in options:
                await self._moved(*path[1:3])
            raise

    async def _moved(self, owner: str, repo: str) -> None:
        """Raises an error with a repository's new name, which GraphQL knows and REST redirects
        to."""
        found = await self.graphql(_Moved, _NAME, owner=owner, repo=repo)
        if found.name.lower() != f"{owner}/{repo}".lower():
            raise ToolError(f"{owner}/{repo} is {found.name} now: call again with that name")

    async def get(self, kind: type[T], *path: str, **params: Any) -> T:
        """One thing, or a list that has no pages."""
        return self.api.read(kind, await self.request("GET", *path, params=params))

    async def send(self, kind: type[T], method: str, *path: str, **body: Any) -> T:
        """A change, sent once. body: without None values, which would empty a field."""
        answer = await self.request(method, *path, body=given(**body))
        return self.api.read(kind, answer)

    async def page(
        self, kind: type[T], *path: str, limit: int, cursor: str | None,
        accept: str = "application/vnd.github+json", **params: Any,
    ) -> tuple[T, str | None]:  # fmt: skip
        """A page and the next one's cursor, which keeps the size: numbers count pages of one."""
        number, size = map(pages.number, pages.place(cursor, 2)) if cursor else (1, limit)
        params |= {"page": number, "per_page": size}
        answer = await self.request("GET", *path, params=params, headers={"Accept": accept})
        more = 'rel="next"' in answer.headers.get("link", "")
        following = pages.cursor(str(number + 1), str(size)) if more else None
        return self.api.read(kind, answer), following

    async def listed(self, kind: type[P], *path: str, **options: Any) -> P:
        """A page of an answer that holds a list, with the next one's cursor in it."""
        found, following = await self.page(kind, *path, **options)
        return found.model_copy(update={"next_cursor": following})

    async def graphql(self, kind: type[T], query: str, **variables: Any) -> T:
        """`data` of a query. A variable that is None is not sent."""
        return await self.api.graphql(kind, query, variables, "graphql")


def address(settings: Settings) -> str:
    """REST's address, from GITHUB_API_URL or GITHUB_HOST: at the root of its own host, on an
    Enterprise Server at /api/v3.

    Raises:
        SettingError: GITHUB_HOST isn't a host. The text does not repeat it.
    """
    given = settings.text("GITHUB_HOST", "github.com").lower()
    host = given.removeprefix("https://").rstrip("/")
    if not _HOST.fullmatch(host):
        expected = "a host such as github.com or github.example.com, without a path"
        raise SettingError(f"GITHUB_HOST: expected {expected}, got something else")
    own = host == "github.com" or host.endswith(".ghe.com")
    default = f"https://api.{host}" if own else f"https://{host}/api/v3"
    return settings.url("GITHUB_API_URL", default).rstrip("/")


def connect(settings: Settings) -> GitHub:
    """GitHub with the token. GraphQL is at /graphql, or at /api/graphql beside /api/v3."""
    rest = address(settings)
    root = rest.removesuffix("/v3")
    api = Upstream(
        "GitHub",
        root,
        auth=bearer(settings.credential("GITHUB_PERSONAL_ACCESS_TOKEN")),
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    )
    return GitHub(api, () if root == rest else ("v3",))
