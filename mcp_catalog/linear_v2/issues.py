"""Issues and their comments."""

from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.arguments import given
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, cut_all

from . import fields, models
from .linear import Linear, Node, Page, page_of
from .names import Names, emptied

_Comment = Annotated[str, Field(min_length=1, max_length=60_000, description="Markdown")]
_Answered = Annotated[str | None, Field(max_length=50, description="Of a comment to answer")]
_Order = Literal["created", "updated"]
_None = Literal["none"]


class _Team(Node):
    graphql = "team{id}"
    id: str = at("team", "id")


class _Comments(BaseModel):
    issue: Page[models.Comment]


class Issues:
    """The tools."""

    def __init__(self, linear: Linear, names: Names) -> None:
        self._linear, self._names = linear, names

    async def list_issues(
        self, team: fields.Team | None = None, assignee: fields.Person | None = None,
        creator: fields.Person | None = None, state: fields.State | None = None,
        state_types: fields.Types | None = None, label: fields.Name | None = None,
        priority: fields.Priority | None = None, project: fields.Project | None = None,
        milestone: fields.Milestone | None = None, cycle: fields.Cycle | None = None,
        created_since: fields.Moment | None = None, updated_since: fields.Moment | None = None,
        include_archived: fields.Archived = False, order_by: _Order = "updated",
        limit: fields.Limit = 20, cursor: Cursor = None,
    ) -> Page[models.IssueSummary]:  # fmt: skip
        """List issues that fit all that is given, those changed last first. By words, use
        search_issues.

        Open ones: state_types triage, backlog, unstarted, started. Mine: assignee me. Those without
        one: assignee, project, milestone or cycle none.
        """
        where = await self._names.filters(
            team=team, assignee=assignee, creator=creator, state=state, label=label,
            project=project, milestone=milestone, cycle=cycle,
        )  # fmt: skip
        if label:
            where["labels"] = {"some": where.pop("label")}
        if milestone:
            where["projectMilestone"] = where.pop("milestone")
        if state_types:
            where["state"] = {**where.get("state", {}), "type": {"in": state_types}}
        if priority:
            where["priority"] = {"eq": _number(priority)}
        if created_since:
            where["createdAt"] = {"gte": created_since}
        if updated_since:
            where["updatedAt"] = {"gte": updated_since}
        return await self._linear.page(
            models.IssueSummary, "issues", where, limit, cursor,
            archived=include_archived, order=f"{order_by}At",
        )  # fmt: skip

    async def search_issues(
        self, query: fields.Search, team: fields.Team | None = None, in_comments: bool = False,
        include_archived: fields.Archived = False, limit: fields.Limit = 20, cursor: Cursor = None,
    ) -> Page[models.IssueSummary]:  # fmt: skip
        """Search issues by words and meaning, the best first; with in_comments in comments, too.
        Linear allows 30 searches a minute."""
        asked = f"""query($term:String!,$team:String,$comments:Boolean!,$archived:Boolean!,
            $first:Int!,$after:String){{found:searchIssues(term:$term,teamId:$team,
            includeComments:$comments,includeArchived:$archived,{page_of(models.IssueSummary)}}}"""
        return await self._linear.ask(
            Page[models.IssueSummary], asked, term=query, comments=in_comments, first=limit,
            team=await self._names.one(team=team) if team else None, after=cursor,
            archived=include_archived,
        )  # fmt: skip

    async def get_issue(self, issue: fields.Issue) -> models.Issue:
        """Get an issue with its description, the issues below and beside it, and its links."""
        return await self._linear.one(models.Issue, "issue", issue)

    async def create_issue(
        self, team: fields.Team, title: fields.Title, description: fields.Markdown | None = None,
        assignee: fields.Person | None = None, state: fields.State | None = None,
        priority: fields.Priority | None = None, labels: fields.Names | None = None,
        project: fields.Project | None = None, milestone: fields.Milestone | None = None,
        cycle: fields.Cycle | None = None, parent: fields.Issue | None = None,
        due_date: fields.Day | None = None, estimate: fields.Estimate | None = None,
    ) -> models.IssueSummary:  # fmt: skip
        """Create an issue."""
        ids = await self._names.inputs(
            team=team, assignee=assignee, state=state, labels=labels, project=project,
            milestone=milestone, cycle=cycle,
        )  # fmt: skip
        texts = given(title=title, description=description, priority=_number(priority))
        entry = ids | texts | emptied(parentId=parent, dueDate=due_date, estimate=estimate)
        return await self._linear.change(models.IssueSummary, "issueCreate", entry)

    async def update_issue(
        self, issue: fields.Issue, title: fields.Title | None = None,
        description: fields.Markdown | None = None, team: fields.Team | None = None,
        assignee: fields.Person | None = None, state: fields.State | None = None,
        priority: fields.Priority | None = None, add_labels: fields.Names | None = None,
        remove_labels: fields.Names | None = None, project: fields.Project | None = None,
        milestone: fields.Milestone | None = None, cycle: fields.Cycle | None = None,
        parent: fields.Issue | _None | None = None, due_date: fields.Day | _None | None = None,
        estimate: fields.Estimate | _None | None = None,
    ) -> models.IssueSummary:  # fmt: skip
        """Change an issue: only what is given changes, the description as a whole.

        none takes away: assignee, priority, project, milestone, cycle, parent, due_date, estimate.
        """
        its = None
        if not team and (state or cycle or add_labels or remove_labels):
            its = (await self._linear.one(_Team, "issue", issue)).id
        ids = await self._names.inputs(
            team=team or its, assignee=assignee, state=state, add_labels=add_labels, cycle=cycle,
            remove_labels=remove_labels, project=project, milestone=milestone,
        )  # fmt: skip
        if its:
            del ids["teamId"]
        texts = given(title=title, description=description, priority=_number(priority))
        entry = ids | texts | emptied(parentId=parent, dueDate=due_date, estimate=estimate)
        if not entry:
            raise ToolError("expected what to change, such as state or assignee")
        return await self._linear.change(models.IssueSummary, "issueUpdate", entry, issue)

    async def link_issues(
        self, issue: fields.Issue, relation: Literal["blocks", "duplicate", "related"],
        other: fields.Issue,
    ) -> models.Relation:  # fmt: skip
        """Say that an issue blocks another, is a duplicate of it, or is related to it."""
        entry = {"issueId": issue, "type": relation, "relatedIssueId": other}
        return await self._linear.change(models.Relation, "issueRelationCreate", entry)

    async def list_comments(
        self, issue: fields.Issue, limit: fields.Limit = 20, cursor: Cursor = None
    ) -> Page[models.Comment]:
        """List comments of an issue, newest first."""
        query = f"""query($id:String!,$first:Int!,$after:String){{issue(id:$id){{
            found:comments({page_of(models.Comment)}}}}}"""
        page = (await self._linear.ask(_Comments, query, id=issue, first=limit, after=cursor)).issue
        cut_all(page.items, "body")
        return page

    async def create_comment(
        self, issue: fields.Issue, body: _Comment, parent_id: _Answered = None
    ) -> models.Comment:
        """Comment on an issue, or answer a comment."""
        entry = given(issueId=issue, body=body, parentId=parent_id)
        return await self._linear.change(models.Comment, "commentCreate", entry)


def _number(priority: str | None) -> int | None:
    return None if priority is None else fields.PRIORITIES.index(priority)
