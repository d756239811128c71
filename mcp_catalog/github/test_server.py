"""github against a stand-in for GitHub that speaks real HTTP."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from sophia_mcp import pages
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings

from mcp_catalog.github.github import address
from mcp_catalog.github.server import build
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.tool_calls import Tools
from tests.support.upstream import Reply, Request, Service

TOKEN = "github_pat_s3cr3t0123"
SIGNATURE = "blob-signature-4567"
HEAD = "a" * 40
ALLOWED = {"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": "merge_pull_request"}
HERE = {"owner": "octo-org", "repo": "octo-repo"}
REPO = "/repos/octo-org/octo-repo"
PAGE = "https://github.com/octocat"
WEB = "https://github.com/octo-org/octo-repo"

# Shapes of docs.github.com/en/rest (version 2022-11-28): repos/repos, repos/contents, search,
# branches/branches, commits/commits, releases/releases, actions/workflow-runs,
# actions/workflow-jobs, issues/issues, pulls/pulls, pulls/reviews, git/refs; and of
# docs.github.com/en/graphql/reference: objects Issue and PullRequest.
PERSON = {"login": "octocat", "id": 1, "type": "User"}
REPOSITORY = {
    "id": 1296269, "node_id": "MDEw", "name": "octo-repo", "full_name": "octo-org/octo-repo",
    "owner": PERSON, "private": False, "html_url": WEB, "description": "A repo", "fork": False,
    "url": "https://api.github.com/repos/octo-org/octo-repo", "archived": False,
    "default_branch": "main", "language": None, "license": {"key": "mit", "spdx_id": "MIT"},
    "topics": ["api"], "stargazers_count": 80, "forks_count": 9, "open_issues_count": 3,
    "pushed_at": "2011-01-26T19:06:43Z",
}  # fmt: skip
COMMIT = {
    "sha": HEAD, "html_url": f"{WEB}/commit/{HEAD}", "author": PERSON,
    "commit": {
        "message": "Fix all the bugs\n\nIn all the files.",
        "author": {"name": "Mona", "email": "m@x.example", "date": "2011-04-14T16:00:49Z"},
    },
}  # fmt: skip
CHANGE = {
    "sha": "b" * 40, "filename": "file1.txt", "status": "modified", "additions": 103,
    "deletions": 21, "changes": 124, "patch": "@@ -132,7 +132,7 @@" + "x" * 40_000,
}  # fmt: skip
RELEASE = {
    "id": 1, "tag_name": "v1.0.0", "name": "One", "body": None, "draft": False,
    "prerelease": False, "published_at": "2013-02-27T19:35:32Z", "html_url": f"{WEB}/releases/1",
    "author": PERSON, "assets": [{"id": 1, "name": "example.zip", "size": 1024}],
}  # fmt: skip
RUN = {
    "id": 30433642, "name": "Build", "display_title": "Update README.md", "run_number": 562,
    "run_attempt": 1, "event": "push", "status": "completed", "conclusion": "failure",
    "head_branch": "main", "head_sha": HEAD, "created_at": "2020-01-22T19:33:08Z",
    "html_url": f"{WEB}/actions/runs/30433642",
}  # fmt: skip


def job(number: int, conclusion: str | None) -> dict[str, Any]:
    steps = [("Set up", "success"), ("Test", conclusion), ("Publish", "skipped")]
    return {
        "id": number, "run_id": 30433642, "name": f"test {number}", "conclusion": conclusion,
        "status": "completed" if conclusion else "in_progress", "html_url": f"{WEB}/job/{number}",
        "steps": [{"name": name, "conclusion": what, "number": 1} for name, what in steps],
    }  # fmt: skip


def file(content: bytes, path: str = "src/main.py", **other: Any) -> Reply:
    text = base64.encodebytes(content).decode()
    about = {"type": "file", "path": path, "name": path, "sha": "c" * 40, "size": len(content)}
    return replies.ok({**about, "encoding": "base64", "content": text, **other})


ISSUE = {
    "number": 7, "title": "Broken", "state": "OPEN", "stateReason": None, "author": None,
    "url": f"{WEB}/issues/7", "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-02T00:00:00Z", "assignees": {"nodes": [{"login": "octocat"}]},
    "labels": {"nodes": [{"name": "bug"}]}, "commentCount": {"totalCount": 2},
}  # fmt: skip
COMMENT = {
    "author": {"login": "octocat"}, "body": "c" * 40_000, "createdAt": "2026-01-01T00:00:00Z",
    "url": f"{WEB}/issues/7#issuecomment-1",
}  # fmt: skip
PULL = {
    "number": 8, "title": "Repair", "state": "OPEN", "isDraft": False, "baseRefName": "main",
    "author": {"login": "octocat"}, "headRefName": "repair", "headRefOid": HEAD,
    "reviewDecision": "CHANGES_REQUESTED", "url": f"{WEB}/pull/8",
    "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-02T00:00:00Z",
    "labels": {"nodes": []}, "commentCount": {"totalCount": 1},
}  # fmt: skip


def nodes(*given: dict[str, Any], after: str | None = None, **other: Any) -> dict[str, Any]:
    page = {"hasNextPage": after is not None, "endCursor": after or "the last"}
    return {"nodes": list(given), "pageInfo": page, **other}


CHECKS = nodes(
    {"name": "test", "conclusion": "FAILURE", "status": "COMPLETED", "databaseId": 5, "url": WEB},
    {"name": "lint", "conclusion": None, "status": "IN_PROGRESS", "databaseId": 6, "url": WEB},
    {"name": "ci/other", "result": "SUCCESS", "url": None},
)
ROLLUP = {"state": "FAILURE", "contexts": CHECKS}
THREAD = {
    "isResolved": False, "isOutdated": True, "path": "src/main.py", "line": None,
    "comments": {"totalCount": 1, "nodes": [COMMENT]},
}  # fmt: skip
PARTS: dict[str, dict[str, Any]] = {
    "latestReviews(": {
        "body": "Why", "mergeable": "MERGEABLE", "additions": 3, "deletions": 1, "changedFiles": 1,
        "mergedAt": None, "latestReviews": nodes({**COMMENT, "state": "APPROVED"}),
        "reviewRequests": {"nodes": [{"requestedReviewer": {"login": "hubot"}},
                                     {"requestedReviewer": {}}, {"requestedReviewer": None}]},
    },
    "commits(": {"commits": {"nodes": [{"commit": {"statusCheckRollup": ROLLUP}}]}},
    "reviewThreads(": {"reviewThreads": nodes(THREAD, after="T2")},
    " comments(": {"comments": nodes(COMMENT, after="C2")},
}  # fmt: skip


def graphql(request: Request) -> Reply:
    """As GitHub answers the queries that the tools make."""
    query = request.body["query"]
    if "nameWithOwner" in query:
        return replies.ok({"data": {"repository": {"nameWithOwner": "octo-org/octo-repo"}}})
    if "createCommitOnBranch" in query:
        made = {"oid": "d" * 40, "url": f"{WEB}/commit/{'d' * 40}"}
        return replies.ok({"data": {"createCommitOnBranch": {"commit": made}}})
    found: dict[str, Any]
    if "pullRequest(number" in query:
        parts = [part for word, part in PARTS.items() if word in query]
        found = {"pullRequest": {**PULL, **(parts[0] if parts else {})}}
    elif "issue(number" in query:
        below = {"subIssues": {"nodes": [{"number": 9, "title": "Part", "state": "CLOSED",
                                          "url": WEB}]}}  # fmt: skip
        issue = {**ISSUE, "body": "b" * 40_000, "milestone": {"title": "1.0"}}
        issue |= {"comments": nodes(COMMENT, after="C2"), **(below if "subIssues" in query else {})}
        found = {"issue": issue}
    elif "pullRequests(" in query:
        found = {"pullRequests": nodes(PULL, totalCount=1)}
    else:
        found = {"issues": nodes(ISSUE, after="I2", totalCount=31)}
    return replies.ok({"data": {"repository": found}})


LOG = b"\xef\xbb\xbf" + b"".join(
    b"2026-01-01T00:00:%02d.1234567Z \x1b[36;1mline %d\x1b[0m\n" % (number % 60, number)
    for number in range(20_000)
)
BLOB = f"/blob/log.txt?sig={SIGNATURE}"
FOUND = {
    "number": 7, "title": "Broken", "state": "open", "user": PERSON, "labels": [{"name": "bug"}],
    "comments": 2, "updated_at": "2026-01-02T00:00:00Z", "html_url": f"{WEB}/issues/7",
    "repository_url": "https://api.github.com/repos/octo-org/octo-repo",
}  # fmt: skip
MATCH = {
    "name": "main.py", "path": "src/main.py", "sha": "c" * 40, "html_url": f"{WEB}/blob/main.py",
    "repository": {"full_name": "octo-org/octo-repo"},
    "text_matches": [{"property": "content", "fragment": "def main():"}],
}  # fmt: skip
NEW_ISSUE = {"number": 10, "title": "New", "state": "open", "html_url": f"{WEB}/issues/10"}
NEW_PULL = {"number": 11, "title": "New", "state": "open", "html_url": f"{WEB}/pull/11"}


def search(*items: dict[str, Any]) -> Reply:
    return replies.ok({"total_count": 1, "incomplete_results": False, "items": list(items)})


def pull_as_diff(request: Request) -> Reply:
    assert request.headers["Accept"] == "application/vnd.github.diff"
    return Reply(200, b"diff --git a/x b/x\n" + b"+" * 50_000, {"Content-Type": "text/plain"})


STAND_IN = StandIn(
    "github",
    "GITHUB_API_URL",
    {"GITHUB_PERSONAL_ACCESS_TOKEN": TOKEN, **ALLOWED},
    {
        "POST /graphql": graphql,
        "GET /user": replies.ok({**PERSON, "name": "Mona", "html_url": PAGE}),
        "GET /search/repositories": search(REPOSITORY),
        "GET /search/code": search(MATCH),
        "GET /search/issues": search(FOUND),
        f"GET {REPO}": replies.ok(REPOSITORY),
        f"GET {REPO}/contents/src/main.py": file(b"import os\n"),
        f"GET {REPO}/branches": replies.ok([{"name": "main", "commit": {"sha": HEAD}}]),
        f"GET {REPO}/commits": replies.ok([COMMIT, {**COMMIT, "author": None}]),
        f"GET {REPO}/commits/HEAD": replies.ok(COMMIT),
        f"GET {REPO}/commits/feature/a": replies.ok(
            {**COMMIT, "stats": {"additions": 103, "deletions": 21}, "files": [CHANGE]}
        ),
        f"GET {REPO}/releases": replies.ok([RELEASE]),
        f"GET {REPO}/actions/runs": replies.ok({"total_count": 1, "workflow_runs": [RUN]}),
        f"GET {REPO}/actions/workflows/ci.yml/runs": replies.ok(
            {"total_count": 0, "workflow_runs": []}
        ),
        f"GET {REPO}/actions/runs/30433642/jobs": replies.ok(
            {"total_count": 3, "jobs": [job(4, "success"), job(5, "failure"), job(6, "failure")]}
        ),
        f"GET {REPO}/actions/jobs/5": replies.ok(job(5, "failure")),
        f"GET {REPO}/actions/jobs/5/logs": Reply(302, headers={"Location": BLOB}),
        f"GET {REPO}/actions/jobs/6/logs": replies.refused(410, {"message": "Gone"}),
        "GET /blob/log.txt": Reply(200, LOG, {"Content-Type": "text/plain"}),
        f"GET {REPO}/pulls/8": pull_as_diff,
        f"GET {REPO}/pulls/8/files": replies.ok([CHANGE, {**CHANGE, "patch": None}]),
        f"POST {REPO}/issues": replies.ok(NEW_ISSUE, 201),
        f"PATCH {REPO}/issues/7": replies.ok({**NEW_ISSUE, "number": 7, "state": "closed"}),
        f"POST {REPO}/issues/7/comments": replies.ok({"id": 1, "html_url": f"{WEB}#c1"}, 201),
        f"POST {REPO}/git/refs": replies.ok(
            {"ref": "refs/heads/feature/b", "object": {"type": "commit", "sha": HEAD}}, 201
        ),
        f"POST {REPO}/pulls": replies.ok(NEW_PULL, 201),
        f"POST {REPO}/pulls/8/reviews": replies.ok(
            {"id": 80, "state": "APPROVED", "html_url": f"{WEB}/pull/8#r80"}
        ),
        f"PUT {REPO}/pulls/8/merge": replies.ok(
            {"sha": "e" * 40, "merged": True, "message": "Pull Request successfully merged"}
        ),
    },
    {
        "issue_read": {**HERE, "number": 7, "sub_issues": True},
        "get_job_logs": {**HERE, "job_id": 5},
        "push_files": {
            **HERE, "branch": "main", "head_sha": HEAD, "title": "Add a file",
            "files": [{"path": "a.txt", "text": "é\n"}], "deleted": ["b.txt"],
        },
        "merge_pull_request": {**HERE, "number": 8, "head_sha": HEAD},
        "get_me": {},
        "search_repositories": {"query": "octo", "sort": "stars"},
        "get_repository": HERE,
        "get_file_contents": {**HERE, "path": "src/main.py"},
        "search_code": {"query": "def main"},
        "list_branches": HERE,
        "list_commits": {**HERE, "since": "2026-01-01T00:00:00Z"},
        "get_commit": {**HERE, "ref": "feature/a"},
        "list_releases": HERE,
        "list_issues": {**HERE, "labels": ["bug"]},
        "search_issues": {"query": "is:open crash"},
        "list_pull_requests": HERE,
        "pull_request_read": {**HERE, "number": 8},
        "list_workflow_runs": HERE,
        "issue_write": {**HERE, "method": "create", "title": "New"},
        "add_issue_comment": {**HERE, "number": 7, "body": "Me, too"},
        "create_branch": {**HERE, "branch": "feature/b"},
        "create_pull_request": {**HERE, "title": "New", "base": "main", "head": "feature/b"},
        "pull_request_review_write": {
            **HERE, "number": 8, "head_sha": HEAD, "event": "APPROVE",
            "comments": [{"path": "x", "line": 1, "body": "Good"}],
        },
    },
    hidden=(SIGNATURE,),
)  # fmt: skip


@pytest.fixture
def hub() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


@asynccontextmanager
async def connected(hub: Service, **changed: str) -> AsyncIterator[Tools]:
    nothing = dict.fromkeys(ALLOWED, "")
    async with STAND_IN.connected(hub, **{**nothing, **changed}) as tools:
        yield tools


async def test_every_request_says_who_asks_and_which_version_is_meant(hub: Service):
    async with connected(hub) as tools:
        found = await tools.ok("get_repository", **HERE)
        await tools.ok("issue_read", **HERE, number=7)
    for asked in hub.asked:
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert asked.headers["Accept"] == "application/vnd.github+json"
    assert (found["license"], found["stars"], found["url"]) == ("MIT", 80, WEB)


async def test_pages_lead_on_with_their_size(hub: Service):
    def branches(request: Request) -> Reply:
        number = int(request.query["page"][0])
        link = {"Link": f'<{hub.url}/x?page={number + 1}>; rel="next", <{hub.url}/x>; rel="last"'}
        body = json.dumps([{"name": f"b{number}", "commit": {"sha": HEAD}}]).encode()
        kind = {"Content-Type": "application/json"}
        return Reply(200, body, {**kind, **link} if number < 3 else kind)

    hub.routes[f"GET {REPO}/branches"] = branches
    names, cursor = [], None
    async with connected(hub) as tools:
        for limit in (7, 50, 1):
            page = await tools.ok("list_branches", **HERE, limit=limit, cursor=cursor)
            names += [branch["name"] for branch in page["branches"]]
            cursor = page["next_cursor"]
    assert (names, cursor) == (["b1", "b2", "b3"], None)
    assert [asked.query["per_page"] for asked in hub.asked] == [["7"]] * 3


@pytest.mark.parametrize("cursor", ["2", pages.cursor("2"), pages.cursor("x", "5"), "é"])
async def test_a_cursor_that_is_none_of_ours_is_refused_before_it_is_sent(hub: Service, cursor):
    async with connected(hub) as tools:
        said = await tools.error("list_branches", **HERE, cursor=cursor)
    assert "cursor: expected the next_cursor of a previous answer" in said
    assert hub.asked == []


async def test_an_issue_comes_with_its_conversation_in_one_call(hub: Service):
    async with connected(hub) as tools:
        issue = await tools.ok("issue_read", **HERE, number=7)
        more = await tools.ok("issue_read", **HERE, number=7, cursor="C2", sub_issues=True)
    assert [issue[key] for key in ("state", "author", "labels", "assignees", "milestone")] == [
        *("open", "ghost", ["bug"], ["octocat"], "1.0")
    ]
    assert issue["body"].endswith("[cut: 12000 of 40000 characters]")
    assert issue["comments"][0]["body"].endswith("[cut: 12000 of 40000 characters]")
    assert (issue["next_cursor"], issue["sub_issues"]) == ("C2", None)
    assert more["sub_issues"][0]["state"] == "closed"
    first, second = (asked.body["variables"] for asked in hub.asked)
    assert first == {**HERE, "number": 7, "first": 20}
    assert second["after"] == "C2"


async def test_issues_are_narrowed_by_what_is_given_and_by_nothing_else(hub: Service):
    async with connected(hub) as tools:
        page = await tools.ok("list_issues", **HERE, since="2026-01-01T02:00:00+02:00")
        await tools.ok("list_issues", **HERE, state="all", sort="comments", assignee="mona")
    assert (page["total"], page["next_cursor"], len(page["issues"])) == (31, "I2", 1)
    first, second = (asked.body["variables"] for asked in hub.asked)
    assert first == {
        **HERE, "first": 20, "states": ["OPEN"], "sort": "UPDATED_AT",
        "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert second == {**HERE, "first": 20, "sort": "COMMENTS", "assignee": "mona"}


async def test_a_search_is_for_issues_or_for_pull_requests(hub: Service):
    async with connected(hub) as tools:
        (found,) = (await tools.ok("search_issues", query="crash"))["found"]
        await tools.ok("search_issues", query="crash", kind="pull_request")
        code = await tools.ok("search_code", query="def main")
    assert (found["repository"], found["number"], found["labels"]) == (
        *("octo-org/octo-repo", 7, ["bug"]),
    )
    assert [asked.query["q"] for asked in hub.asked[:2]] == [["crash is:issue"], ["crash is:pr"]]
    assert code["matches"][0]["fragments"] == ["def main():"]
    assert hub.asked[2].headers["Accept"] == "application/vnd.github.text-match+json"


OF_PARTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "overview": lambda pull: (
        [pull["mergeable"], pull["requested_reviewers"], pull["reviews"][0]["state"]]
        == ["mergeable", ["hubot"], "approved"]
    ),
    "checks": lambda pull: (
        [(check["state"], check["job_id"]) for check in pull["checks"]]
        == [("failure", 5), ("in_progress", 6), ("success", None)]
    ),
    "threads": lambda pull: pull["threads"][0]["outdated"] and pull["next_cursor"] == "T2",
    "comments": lambda pull: (
        pull["comments"][0]["body"].endswith("of 40000 characters]") and pull["next_cursor"] == "C2"
    ),
    "files": lambda pull: (
        [(file["patch"] or "")[-32:] for file in pull["files"]]
        == ["[cut: 24000 of 40019 characters]", ""]
    ),
    "diff": lambda pull: pull["diff"].endswith("[cut: 24000 of 50019 characters]"),
}


@pytest.mark.parametrize("part", OF_PARTS)
async def test_a_pull_request_has_the_part_that_is_asked_for(hub: Service, part: str):
    async with connected(hub) as tools:
        pull = await tools.ok("pull_request_read", **HERE, number=8, part=part)
    assert OF_PARTS[part](pull), pull
    assert (pull["state"], pull["head_sha"], pull["review_decision"]) == (
        *("open", HEAD, "changes_requested"),
    )
    assert len(hub.asked) == (2 if part in ("files", "diff") else 1)


async def test_a_commit_without_checks_has_none(hub: Service):
    nothing = {"commits": {"nodes": [{"commit": {"statusCheckRollup": None}}]}}
    found = {"repository": {"pullRequest": {**PULL, **nothing}}}
    hub.routes["POST /graphql"] = replies.ok({"data": found})
    async with connected(hub) as tools:
        pull = await tools.ok("pull_request_read", **HERE, number=8, part="checks")
    assert (pull["checks"], pull["checks_state"], pull["next_cursor"]) == ([], None, None)


async def test_a_token_that_can_not_read_checks_is_led_to_the_runs(hub: Service):
    fault = {"type": "FORBIDDEN", "message": "Resource not accessible by personal access token"}
    hub.queue.append(replies.ok({"data": {"repository": None}, "errors": [fault]}))
    async with connected(hub) as tools:
        said = await tools.error("pull_request_read", **HERE, number=8, part="checks")
        (run,) = (await tools.ok("list_workflow_runs", **HERE, sha=HEAD))["runs"]
        await tools.ok("list_workflow_runs", **HERE, workflow="ci.yml", status="failure")
    assert "by personal access token Fine-grained tokens can't read checks: list_workflow" in said
    assert (run["id"], run["conclusion"]) == (30433642, "failure")
    assert hub.asked[1].query == {"head_sha": [HEAD], "page": ["1"], "per_page": ["20"]}
    assert hub.asked[2].query["status"] == ["failure"]


async def test_a_commit_has_its_files_and_a_list_the_first_lines(hub: Service):
    async with connected(hub) as tools:
        commit = await tools.ok("get_commit", **HERE, ref="feature/a")
        listed = await tools.ok("list_commits", **HERE, since="2026-01-01T00:00:00", path="src")
    assert commit["message"].endswith("In all the files.")
    assert commit["files"][0]["patch"].endswith("[cut: 24000 of 40019 characters]")
    assert [(one["message"], one["author"]) for one in listed["commits"]] == [
        *(("Fix all the bugs", "octocat"), ("Fix all the bugs", "Mona"))
    ]
    assert hub.asked[-1].query["since"] == ["2026-01-01T00:00:00Z"]
    assert "until" not in hub.asked[-1].query


async def test_a_long_file_comes_in_parts(hub: Service):
    text = "".join(f"line {number} é\n" for number in range(1, 5_001))
    hub.routes[f"GET {REPO}/contents/src/main.py"] = file(text.encode())
    read, line = "", 1
    async with connected(hub) as tools:
        while line is not None:
            part = await tools.ok("get_file_contents", **HERE, path="/src/main.py", first_line=line)
            assert len(part["text"]) <= 24_000
            read, line = read + part["text"], part["next_line"]
        said = await tools.error("get_file_contents", **HERE, path="src/main.py", first_line=5_001)
    assert (read, part["lines"]) == (text, 5_000)
    assert "first_line: expected 1 to 5000" in said


async def test_a_directory_shows_what_fits(hub: Service):
    entries = [{"type": "file", "name": "x" * 200 + str(n), "size": n} for n in range(1_000)]
    hub.routes[f"GET {REPO}/contents"] = replies.ok(entries)
    async with connected(hub) as tools:
        listed = await tools.ok("get_file_contents", **HERE)
    assert listed["entry_count"] == 1_000
    assert 100 < len(listed["entries"]) < 400
    assert hub.asked[0].path == f"{REPO}/contents"


async def test_what_is_no_text_is_told_without_one(hub: Service):
    entry = {"type": "dir", "path": "src/a", "name": "a", "size": 0, "sha": HEAD}
    hub.routes[f"GET {REPO}/contents/src"] = replies.ok([entry])
    hub.routes[f"GET {REPO}/contents/empty"] = file(b"", "empty")
    hub.routes[f"GET {REPO}/contents/logo"] = file(b"\x89PNG\xff", "logo")
    hub.routes[f"GET {REPO}/contents/one"] = file(b"x" * 40_000, "one")
    hub.routes[f"GET {REPO}/contents/big"] = file(b"", "big", size=2_000_000, encoding="none")
    async with connected(hub) as tools:
        listed = await tools.ok("get_file_contents", **HERE, path="src", ref="main")
        empty = await tools.ok("get_file_contents", **HERE, path="empty")
        logo = await tools.ok("get_file_contents", **HERE, path="logo")
        one = await tools.ok("get_file_contents", **HERE, path="one")
        said = await tools.error("get_file_contents", **HERE, path="big")
    assert listed["entries"] == [{"name": "a", "type": "dir", "size": 0}]
    assert listed["entry_count"] == 1
    assert hub.asked[0].query == {"ref": ["main"]}
    assert (empty["text"], empty["lines"], empty["next_line"]) == ("", 0, None)
    assert (logo["text"], logo["size"]) == (None, 5)
    assert one["text"].endswith("[cut: 24000 of 40000 characters]")
    assert "big has 2000000 bytes, more than the 1 MB" in said


async def test_of_a_log_the_end_comes_without_times_and_colours(hub: Service):
    async with connected(hub) as tools:
        (job_5,) = (await tools.ok("get_job_logs", **HERE, job_id=5, characters=500))["jobs"]
    assert job_5["log"].startswith(f"[cut: the last 500 characters of {len(LOG)} bytes] …")
    assert job_5["log"].endswith("\nline 19998\nline 19999\n")
    assert job_5["steps"] == [{"name": "Test", "conclusion": "failure"}]
    blob = hub.asked[-1]
    assert (blob.path, blob.query) == ("/blob/log.txt", {"sig": [SIGNATURE]})
    assert TOKEN not in str(blob.headers)


async def test_a_short_log_is_whole(hub: Service):
    hub.routes["GET /blob/log.txt"] = Reply(200, b"\xef\xbb\xbf2026-01-01T00:00:00.1Z Hi\n")
    async with connected(hub) as tools:
        (job_5,) = (await tools.ok("get_job_logs", **HERE, job_id=5))["jobs"]
    assert job_5["log"] == "Hi\n"


async def test_a_run_shows_its_jobs_and_the_logs_of_those_that_failed(hub: Service):
    async with connected(hub) as tools:
        jobs = (await tools.ok("get_job_logs", **HERE, run_id=30433642))["jobs"]
    assert [one["conclusion"] for one in jobs] == ["success", "failure", "failure"]
    assert jobs[0]["log"] is None
    assert "the last 10000 characters" in jobs[1]["log"]
    assert jobs[2]["log"] == "[no log: the job has not ended, or its log has expired]"


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/log?sig=" + SIGNATURE, ""])
async def test_a_log_that_is_nowhere_safe_is_not_fetched(hub: Service, location: str, caplog):
    hub.routes[f"GET {REPO}/actions/jobs/5/logs"] = Reply(302, headers={"Location": location})
    async with connected(hub) as tools:
        said = await tools.error("get_job_logs", **HERE, job_id=5)
    assert "a redirect, which is not followed" in said
    assert SIGNATURE not in said + caplog.text


BEFORE_SENDING: dict[str, tuple[str, dict[str, Any], str]] = {
    "two logs": ("get_job_logs", {"job_id": 1, "run_id": 2}, "one of them"),
    "no log": ("get_job_logs", {}, "expected a job_id or a run_id"),
    "way out": ("get_file_contents", {"path": "../../user"}, "expected an id or a name, got '..'"),
    "no title": ("issue_write", {"method": "create"}, "create: expected a title"),
    "closed at once": (
        "issue_write", {"method": "create", "title": "x", "state": "closed"}, "neither number",
    ),
    "which": ("issue_write", {"method": "update", "title": "x"}, "expected the number"),
    "nothing": ("issue_write", {"method": "update", "number": 7}, "what to change"),
    "no words": (
        "pull_request_review_write",
        {"number": 8, "head_sha": HEAD, "event": "REQUEST_CHANGES"}, "needs a text, got none",
    ),
    "no files": (
        "push_files", {"branch": "b", "head_sha": HEAD, "title": "t", "files": []}, "a file at",
    ),
    "short sha": ("merge_pull_request", {"number": 8, "head_sha": "abc"}, "head_sha"),
    "empty comment": ("add_issue_comment", {"number": 7, "body": ""}, "body"),
    "too many": ("list_branches", {"limit": 101}, "limit"),
}  # fmt: skip


@pytest.mark.parametrize("case", BEFORE_SENDING)
async def test_what_can_not_be_meant_is_refused_before_it_is_sent(hub: Service, case: str):
    tool, arguments, expected = BEFORE_SENDING[case]
    async with connected(hub, **ALLOWED) as tools:
        assert expected in await tools.error(tool, **HERE, **arguments)
    assert hub.asked == []


async def test_an_update_changes_what_is_given_and_can_empty_it(hub: Service):
    async with connected(hub, **ALLOWED) as tools:
        changed = await tools.ok(
            "issue_write", **HERE, method="update", number=7, state="closed", labels=[], body="",
            state_reason="not_planned",
        )  # fmt: skip
    assert changed["state"] == "closed"
    assert hub.asked[0].body == {
        "body": "", "labels": [], "state": "closed", "state_reason": "not_planned",
    }  # fmt: skip


async def test_a_push_is_one_commit_on_the_head_that_was_read(hub: Service):
    async with connected(hub, **ALLOWED) as tools:
        made = await tools.ok("push_files", **STAND_IN.calls["push_files"])
    assert made["sha"] == "d" * 40
    assert hub.asked[0].body["variables"]["input"] == {
        "branch": {"repositoryNameWithOwner": "octo-org/octo-repo", "branchName": "main"},
        "message": {"headline": "Add a file", "body": ""},
        "fileChanges": {
            "additions": [{"path": "a.txt", "contents": "w6kK"}],
            "deletions": [{"path": "b.txt"}],
        },
        "expectedHeadOid": HEAD,
    }


async def test_a_branch_begins_where_it_is_told(hub: Service):
    async with connected(hub, **ALLOWED) as tools:
        made = await tools.ok("create_branch", **HERE, branch="feature/b", from_ref="feature/a")
    assert made == {"branch": "feature/b", "sha": HEAD}
    assert hub.asked[0].path == f"{REPO}/commits/feature/a"
    assert hub.asked[1].body == {"ref": "refs/heads/feature/b", "sha": HEAD}


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (405, "Pull Request is not mergeable", "read the present state first"),
        (409, "Head branch was modified.", "read that first"),
    ],
)
async def test_a_merge_names_the_head_and_says_why_it_is_refused(
    hub: Service, status: int, message: str, advice: str
):
    refusal = replies.refused(status, {"message": message})
    async with connected(hub, **ALLOWED) as tools:
        merged = await tools.ok("merge_pull_request", **HERE, number=8, head_sha=HEAD)
        hub.routes[f"PUT {REPO}/pulls/8/merge"] = refusal
        said = await tools.error("merge_pull_request", **HERE, number=8, head_sha=HEAD)
    assert merged["merged"] is True
    assert hub.asked[0].body == {"sha": HEAD, "merge_method": "merge"}
    assert message in said
    assert advice in said


async def test_it_writes_only_where_that_is_allowed(hub: Service):
    async with connected(hub) as tools:
        listed = await tools.listed()
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.values())
    async with connected(hub, MCP_ALLOW_WRITES="true") as tools:
        written = set(await tools.listed()) - set(listed)
        assert written == {
            *("issue_write", "add_issue_comment", "create_branch", "push_files"),
            *("create_pull_request", "pull_request_review_write"),
        }
    async with connected(hub, **ALLOWED) as tools:
        assert set(await tools.listed()) - set(listed) - written == {"merge_pull_request"}


async def test_read_only_is_stronger_than_what_allows_writes(hub: Service):
    async with connected(hub, **ALLOWED, GITHUB_READ_ONLY="true") as tools:
        listed = await tools.listed()
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.values())
        with pytest.raises(MCPError, match="Unknown tool"):
            await tools.ok("issue_write", **HERE, method="create", title="x")
    assert hub.asked == []


async def test_on_an_enterprise_server_both_apis_are_below_api(hub: Service):
    hub.routes |= {f"GET /api/v3{REPO}": replies.ok(REPOSITORY), "POST /api/graphql": graphql}
    async with connected(hub, GITHUB_API_URL=f"{hub.url}/api/v3/") as tools:
        await tools.ok("get_repository", **HERE)
        await tools.ok("issue_read", **HERE, number=7)
    assert [asked.path for asked in hub.asked] == [f"/api/v3{REPO}", "/api/graphql"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "https://api.github.com"),
        ("GitHub.com", "https://api.github.com"),
        ("github.example.com", "https://github.example.com/api/v3"),
        ("https://github.example.com:8443/", "https://github.example.com:8443/api/v3"),
        ("octocorp.ghe.com", "https://api.octocorp.ghe.com"),
    ],
)
def test_the_address_follows_from_the_host(host: str, expected: str):
    settings = read_settings("github", {"GITHUB_HOST": host})
    assert address(settings) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_HOST", "http://github.example.com"),
        ("GITHUB_HOST", "user:s3cr3t@github.example.com"),
        ("GITHUB_HOST", "github.example.com/s3cr3t"),
        ("GITHUB_API_URL", "s3cr3t"),
        ("GITHUB_READ_ONLY", "yes"),
    ],
)
def test_it_does_not_start_with_a_setting_that_is_none(name: str, value: str):
    with pytest.raises(SettingError, match=f"{name}: expected") as error:
        build(read_settings("github", {name: value}))
    assert "s3cr3t" not in str(error.value)


async def test_limits_say_when_to_come_back(hub: Service):
    used_up = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "99"}
    limit = replies.refused(403, {"message": "API rate limit exceeded for user ID 1."}, **used_up)
    later = replies.refused(
        403, {"message": "You have exceeded a secondary rate limit."}, Retry_After="60"
    )
    async with connected(hub, **ALLOWED) as tools:
        hub.queue.extend([later])
        first = await tools.error("list_releases", **HERE)
        hub.queue.extend([limit])
        assert (await tools.ok("list_releases", **HERE))["releases"][0]["tag"] == "v1.0.0"
        hub.queue.extend([limit])
        second = await tools.error("add_issue_comment", **HERE, number=7, body="once")
    assert "exceeded a secondary rate limit. Too many requests: try again in 60 s" in first
    assert "API rate limit exceeded for user ID 1. Too many requests: try again in 0 s" in second
    assert [asked.method for asked in hub.asked].count("POST") == 1


async def test_what_graphql_does_not_find_is_said(hub: Service):
    fault = {"type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve to a Repo"}
    hub.routes["POST /graphql"] = replies.ok({"data": {"repository": None}, "errors": [fault]})
    async with connected(hub) as tools:
        said = await tools.error("issue_read", **HERE, number=7)
    assert "GitHub refused: Could not resolve to a Repo" in said


async def test_a_repository_that_moved_says_where_to(hub: Service):
    there = {"Location": "https://api.github.com/repositories/1296269"}
    hub.routes["GET /repos/old/name"] = Reply(301, headers=there)
    hub.routes["POST /repos/old/name/issues"] = Reply(307, headers=there)
    hub.routes[f"GET {REPO}"] = Reply(301, headers=there)
    old = {"owner": "old", "repo": "name"}
    async with connected(hub, **ALLOWED) as tools:
        said = await tools.error("get_repository", **old)
        write = await tools.error("issue_write", **old, method="create", title="x")
        same = await tools.error("get_repository", **HERE)
    assert "old/name is octo-org/octo-repo now: call again with that name" in said
    assert "old/name is octo-org/octo-repo now" in write
    assert "a redirect, which is not followed" in same


async def test_a_refused_token_is_said_without_it(hub: Service):
    bad = replies.refused(401, {"message": f"Bad credentials: {TOKEN}"})
    hub.routes[f"GET {REPO}"] = bad
    async with connected(hub) as tools:
        said = await tools.error("get_repository", **HERE)
    assert "GitHub refused (401): Bad credentials: ***" in said
    assert TOKEN not in said


async def test_without_its_token_it_starts_and_says_so(hub: Service):
    async with connected(hub, GITHUB_PERSONAL_ACCESS_TOKEN="") as tools:
        said = await tools.error("get_repository", **HERE)
        assert "GITHUB_PERSONAL_ACCESS_TOKEN is not set" in said
    assert hub.asked == []
