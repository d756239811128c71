"""Issues: lists, searches, one with its conversation; new ones, changes, comments."""

from datetime import datetime
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, BaseModel, Field
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import Cursor, Following, Limit, NextCursor, cut_all

from .fields import (
    COMMENT,
    PAGE,
    Body,
    Few,
    Lower,
    Name,
    Names,
    NamesOf,
    Number,
    Owner,
    Repo,
    Search,
    Title,
    moment,
)
from .github import GitHub

State = Literal["open", "closed", "all"]
Sort = Literal["created", "updated", "comments"]

_SUMMARY = """number title state stateReason url author{login} createdAt updatedAt
    assignees(first:10){nodes{login}} labels(first:20){nodes{name}}
    commentCount:comments{totalCount}"""
_LIST = f"""query($owner:String!,$repo:String!,$first:Int!,$after:String,$labels:[String!],
    $states:[IssueState!],$since:DateTime,$assignee:String,$creator:String,$sort:IssueOrderField!){{
    repository(owner:$owner,name:$repo){{issues(first:$first,after:$after,labels:$labels,
    states:$states,filterBy:{{since:$since,assignee:$assignee,createdBy:$creator}},
    orderBy:{{field:$sort,direction:DESC}}){{totalCount {PAGE} nodes{{{_SUMMARY}}}}}}}}}"""


def _one(sub_issues: bool) -> str:
    """Older Enterprise Servers know no sub-issues, and refuse a query that names them."""
    below = "subIssues(first:50){nodes{number title state url}}" if sub_issues else ""
    return f"""query($owner:String!,$repo:String!,$number:Int!,$first:Int!,$after:String){{
        repository(owner:$owner,name:$repo){{issue(number:$number){{
        {_SUMMARY} body milestone{{title}} {below}
        comments(first:$first,after:$after){{{PAGE} nodes{{{COMMENT}}}}}}}}}}}"""


class Comment(BaseModel):
    """A comment. author: ghost if the account is gone."""

    author: str = at("author", "login", default="ghost")
    body: Text = ""
    created_at: datetime = at("createdAt")
    url: str


class SubIssue(BaseModel):
    """An issue below another."""

    number: int
    title: str
    state: Lower
    url: str


class IssueSummary(BaseModel):
    """An issue as lists have it."""

    number: int
    title: str
    state: Lower
    state_reason: str | None = at("stateReason", default=None)
    author: str = at("author", "login", default="ghost")
    labels: NamesOf = at("labels", "nodes", default_factory=list)
    assignees: NamesOf = at("assignees", "nodes", default_factory=list)
    comment_count: int = at("commentCount", "totalCount")
    created_at: datetime = at("createdAt")
    updated_at: datetime = at("updatedAt")
    url: str


class Issues(BaseModel):
    """Issues. total: of all pages."""

    total: int = at("repository", "issues", "totalCount")
    issues: list[IssueSummary] = at("repository", "issues", "nodes")
    next_cursor: Following = at("repository", "issues", "pageInfo")


class Issue(IssueSummary):
    """An issue with a page of its comments, oldest first."""

    body: Text = ""
    milestone: str | None = at("milestone", "title", default=None)
    sub_issues: list[SubIssue] | None = at("subIssues", "nodes", default=None)
    comments: list[Comment] = at("comments", "nodes")
    next_cursor: Following = at("comments", "pageInfo")


class _Found(BaseModel):
    issue: Issue = at("repository", "issue")


class FoundIssue(BaseModel):
    """An issue or a pull request anywhere."""

    repository: Annotated[str, AfterValidator(lambda url: "/".join(url.split("/")[-2:]))] = at(
        "repository_url"
    )
    number: int
    title: str
    state: str
    author: str = at("user", "login", default="ghost")
    labels: NamesOf = Field(default_factory=list)
    comment_count: int = at("comments", default=0)
    updated_at: datetime
    url: str = at("html_url")


class FoundIssues(BaseModel):
    """What a search found. total: of all pages; GitHub gives the first 1,000."""

    total: int = at("total_count")
    incomplete: bool = at("incomplete_results", default=False)
    found: list[FoundIssue] = at("items")
    next_cursor: NextCursor = None


class Written(BaseModel):
    """What a change made."""

    number: int
    title: str
    state: str
    url: str = at("html_url")


class Commented(BaseModel):
    """A comment that was added."""

    id: int
    url: str = at("html_url")


class Tracker:
    """The tools."""

    def __init__(self, hub: GitHub) -> None:
        self._hub = hub

    async def list_issues(
        self, owner: Owner, repo: Repo, state: State = "open", labels: Names | None = None,
        assignee: Name | None = None, creator: Name | None = None, since: datetime | None = None,
        sort: Sort = "updated", limit: Few = 20, cursor: Cursor = None,
    ) -> Issues:  # fmt: skip
        """List issues of a repository, without pull requests; newest, or most comments, first.

        Issues with any of the labels; updated since then. Across repositories, use search_issues.
        """
        return await self._hub.graphql(
            Issues, _LIST, owner=owner, repo=repo, first=limit, after=cursor, labels=labels,
            states=None if state == "all" else [state.upper()], since=moment(since),
            assignee=assignee, creator=creator, sort=order_field(sort),
        )  # fmt: skip

    async def search_issues(
        self, query: Search, kind: Literal["issue", "pull_request"] = "issue",
        sort: Sort | None = None, limit: Limit = 20, cursor: Cursor = None,
    ) -> FoundIssues:  # fmt: skip
        """Find issues or pull requests anywhere, like `repo:owner/name is:open label:bug crash` or
        `review-requested:@me`."""
        only = "is:issue" if kind == "issue" else "is:pr"
        return await self._hub.listed(
            FoundIssues,
            "search",
            "issues",
            limit=limit,
            cursor=cursor,
            q=f"{query} {only}",
            sort=sort,
        )

    async def issue_read(
        self, owner: Owner, repo: Repo, number: Number,
        sub_issues: Annotated[bool, Field(description="Also list the issues below it")] = False,
        limit: Few = 20, cursor: Cursor = None,
    ) -> Issue:  # fmt: skip
        """Read an issue with its comments, oldest first. Pull requests: pull_request_read."""
        issue = (
            await self._hub.graphql(
                _Found, _one(sub_issues), owner=owner, repo=repo, number=number, first=limit,
                after=cursor,
            )
        ).issue  # fmt: skip
        cut_all([issue, *issue.comments], "body")
        return issue

    async def issue_write(
        self, owner: Owner, repo: Repo, method: Literal["create", "update"],
        number: Number | None = None, title: Title | None = None, body: Body | None = None,
        labels: Names | None = None, assignees: Names | None = None,
        milestone: Annotated[int | None, Field(ge=1, description="Its number")] = None,
        state: Literal["open", "closed"] | None = None,
        state_reason: Literal["completed", "not_planned", "reopened"] | None = None,
    ) -> Written:  # fmt: skip
        """Create an issue, or update one: what is given replaces what was there, labels as a whole.

        To add to the conversation, use add_issue_comment.
        """
        path = ("repos", owner, repo, "issues")
        given = {
            "title": title, "body": body, "labels": labels, "assignees": assignees,
            "milestone": milestone,
        }  # fmt: skip
        if method == "create":
            if title is None or (number or state or state_reason):
                raise ToolError(
                    "create: expected a title, and neither number nor state nor state_reason"
                )
            return await self._hub.send(Written, "POST", *path, **given)
        given |= {"state": state, "state_reason": state_reason}
        if number is None or all(value is None for value in given.values()):
            raise ToolError("update: expected the number of an issue and what to change")
        return await self._hub.send(Written, "PATCH", *path, str(number), **given)

    async def add_issue_comment(
        self, owner: Owner, repo: Repo, number: Number,
        body: Annotated[Body, Field(min_length=1)],
    ) -> Commented:  # fmt: skip
        """Comment on an issue, or in the conversation of a pull request."""
        path = ("repos", owner, repo, "issues", str(number), "comments")
        return await self._hub.send(Commented, "POST", *path, body=body)


def order_field(sort: Sort) -> str:
    """As GraphQL calls it."""
    return "COMMENTS" if sort == "comments" else f"{sort.upper()}_AT"
