"""Pull requests: whether they meet the standards, and what they add, fix and leave untested."""

from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit, that_fit

from .codacy import Codacy, One, Page
from .code import Issues
from .fields import Line, Organization, Repository, Uncovered

_Number = Annotated[int, Field(ge=1, le=2**31 - 1, description="As in #42")]
_View = Annotated[
    Literal["last-updated", "impact", "merged"],
    Field(description="Open ones by time or by impact, or merged ones"),
]
_Status = Annotated[Literal["all", "new", "fixed"], Field(description="new: what it adds")]


class PullRequest(BaseModel):
    """A pull request. up_to_standards: null until it is analysed, or without gates."""

    number: int = at("pullRequest", "number")
    repository: str | None = at("pullRequest", "repository", default=None)
    title: Line = at("pullRequest", "title", default="")
    status: str | None = at("pullRequest", "status", default=None)
    up_to_standards: bool | None = at("isUpToStandards", default=None)
    is_analysing: bool | None = at("isAnalysing", default=None)
    not_analysed_because: str | None = at("meta", "reason", default=None)
    new_issues: int | None = at("newIssues", default=None)
    fixed_issues: int | None = at("fixedIssues", default=None)
    complexity_change: int | None = at("deltaComplexity", default=None)
    clones_change: int | None = at("deltaClonesCount", default=None)
    coverage_change: float | None = at("coverage", "deltaCoverage", default=None)
    diff_coverage_percent: float | None = at("coverage", "diffCoverage", "value", default=None)
    author: str | None = at("pullRequest", "owner", "name", default=None)
    updated_at: str | None = at("pullRequest", "updated", default=None)
    url: str | None = at("pullRequest", "gitHref", default=None)


class PullRequests(Page):
    """Pull requests."""

    pull_requests: list[PullRequest] = at("data")


class Gate(BaseModel):
    """A rule that pull requests must keep."""

    gate: str
    passed: bool | None = at("isUpToStandards", default=None)
    threshold: float | None = at("expectedThreshold", "threshold", default=None)


class WholePullRequest(PullRequest):
    """A pull request with its branches, and the gates of quality and of coverage."""

    source_branch: str | None = at("pullRequest", "originBranch", default=None)
    target_branch: str | None = at("pullRequest", "targetBranch", default=None)
    head_commit: str | None = at("pullRequest", "headCommitSha", default=None)
    quality_gates: list[Gate] | None = at("quality", "resultReasons", default=None)
    coverage_gates: list[Gate] | None = at("coverage", "resultReasons", default=None)


class FileCoverage(BaseModel):
    """A file of a pull request. diff_percent: of the lines that it adds or changes."""

    path: str = at("fileName")
    percent: float | None = at("coverage", default=None)
    change: float | None = at("variation", default=None)
    diff_percent: float | None = at("diff", "value", default=None)
    uncovered: Uncovered = at("diffLineHits", default="")


class FilesCoverage(BaseModel):
    """Files of a pull request, the least covered first. left_out: how many did not fit."""

    files: list[FileCoverage]
    left_out: int


class PullRequestTools:
    """The tools."""

    def __init__(self, codacy: Codacy) -> None:
        self._codacy = codacy

    async def list_pull_requests(
        self, repository: Repository | None = None, organization: Organization = None,
        view: _View = "last-updated", limit: Limit = 30, cursor: Cursor = None,
    ) -> PullRequests:  # fmt: skip
        """List pull requests with their verdict, issues that they add and fix, and coverage: of a
        repository, or without one of a whole organization, which has no pages."""
        if not repository:
            if cursor:
                raise ToolError("cursor: of an organization there are no pages: give repository")
            path = ("analysis", *await self._codacy.organization(organization), "pull-requests")
            page = await self._codacy.get(PullRequests, *path, search=view, limit=limit)
            return page.model_copy(update={"next_cursor": None})
        if organization and "/" not in repository:
            repository = f"{organization}/{repository}"
        path = ("analysis", *await self._codacy.repository(repository), "pull-requests")
        which = {"search": view, "includeNotAnalyzed": True, "limit": limit, "cursor": cursor}
        return await self._codacy.get(PullRequests, *path, **which)

    async def get_pull_request(self, repository: Repository, number: _Number) -> WholePullRequest:
        """Get a pull request's verdict, and each gate that it passed or failed."""
        return await self._codacy.get(WholePullRequest, *await self._path(repository, number))

    async def list_pull_request_issues(
        self, repository: Repository, number: _Number, status: _Status = "new",
        limit: Limit = 30, cursor: Cursor = None,
    ) -> Issues:  # fmt: skip
        """List the issues that a pull request adds or fixes."""
        path = (*await self._path(repository, number), "issues")
        return await self._codacy.get(Issues, *path, status=status, limit=limit, cursor=cursor)

    async def get_pull_request_coverage(
        self, repository: Repository, number: _Number
    ) -> FilesCoverage:
        """Get which added or changed lines of a pull request no test runs, by file."""
        path = await self._path(repository, number, "coverage")
        files = (await self._codacy.get(One[list[FileCoverage]], *path, "files")).data
        files.sort(key=lambda one: (one.diff_percent is None, one.diff_percent or 0, one.path))
        kept = that_fit(files)
        return FilesCoverage(files=kept, left_out=len(files) - len(kept))

    async def _path(self, repository: str, number: int, below: str = "analysis") -> tuple[str, ...]:
        path = await self._codacy.repository(repository)
        return (below, *path, "pull-requests", str(number))
