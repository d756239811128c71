"""Pull requests: lists, one with a part of it; new ones, reviews, merges."""

from datetime import datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AliasChoices, AliasPath, BaseModel, Field, model_validator
from sophia_mcp.errors import Refused
from sophia_mcp.fields import at
from sophia_mcp.pages import TEXTS, Cursor, Following, cut, cut_all

from .code import FileChange
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
    Sha,
    Title,
)
from .github import GitHub
from .issues import Comment, Sort, Written, order_field

Part = Annotated[
    Literal["overview", "diff", "files", "checks", "threads", "comments"],
    Field(
        description="overview: text and reviews. diff: as one text. files: with their patches. "
        "checks: of the newest commit. threads: conversations on lines. comments: the others"
    ),
]

_SUMMARY = """number title state isDraft url author{login} baseRefName headRefName headRefOid
    reviewDecision createdAt updatedAt labels(first:20){nodes{name}}
    commentCount:comments{totalCount}"""
_LIST = f"""query($owner:String!,$repo:String!,$first:Int!,$after:String,$labels:[String!],
    $states:[PullRequestState!],$base:String,$head:String,$sort:IssueOrderField!){{
    repository(owner:$owner,name:$repo){{pullRequests(first:$first,after:$after,labels:$labels,
    states:$states,baseRefName:$base,headRefName:$head,orderBy:{{field:$sort,direction:DESC}})
    {{totalCount {PAGE} nodes{{{_SUMMARY}}}}}}}}}"""
_PAGED = "first:$first,after:$after"
_PARTS = {
    "overview": f"""body mergeable additions deletions changedFiles mergedAt
        reviewRequests(first:20){{nodes{{requestedReviewer{{...on User{{login}}}}}}}}
        latestReviews({_PAGED}){{{PAGE} nodes{{{COMMENT} state}}}}""",
    "checks": f"""commits(last:1){{nodes{{commit{{statusCheckRollup{{state
        contexts({_PAGED}){{{PAGE} nodes{{
        ...on CheckRun{{name conclusion status databaseId url:detailsUrl}}
        ...on StatusContext{{name:context result:state url:targetUrl}}}}}}}}}}}}}}""",
    "threads": f"""reviewThreads({_PAGED}){{{PAGE} nodes{{
        isResolved isOutdated path line comments(first:10){{totalCount nodes{{{COMMENT}}}}}}}}}""",
    "comments": f"comments({_PAGED}){{{PAGE} nodes{{{COMMENT}}}}}",
}
"""What GraphQL says of each part; files and diff are REST's."""


_NO_CHECKS = (
    "Fine-grained tokens can't read checks: list_workflow_runs with sha, the head_sha of the "
    "overview, has those of GitHub Actions."
)


def _one(part: str) -> str:
    names = "$owner:String!,$repo:String!,$number:Int!"
    paged = ",$first:Int!,$after:String" if part in _PARTS else ""
    return f"""query({names}{paged}){{repository(owner:$owner,name:$repo){{
        pullRequest(number:$number){{{_SUMMARY} {_PARTS.get(part, "")}}}}}}}"""


class PullSummary(BaseModel):
    """A pull request as lists have it. review_decision: approved, changes_requested or so."""

    number: int
    title: str
    state: Lower
    draft: bool = at("isDraft")
    author: str = at("author", "login", default="ghost")
    base: str = at("baseRefName")
    head: str = at("headRefName")
    head_sha: str = at("headRefOid")
    review_decision: Lower | None = at("reviewDecision", default=None)
    labels: NamesOf = at("labels", "nodes", default_factory=list)
    comment_count: int = at("commentCount", "totalCount")
    created_at: datetime = at("createdAt")
    updated_at: datetime = at("updatedAt")
    url: str


class Pulls(BaseModel):
    """Pull requests. total: of all pages."""

    total: int = at("repository", "pullRequests", "totalCount")
    pull_requests: list[PullSummary] = at("repository", "pullRequests", "nodes")
    next_cursor: Following = at("repository", "pullRequests", "pageInfo")


class Review(Comment):
    """The latest review of one person."""

    state: Lower


class Check(BaseModel):
    """A check. job_id: for get_job_logs, where it is one of GitHub Actions."""

    name: str
    state: Lower = Field(description="success, failure, pending, in_progress or so")
    job_id: int | None = at("databaseId", default=None)
    url: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_state(cls, given: Any) -> Any:
        """A check has a conclusion once it has ended, a status before; a commit status a result."""
        if not isinstance(given, dict):
            return given
        states = (given.get(name) for name in ("result", "conclusion", "status"))
        return {**given, "state": next(filter(None, states), "unknown")}


class Thread(BaseModel):
    """A review's conversation on a line; the first 10 comments of comment_count."""

    path: str
    line: int | None = None
    resolved: bool = at("isResolved")
    outdated: bool = at("isOutdated")
    comment_count: int = at("comments", "totalCount")
    comments: list[Comment] = at("comments", "nodes")


_ROLLUP = ("commits", "nodes", 0, "commit", "statusCheckRollup")


class PullRequest(PullSummary):
    """A pull request with the part that was asked for; the other parts are null."""

    body: str | None = None
    mergeable: Lower | None = at("mergeable", default=None)
    merged_at: datetime | None = at("mergedAt", default=None)
    additions: int | None = None
    deletions: int | None = None
    changed_files: int | None = at("changedFiles", default=None)
    requested_reviewers: NamesOf | None = at("reviewRequests", "nodes", default=None)
    reviews: list[Review] | None = at("latestReviews", "nodes", default=None)
    checks_state: Lower | None = at(*_ROLLUP, "state", default=None)
    checks: list[Check] | None = at(*_ROLLUP, "contexts", "nodes", default=None)
    threads: list[Thread] | None = at("reviewThreads", "nodes", default=None)
    comments: list[Comment] | None = at("comments", "nodes", default=None)
    files: list[FileChange] | None = None
    diff: str | None = None
    next_cursor: Following = Field(
        None,
        validation_alias=AliasChoices(
            *(
                AliasPath(part, "pageInfo")
                for part in ("latestReviews", "reviewThreads", "comments")
            ),
            AliasPath(*_ROLLUP, "contexts", "pageInfo"),
        ),
    )


class _Found(BaseModel):
    pull: PullRequest = at("repository", "pullRequest")


class Reviewed(BaseModel):
    """A review that was submitted."""

    id: int
    state: Lower
    url: str = at("html_url")


class Merged(BaseModel):
    """What a merge says. sha: of the commit that it made."""

    merged: bool
    sha: str
    message: str


class LineComment(BaseModel):
    """A comment of a review on a line of the diff."""

    path: Annotated[str, Field(min_length=1, max_length=1_000)]
    line: Annotated[int, Field(ge=1)]
    body: Body
    side: Annotated[Literal["LEFT", "RIGHT"], Field(description="RIGHT: as it is after")] = "RIGHT"


class PullRequests:
    """The tools."""

    def __init__(self, hub: GitHub) -> None:
        self._hub = hub

    async def list_pull_requests(
        self, owner: Owner, repo: Repo, state: Literal["open", "closed", "merged", "all"] = "open",
        base: Name | None = None, head: Name | None = None, labels: Names | None = None,
        sort: Sort = "updated", limit: Few = 20, cursor: Cursor = None,
    ) -> Pulls:  # fmt: skip
        """List pull requests of a repository; base and head are branches. closed: not merged.

        By author or reviewer, and across repositories: search_issues with kind pull_request.
        """
        return await self._hub.graphql(
            Pulls, _LIST, owner=owner, repo=repo, first=limit, after=cursor, labels=labels,
            states=None if state == "all" else [state.upper()], base=base, head=head,
            sort=order_field(sort),
        )  # fmt: skip

    async def pull_request_read(
        self, owner: Owner, repo: Repo, number: Number, part: Part = "overview",
        limit: Few = 20, cursor: Cursor = None,
    ) -> PullRequest:  # fmt: skip
        """Read a pull request and one part of it. What is long is cut: a smaller limit cuts less.

        Of a long diff only the beginning comes; read files instead.
        """
        place = {"first": limit, "after": cursor} if part in _PARTS else {}
        try:
            found = await self._hub.graphql(
                _Found, _one(part), owner=owner, repo=repo, number=number, **place
            )
        except Refused as error:
            if part == "checks" and "not accessible" in str(error):
                raise ToolError(f"{error} {_NO_CHECKS}") from None
            raise
        pull = found.pull
        path = ("repos", owner, repo, "pulls", str(number))
        if part == "checks":
            pull.checks = pull.checks or []
        if part == "files":
            files, pull.next_cursor = await self._hub.page(
                list[FileChange], *path, "files", limit=limit, cursor=cursor
            )
            pull.files = files
            cut_all(files, "patch")
        if part == "diff":
            kind = {"Accept": "application/vnd.github.diff"}
            diff = (await self._hub.request("GET", *path, headers=kind)).content
            pull.diff = cut(diff.decode(errors="replace"), TEXTS)
        _cut(pull)
        return pull

    async def create_pull_request(
        self, owner: Owner, repo: Repo, title: Title, base: Name,
        head: Annotated[Name, Field(description="Branch, or owner:branch of a fork")],
        body: Body = "", draft: bool = False, maintainer_can_modify: bool = True,
    ) -> Written:  # fmt: skip
        """Open a pull request to merge the branch head into base."""
        return await self._hub.send(
            Written, "POST", "repos", owner, repo, "pulls", title=title, base=base, head=head,
            body=body, draft=draft, maintainer_can_modify=maintainer_can_modify,
        )  # fmt: skip

    async def pull_request_review_write(
        self, owner: Owner, repo: Repo, number: Number, head_sha: Sha,
        event: Literal["COMMENT", "APPROVE", "REQUEST_CHANGES"], body: Body = "",
        comments: Annotated[list[LineComment] | None, Field(max_length=50)] = None,
    ) -> Reviewed:  # fmt: skip
        """Submit a review with its comments on lines. head_sha: of the overview that you read."""
        if event != "APPROVE" and not body:
            raise ToolError(f"body: {event} needs a text, got none")
        return await self._hub.send(
            Reviewed, "POST", "repos", owner, repo, "pulls", str(number), "reviews",
            commit_id=head_sha, event=event, body=body or None,
            comments=[comment.model_dump() for comment in comments or []],
        )  # fmt: skip

    async def merge_pull_request(
        self, owner: Owner, repo: Repo, number: Number, head_sha: Sha,
        method: Literal["merge", "squash", "rebase"] = "merge",
        commit_title: Title | None = None, commit_message: Body | None = None,
    ) -> Merged:  # fmt: skip
        """Merge a pull request for good. Read the overview and the checks first.

        head_sha is what you read: if there are newer commits, nothing is merged.
        """
        return await self._hub.send(
            Merged, "PUT", "repos", owner, repo, "pulls", str(number), "merge", sha=head_sha,
            merge_method=method, commit_title=commit_title, commit_message=commit_message,
        )  # fmt: skip


def _cut(pull: PullRequest) -> None:
    """Leaves of each text its share of an answer."""
    said = [*(pull.reviews or []), *(pull.comments or [])]
    for thread in pull.threads or []:
        said += thread.comments
    cut_all([pull, *said], "body")
