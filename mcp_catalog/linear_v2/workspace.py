"""Teams, people, statuses, labels, cycles, projects and documents."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from sophia_mcp.arguments import given
from sophia_mcp.pages import Cursor

from . import fields, models
from .linear import Linear, Page
from .names import Names, emptied

_Many = Annotated[int, Field(ge=1, le=100, description="How many at most")]
_Line = Annotated[str, Field(max_length=255, description="In one line")]
_Color = Annotated[str | None, Field(pattern="^#[0-9A-Fa-f]{6}$", description="Like #EB5757")]
_None = Literal["none"]
_Which = Literal["all", "current", "next", "previous"]
_WHICH = {"current": "isActive", "next": "isNext", "previous": "isPrevious"}


class Workspace:
    """The tools."""

    def __init__(self, linear: Linear, names: Names) -> None:
        self._linear, self._names = linear, names

    async def list_teams(
        self, query: fields.Query | None = None, limit: _Many = 50, cursor: Cursor = None
    ) -> Page[models.TeamSummary]:
        """List teams."""
        where = _with(query, "name", "key")
        return await self._linear.page(models.TeamSummary, "teams", where, limit, cursor)

    async def get_team(self, team: fields.Team) -> models.Team:
        """Get a team with its statuses, its current cycle and its people."""
        key = await self._names.one(team=team)
        return await self._linear.one(models.Team, "team", key)

    async def list_users(
        self, query: fields.Query | None = None, limit: _Many = 50, cursor: Cursor = None
    ) -> Page[models.User]:
        """List people and apps."""
        where = _with(query, "name", "displayName", "email")
        return await self._linear.page(models.User, "users", where, limit, cursor)

    async def get_user(self, user: fields.Person) -> models.User:
        """Get a person. `me` is the one whose key this server has."""
        key = await self._names.one(user=user)
        return await self._linear.one(models.User, "user", key)

    async def list_issue_statuses(self, team: fields.Team) -> Page[models.State]:
        """List the statuses that issues of a team have, in their order."""
        where = {"team": {"id": {"eq": await self._names.one(team=team)}}}
        page = await self._linear.page(models.State, "workflowStates", where, 100, None)
        page.items.sort(key=lambda state: state.position)
        return page

    async def list_issue_labels(
        self, team: fields.Team | None = None, query: fields.Query | None = None,
        limit: _Many = 50, cursor: Cursor = None,
    ) -> Page[models.Label]:  # fmt: skip
        """List labels; with a team, those that its issues may have."""
        where = _with(query, "name")
        if team:
            its = {"id": {"eq": await self._names.one(team=team)}}
            where = {"and": [where, {"or": [{"team": its}, {"team": {"null": True}}]}]}
        return await self._linear.page(models.Label, "issueLabels", where, limit, cursor)

    async def create_issue_label(
        self, name: fields.Title, team: fields.Team | None = None, color: _Color = None,
        description: _Line | None = None,
    ) -> models.Label:  # fmt: skip
        """Create a label, of a team or of the whole workspace."""
        entry = given(name=name, color=color, description=description)
        entry |= await self._names.inputs(team=team)
        return await self._linear.change(models.Label, "issueLabelCreate", entry)

    async def list_cycles(
        self, team: fields.Team, which: _Which = "all", limit: _Many = 20, cursor: Cursor = None
    ) -> Page[models.Cycle]:
        """List cycles of a team."""
        where: dict[str, Any] = {"team": {"id": {"eq": await self._names.one(team=team)}}}
        if which != "all":
            where[_WHICH[which]] = {"eq": True}
        return await self._linear.page(models.Cycle, "cycles", where, limit, cursor)

    async def list_projects(
        self, query: fields.Query | None = None, team: fields.Team | None = None,
        lead: fields.Person | None = None, include_archived: fields.Archived = False,
        limit: fields.Limit = 20, cursor: Cursor = None,
    ) -> Page[models.ProjectSummary]:  # fmt: skip
        """List projects."""
        where = _with(query, "name") | await self._names.filters(team=team, lead=lead)
        if team:
            where["accessibleTeams"] = {"some": where.pop("team")}
        return await self._linear.page(
            models.ProjectSummary, "projects", where, limit, cursor,
            archived=include_archived,
        )  # fmt: skip

    async def get_project(self, project: fields.Project) -> models.Project:
        """Get a project with its text, its milestones and its latest updates."""
        key = await self._names.one(project=project)
        return await self._linear.one(models.Project, "project", key)

    async def create_project(
        self, name: fields.Title, teams: fields.Names, description: _Line | None = None,
        content: fields.Markdown | None = None, lead: fields.Person | None = None,
        status: fields.State | None = None, start_date: fields.Day | None = None,
        target_date: fields.Day | None = None,
    ) -> models.ProjectSummary:  # fmt: skip
        """Create a project of one or several teams."""
        entry = given(name=name, description=description, content=content)
        entry |= emptied(startDate=start_date, targetDate=target_date)
        entry |= await self._names.inputs(teams=teams, lead=lead, status=status)
        return await self._linear.change(models.ProjectSummary, "projectCreate", entry)

    async def update_project(
        self, project: fields.Project, name: fields.Title | None = None,
        description: _Line | None = None, content: fields.Markdown | None = None,
        lead: fields.Person | None = None, status: fields.State | None = None,
        start_date: fields.Day | _None | None = None,
        target_date: fields.Day | _None | None = None,
    ) -> models.ProjectSummary:  # fmt: skip
        """Change a project: only what is given changes. none takes away: lead, start_date,
        target_date."""
        entry = given(name=name, description=description, content=content)
        entry |= emptied(startDate=start_date, targetDate=target_date)
        entry |= await self._names.inputs(project=project, lead=lead, status=status)
        if not (key := entry.pop("projectId")) or not entry:
            raise ToolError("expected a project, and what to change, such as status or lead")
        return await self._linear.change(models.ProjectSummary, "projectUpdate", entry, key)

    async def list_documents(
        self, query: fields.Query | None = None, project: fields.Project | None = None,
        limit: fields.Limit = 20, cursor: Cursor = None,
    ) -> Page[models.DocumentSummary]:  # fmt: skip
        """List documents, those changed last first."""
        where = _with(query, "title") | await self._names.filters(project=project)
        return await self._linear.page(
            models.DocumentSummary, "documents", where, limit, cursor,
            order="updatedAt",
        )  # fmt: skip

    async def get_document(self, document: fields.Document) -> models.Document:
        """Get a document with its text."""
        return await self._linear.one(models.Document, "document", document)


def _with(query: str | None, *names: str) -> dict[str, Any]:
    """The filter for objects with this text in one of their names."""
    return {"or": [{name: {"containsIgnoreCase": query}} for name in names]} if query else {}
