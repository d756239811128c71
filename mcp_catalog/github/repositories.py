"""Repositories: which there are, their branches and releases, new branches."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import Cursor, Limit, NextCursor, cut_all

from .code import CommitSummary
from .fields import Few, Name, NamesOf, Owner, Ref, Repo, Search
from .github import GitHub

_Order = Annotated[Literal["asc", "desc"], Field(description="With sort only")]
_Head = Annotated[str, AfterValidator(lambda ref: ref.removeprefix("refs/heads/"))]


class Me(BaseModel):
    """Whose token this is."""

    login: str
    name: str | None = None
    url: str = at("html_url")


class Repository(BaseModel):
    """A repository. open_issues counts pull requests, too."""

    full_name: str
    description: str | None = None
    private: bool
    fork: bool = False
    archived: bool = False
    default_branch: str
    language: str | None = None
    license: str | None = at("license", "spdx_id", default=None)
    topics: list[str] = Field(default_factory=list)
    stars: int = at("stargazers_count")
    forks: int = at("forks_count")
    open_issues: int = at("open_issues_count")
    pushed_at: datetime | None = None
    url: str = at("html_url")


class FoundRepositories(BaseModel):
    """Repositories, best match first unless sorted. total: of all pages."""

    total: int = at("total_count")
    repositories: list[Repository] = at("items")
    next_cursor: NextCursor = None


class Branch(BaseModel):
    """A branch."""

    name: str
    sha: str = at("commit", "sha")
    protected: bool = False


class Branches(BaseModel):
    """Branches by name."""

    branches: list[Branch]
    next_cursor: NextCursor = None


class Release(BaseModel):
    """A release, its notes cut."""

    tag: str = at("tag_name")
    name: str | None = None
    draft: bool
    prerelease: bool
    published_at: datetime | None = None
    notes: Text = at("body", default="")
    assets: NamesOf = Field(default_factory=list)
    url: str = at("html_url")


class Releases(BaseModel):
    """Releases, newest first."""

    releases: list[Release]
    next_cursor: NextCursor = None


class Made(BaseModel):
    """A branch that was made."""

    branch: _Head = at("ref")
    sha: str = at("object", "sha")


class Repositories:
    """The tools."""

    def __init__(self, hub: GitHub) -> None:
        self._hub = hub

    async def get_me(self) -> Me:
        """Get the account whose token this server has; searches take it as user:LOGIN or @me."""
        return await self._hub.get(Me, "user")

    async def search_repositories(
        self, query: Search, sort: Literal["stars", "forks", "updated"] | None = None,
        order: _Order = "desc", limit: Limit = 20, cursor: Cursor = None,
    ) -> FoundRepositories:  # fmt: skip
        """Find repositories, like `http client language:python stars:>1000` or `org:python`."""
        return await self._hub.listed(
            FoundRepositories, "search", "repositories",
            limit=limit, cursor=cursor, q=query, sort=sort, order=order if sort else None,
        )  # fmt: skip

    async def get_repository(self, owner: Owner, repo: Repo) -> Repository:
        """Get what a repository is: its default branch, language, license, counts."""
        return await self._hub.get(Repository, "repos", owner, repo)

    async def list_branches(
        self, owner: Owner, repo: Repo, limit: Limit = 50, cursor: Cursor = None
    ) -> Branches:
        """List branches with the commits that they are at."""
        found, following = await self._hub.page(
            list[Branch], "repos", owner, repo, "branches", limit=limit, cursor=cursor
        )
        return Branches(branches=found, next_cursor=following)

    async def list_releases(
        self, owner: Owner, repo: Repo, limit: Few = 10, cursor: Cursor = None
    ) -> Releases:
        """List releases with their notes and assets; limit=1 gives the newest."""
        found, following = await self._hub.page(
            list[Release], "repos", owner, repo, "releases", limit=limit, cursor=cursor
        )
        cut_all(found, "notes")
        return Releases(releases=found, next_cursor=following)

    async def create_branch(
        self, owner: Owner, repo: Repo, branch: Name, from_ref: Ref = "HEAD"
    ) -> Made:
        """Make a branch from another branch, a tag or a commit; HEAD is the default branch."""
        path = ("repos", owner, repo)
        start = await self._hub.get(CommitSummary, *path, "commits", *from_ref.split("/"))
        name = f"refs/heads/{branch}"
        return await self._hub.send(Made, "POST", *path, "git", "refs", ref=name, sha=start.sha)
