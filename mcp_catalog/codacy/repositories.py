"""Organizations and their repositories, with what Codacy found in each as a whole."""

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit

from .codacy import Accounts, Codacy, One, Page
from .fields import Branch, Line, Organization, Repository, Search

_COMPARED_PAGES = 10


class Analyzed(BaseModel):
    """A repository. What is null is not known, or not yet; without analyzed_commit, nothing is."""

    name: str = at("repository", "name")
    organization: str | None = at("repository", "owner", default=None)
    grade: str | None = at("gradeLetter", default=None, description="A, the best, to F")
    score: int | None = at("grade", default=None, description="100, the best, to 0")
    issues: int | None = at("issuesCount", default=None)
    lines_of_code: int | None = at("loc", default=None)
    complex_files_percent: float | None = at("complexFilesPercentage", default=None)
    duplication_percent: float | None = at("duplicationPercentage", default=None)
    coverage_percent: float | None = at("coverage", "coveragePercentageWithDecimals", default=None)
    analyzed_commit: str | None = at("lastAnalysedCommit", "sha", default=None)
    analyzed_at: str | None = at("lastAnalysedCommit", "endedAnalysis", default=None)


class Repositories(Page):
    """Repositories of an organization. compared: among how many, with worst_first."""

    repositories: list[Analyzed] = at("data")
    compared: int | None = None


class Problem(BaseModel):
    """What keeps Codacy from analysing."""

    message: Line = ""
    severity: str | None = None


class Whole(Analyzed):
    """A repository with its problems, and goals beyond which it counts as unhealthy."""

    branch: str | None = at("selectedBranch", "name", default=None)
    default_branch: str | None = at("repository", "defaultBranch", "name", default=None)
    languages: list[str] | None = at("repository", "languages", default=None)
    problems: list[Problem] | None = at("repository", "problems", default=None)
    goals: dict[str, Any] | None = None


class Tool(BaseModel):
    """A tool that analyses code."""

    uuid: str
    name: str
    is_enabled: bool | None = at("settings", "isEnabled", default=None)
    uses_configuration_file: bool | None = at("settings", "usesConfigurationFile", default=None)


class AnalysisTools(BaseModel):
    """Tools of a repository."""

    tools: list[Tool] = at("data")


class RepositoryTools:
    """The tools."""

    def __init__(self, codacy: Codacy) -> None:
        self._codacy = codacy

    async def list_organizations(self, limit: Limit = 50, cursor: Cursor = None) -> Accounts:
        """List the organizations that the token's account belongs to, of all providers."""
        return await self._codacy.get(Accounts, "user", "organizations", limit=limit, cursor=cursor)

    async def list_repositories(
        self, organization: Organization = None, search: Search = None, worst_first: bool = False,
        limit: Limit = 30, cursor: Cursor = None,
    ) -> Repositories:  # fmt: skip
        """List an organization's repositories with grade, issues, complexity, duplication and
        coverage. worst_first has no pages: the first 1,000 are compared, and the lowest scores
        come first."""
        path = ("analysis", *await self._codacy.organization(organization), "repositories")
        if worst_first and cursor:
            raise ToolError("cursor: worst_first has no pages: ask for a higher limit")
        found: list[Analyzed] = []
        for _ in range(_COMPARED_PAGES if worst_first else 1):
            size = 100 if worst_first else limit
            page = await self._codacy.get(
                Repositories, *path, search=search, limit=size, cursor=cursor
            )
            found += page.repositories
            if not (cursor := page.next_cursor):
                break
        if not worst_first:
            return page
        found.sort(key=lambda one: (one.score is None, one.score or 0, -(one.issues or 0)))
        changed = {"repositories": found[:limit], "compared": len(found), "next_cursor": None}
        return page.model_copy(update=changed)

    async def get_repository_with_analysis(
        self, repository: Repository, branch: Branch = None
    ) -> Whole:
        """Get a repository's grade and metrics, its goals, and what hinders its analysis."""
        path = ("analysis", *await self._codacy.repository(repository))
        return (await self._codacy.get(One[Whole], *path, branch=branch)).data

    async def list_repository_tools(self, repository: Repository) -> AnalysisTools:
        """List the tools that can analyse a repository, and whether each is enabled."""
        path = ("analysis", *await self._codacy.repository(repository))
        return await self._codacy.get(AnalysisTools, *path, "tools")
