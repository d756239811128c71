"""codacy against a stand-in for Codacy's API that speaks real HTTP.

Shapes and errors: the OpenAPI 3.0.1 document of api.codacy.com/api/api-docs (API v3.1.0), by
operation: listUserOrganizations, listOrganizations, listOrganizationRepositoriesWithAnalysis,
getRepositoryWithAnalysis, listRepositoryTools, searchRepositoryIssues, getIssue, updateIssueState,
getPattern, listFiles, getFileIssues, getFileCoverage, getFileClones, listRepositoryPullRequests,
listOrganizationPullRequests, getRepositoryPullRequest, listPullRequestIssues,
getRepositoryPullRequestFilesCoverage, searchSecurityItems, searchSecurityDashboard,
searchSecurityDashboardRepositories; docs.codacy.com/codacy-api/using-the-codacy-api and
/api-tokens.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sophia_mcp.errors import SettingError

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

TOKEN = "account-token-never-shown"
WEB = "organizations/gh/acme/repositories/web"
SHA = "8d3a1c5e9f2b4d6a7c8e0f1a2b3c4d5e6f7a8b9c"
TOOL = "7f8a4c1e-2b3d-4e5f-8a9b-0c1d2e3f4a5b"
KEY = "3b1c7a52-0d7e-4b7e-9f1a-5c6d7e8f9a0b"


def data(entries: Any, cursor: str | None = None, **more: Any) -> Reply:
    pagination = {"limit": 100, "total": 2, **({"cursor": cursor} if cursor else {})}
    return replies.ok({"data": entries, "pagination": pagination, **more})


def account(name: str, provider: str = "gh") -> dict[str, Any]:
    return {
        "identifier": 1, "remoteIdentifier": "9", "name": name, "provider": provider,
        "type": "Organization", "joinStatus": "member", "singleProviderLogin": False,
        "hasDastAccess": False, "hasScaEnabled": True,
    }  # fmt: skip


def repository(name: str, grade: int | None, issues: int = 7, **more: Any) -> dict[str, Any]:
    branch = {"id": 1, "name": "main", "isDefault": True, "isEnabled": True, "branchType": "Branch"}
    known = {
        "grade": grade, "gradeLetter": "B", "issuesPercentage": 12, "issuesCount": issues,
        "loc": 5400, "complexFilesPercentage": 3, "duplicationPercentage": 2,
        "lastAnalysedCommit": {"sha": SHA, "id": 4, "endedAnalysis": "2026-11-26T09:00:00Z",
                               "authorEmail": "ann@example.com", "message": "Fix"},
        "selectedBranch": branch,
        "coverage": {"coveragePercentage": 81, "coveragePercentageWithDecimals": 81.5},
        "goals": {"maxIssuePercentage": 20, "minCoveragePercentage": None},
    }  # fmt: skip
    about = {
        "repositoryId": 5, "provider": "gh", "owner": "acme", "name": name, "visibility": "Private",
        "languages": ["Python"], "defaultBranch": branch, "standards": [], "addedState": "Added",
        "problems": [{"message": "No access", "actions": [], "code": "c", "severity": "Warning"}],
    }  # fmt: skip
    return {"repository": about, **({} if grade is None else known), **more}


ISSUE: dict[str, Any] = {
    "issueId": KEY, "resultDataId": 9007199254740993, "filePath": "src/main.py", "fileId": 31,
    "patternInfo": {"id": "Bandit_B602", "title": "Shell", "category": "Security",
                    "subCategory": "CommandInjection", "level": "Error", "severityLevel": "Error"},
    "toolInfo": {"uuid": TOOL, "name": "Bandit"}, "lineNumber": 12, "message": "m" * 400,
    "suggestion": "shell=False", "language": "Python", "lineText": "    call(it, shell=True)",
    "commitInfo": {"sha": SHA, "commiter": "ann@example.com", "commiterName": "Ann"},
    "falsePositiveProbability": 10, "falsePositiveThreshold": 50,
}  # fmt: skip
PATTERN = {
    **ISSUE["patternInfo"], "explanation": "e" * 5_000, "enabled": True, "languages": ["Python"],
    "parameters": [], "rationale": "It runs anything.", "solution": None,
    "goodExamples": ["a" * 2_000, "b", "c", "d"],
}  # fmt: skip


def file(path: str, number: int = 31) -> dict[str, Any]:
    return {
        "fileId": number, "branchId": 1, "path": path, "totalIssues": 3, "complexity": None,
        "grade": 70, "gradeLetter": "C", "coverage": 80, "coverageWithDecimals": 80.0,
        "numberOfMethods": 4,
    }  # fmt: skip


LINES = [{"line": line, "hits": hits} for line, hits in [(1, 2), (9, 0), (7, 0), (8, 0), (3, 0)]]
BLOCK = {"path": "src/main.py", "fileId": 31, "fileDataId": 1, "fromLine": 3, "toLine": 9}
GATE = {
    "gate": "issueThreshold", "expectedThreshold": {"threshold": 0, "minimumSeverity": "Warning"},
    "isUpToStandards": False,
}  # fmt: skip
PULL = {
    "isUpToStandards": False, "isAnalysing": False, "newIssues": 2, "fixedIssues": 1,
    "pullRequest": {
        "id": 1, "number": 42, "updated": "2026-11-26T09:00:00Z", "status": "open",
        "repository": "web", "title": "Add it", "owner": {"name": "Ann", "email": "a@example.com"},
        "headCommitSha": SHA, "commonAncestorCommitSha": "c" * 40, "originBranch": "add",
        "targetBranch": "main", "gitHref": "https://github.com/acme/web/pull/42",
    },
    "coverage": {"deltaCoverage": -0.5, "diffCoverage": {"cause": "MissingRequirements"}},
    "quality": {"newIssues": 2, "resultReasons": [GATE]}, "meta": {"analyzable": True},
}  # fmt: skip
COVERED = [
    {"fileName": "a.py", "coverage": 90, "diffLineHits": [],
     "diff": {"cause": "NoCoverableLines"}},
    {"fileName": "b.py", "coverage": 50, "variation": -1.5,
     "diff": {"value": 40.0, "coveredLines": 2, "coverableLines": 5, "cause": "ValueIsPresent"},
     "diffLineHits": [{"lineNumber": "4", "hits": 0}, {"lineNumber": "5", "hits": 1}]},
]  # fmt: skip
ITEM = {
    "id": KEY, "itemSource": "Codacy", "itemSourceId": "1", "title": "Old lodash",
    "repository": "web", "openedAt": "2026-11-01T00:00:00Z", "dueAt": "2026-12-01T00:00:00Z",
    "priority": "High", "status": "DueSoon", "scanType": "SCA", "cve": "CVE-2026-1",
    "affectedVersion": "4.0.0", "fixedVersion": ["4.0.1"], "remediation": None,
}  # fmt: skip
BOARD = {
    "totalOpen": 5, "totalNewThisWeek": 1, "overdue": 1, "dueSoon": 2, "onTrack": 2,
    "openCritical": 0, "openHigh": 3, "openMedium": 2, "openLow": 0,
}  # fmt: skip
SECURITY = "POST /organizations/gh/acme/security"

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "codacy",
    "CODACY_API_URL",
    {
        "CODACY_ACCOUNT_TOKEN": TOKEN,
        "CODACY_ORGANIZATION": "acme",
        "MCP_ALLOW_WRITES": "true",
    },
    {
        "GET /user/organizations": data([account("acme"), account("group", "gl")]),
        "GET /user/organizations/gh": data([account("acme")]),
        "GET /analysis/organizations/gh/acme/repositories": data(
            [repository("web", 74), repository("new", None)], cursor="Mg=="
        ),
        f"GET /analysis/{WEB}": replies.ok({"data": repository("web", 74)}),
        f"GET /analysis/{WEB}/tools": replies.ok({"data": [
            {"uuid": TOOL, "name": "Bandit", "isClientSide": False,
             "settings": {"isEnabled": True, "usesConfigurationFile": False, "enabledBy": []}},
        ]}),
        f"POST /analysis/{WEB}/issues/search": data([ISSUE], cursor="MzA="),
        f"GET /analysis/{WEB}/issues/9007199254740993": replies.ok({"data": ISSUE}),
        f"PATCH /analysis/{WEB}/issues/{KEY}": Reply(204),
        f"GET /tools/{TOOL}/patterns/Bandit_B602": replies.ok({"data": PATTERN}),
        f"GET /{WEB}/files": data([file("lib/src/main.py", 30), file("src/main.py")]),
        f"GET /{WEB}/files/31/issues": data([ISSUE]),
        f"GET /{WEB}/files/31/coverage": replies.ok({"data": LINES}),
        f"GET /{WEB}/files/31/duplication": data([{"id": 1, "occurrences": [BLOCK]}]),
        f"GET /analysis/{WEB}/pull-requests": data([PULL], cursor="MQ=="),
        "GET /analysis/organizations/gh/acme/pull-requests": data([PULL], cursor="MQ=="),
        f"GET /analysis/{WEB}/pull-requests/42": replies.ok(PULL),
        f"GET /analysis/{WEB}/pull-requests/42/issues": data(
            [{"commitIssue": ISSUE, "deltaType": "Added"}], analyzed=True
        ),
        f"GET /coverage/{WEB}/pull-requests/42/files": replies.ok({"data": COVERED}),
        f"{SECURITY}/items/search": data([ITEM]),
        f"{SECURITY}/dashboard": replies.ok({"data": BOARD}),
        f"{SECURITY}/dashboard/repositories/search": replies.ok({"data": [
            {"id": 1, "name": "calm", "critical": 0, "high": 0, "medium": 9, "low": 9},
            {"id": 2, "name": "web", "critical": 0, "high": 3, "medium": 0, "low": 0},
        ]}),
    },
    {
        "list_organizations": {},
        "list_repositories": {},
        "get_repository_with_analysis": {"repository": "web"},
        "list_repository_tools": {"repository": "web"},
        "list_repository_issues": {"repository": "web"},
        "get_issue": {"repository": "web", "issue_id": "9007199254740993"},
        "get_pattern": {"tool_uuid": TOOL, "pattern_id": "Bandit_B602"},
        "list_files": {"repository": "web"},
        "get_file_issues": {"repository": "web", "path": "src/main.py"},
        "get_file_coverage": {"repository": "web", "path": "src/main.py"},
        "get_file_clones": {"repository": "web", "path": "src/main.py"},
        "list_pull_requests": {"repository": "web"},
        "get_pull_request": {"repository": "web", "number": 42},
        "list_pull_request_issues": {"repository": "web", "number": 42},
        "get_pull_request_coverage": {"repository": "web", "number": 42},
        "search_security_items": {},
        "get_security_overview": {},
        "ignore_issue": {
            "repository": "web", "issue_id": "9007199254740993", "reason": "FalsePositive",
        },
    },
    hidden=("ann@example.com",),
)  # fmt: skip


@pytest.fixture
def codacy() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def paths(codacy: Service) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in codacy.asked]


async def test_names_stand_where_the_settings_and_the_caller_say(codacy: Service):
    codacy.queue.extend([replies.ok({"data": []})] * 6)
    async with STAND_IN.connected(codacy) as tools:
        for name in ("web", "other/web", "gl/group/sub/web", "gl/web"):
            await tools.ok("list_repository_tools", repository=name)
    async with STAND_IN.connected(codacy, CODACY_ORGANIZATION="bb/team") as tools:
        await tools.ok("list_repository_tools", repository="web")
    async with STAND_IN.connected(codacy, CODACY_PROVIDER="gl") as tools:
        await tools.ok("list_repository_tools", repository="web")
    assert [asked.path.removeprefix("/analysis/organizations/") for asked in codacy.asked] == [
        "gh/acme/repositories/web/tools",
        "gh/other/repositories/web/tools",
        "gl/group%2Fsub/repositories/web/tools",
        "gh/gl/repositories/web/tools",
        "bb/team/repositories/web/tools",
        "gl/acme/repositories/web/tools",
    ]
    assert {asked.headers["api-token"] for asked in codacy.asked} == {TOKEN}


async def test_the_only_organization_is_found_once(codacy: Service):
    async with STAND_IN.connected(codacy, CODACY_ORGANIZATION="") as tools:
        await tools.ok("get_repository_with_analysis", repository="web")
        await tools.ok("get_repository_with_analysis", repository="web")
    one = f"GET /analysis/{WEB}"
    assert paths(codacy) == ["GET /user/organizations/gh", one, one]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["acme", "umbrella"], "organization: expected one of acme, umbrella (on gh), got nothing"),
        ([], "organization: expected one: the account has none there (on gh)"),
    ],
)
async def test_an_organization_is_never_guessed(codacy: Service, names: list[str], said: str):
    codacy.routes["GET /user/organizations/gh"] = data([account(name) for name in names])
    async with STAND_IN.connected(codacy, CODACY_ORGANIZATION="") as tools:
        assert said in await tools.error("search_security_items")
        assert (await tools.ok("list_repositories", organization="acme"))["repositories"]


def in_two_pages(request: Request) -> Reply:
    if request.query.get("cursor") == ["second"]:
        return data([repository("bad", 30), repository("busy", 60, issues=90)])
    return data(
        [repository("new", None), repository("good", 95), repository("ok", 60)], cursor="second"
    )


async def test_the_worst_repositories_of_all_pages_come_first(codacy: Service):
    codacy.routes["GET /analysis/organizations/gh/acme/repositories"] = in_two_pages
    async with STAND_IN.connected(codacy) as tools:
        worst = await tools.ok("list_repositories", worst_first=True, limit=4)
        page = await tools.ok("list_repositories", limit=4, search="w")
        refused = await tools.error("list_repositories", worst_first=True, cursor="second")
    assert [one["name"] for one in worst["repositories"]] == ["bad", "busy", "ok", "good"]
    assert (worst["compared"], worst["next_cursor"]) == (5, None)
    assert page["repositories"][0]["grade"] is None
    assert page["repositories"][1]["coverage_percent"] == 81.5
    assert page["next_cursor"] == "second"
    assert codacy.asked[-1].query == {"limit": ["4"], "search": ["w"]}
    assert "worst_first has no pages" in refused


async def test_a_list_of_repositories_without_an_end_is_given_up(codacy: Service):
    endless = data([repository("web", 74)], cursor="again")
    codacy.routes["GET /analysis/organizations/gh/acme/repositories"] = endless
    async with STAND_IN.connected(codacy) as tools:
        found = await tools.ok("list_repositories", worst_first=True)
    assert (found["compared"], found["next_cursor"]) == (10, None)


async def test_filters_of_issues_are_sent_and_empty_ones_are_not(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        found = await tools.ok(
            "list_repository_issues", repository="web", branch="dev", levels=["Error", "High"],
            categories=["Security"], languages=[], pattern_ids=["Bandit_B602"], limit=5,
        )  # fmt: skip
        await tools.ok("list_repository_issues", repository="web", cursor=found["next_cursor"])
    first, second = codacy.asked
    assert first.body == {
        "branchName": "dev", "levels": ["Error", "High"], "categories": ["Security"],
        "patternIds": ["Bandit_B602"],
    }  # fmt: skip
    assert (second.body, second.query["cursor"]) == ({}, ["MzA="])
    [issue] = found["issues"]
    assert issue["id"] == "9007199254740993"
    assert issue["message"].endswith("[cut: 300 of 400 characters]")
    assert issue["code"] == "call(it, shell=True)"
    assert (issue["file"], issue["line"], issue["level"]) == ("src/main.py", 12, "Error")


async def test_a_search_is_asked_again_after_a_fault(codacy: Service):
    codacy.queue.append(replies.refused(502))
    async with STAND_IN.connected(codacy) as tools:
        await tools.ok("list_repository_issues", repository="web")
    assert len(codacy.asked) == 2


async def test_an_issue_is_ignored_by_the_id_that_lists_have(codacy: Service):
    call = {**STAND_IN.calls["ignore_issue"], "issue_id": 9007199254740993}
    async with STAND_IN.connected(codacy) as tools:
        await tools.ok("ignore_issue", **call)
        await tools.ok("ignore_issue", **call, comment="Checked")
    assert paths(codacy)[1] == f"PATCH /analysis/{WEB}/issues/{KEY}"
    assert codacy.asked[1].body == {"ignored": True, "reason": "FalsePositive"}
    assert codacy.asked[3].body["comment"] == "Checked"
    async with STAND_IN.connected(codacy, MCP_ALLOW_WRITES="false") as tools:
        assert set(STAND_IN.calls) - set(await tools.listed()) == {"ignore_issue"}


async def test_long_texts_of_a_pattern_are_cut(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        pattern = await tools.ok("get_pattern", tool_uuid=TOOL, pattern_id="Bandit_B602")
    assert pattern["explanation"].endswith("[cut: 4000 of 5000 characters]")
    assert [len(one) for one in pattern["good_examples"]] == [1032, 1, 1]
    assert (pattern["solution"], pattern["bad_examples"]) == ("", None)


async def test_a_file_is_found_by_its_whole_path_on_any_page(codacy: Service):
    pages = {None: data([file("lib/src/main.py", 30)], "2"), "2": data([file("src/main.py")])}
    codacy.routes[f"GET /{WEB}/files"] = lambda r: pages[r.query.get("cursor", [None])[0]]
    async with STAND_IN.connected(codacy) as tools:
        coverage = await tools.ok(
            "get_file_coverage", repository="web", path="./src/main.py", branch="dev"
        )
        absent = await tools.error("get_file_issues", repository="web", path="../main.py")
    assert coverage == {"coverable_lines": 5, "covered_lines": 1, "uncovered": "3, 7-9"}
    assert codacy.asked[0].query == {"search": ["src/main.py"], "branch": ["dev"], "limit": ["100"]}
    assert "path: Codacy has no file '../main.py'; there is lib/src/main.py, src/main.py" in absent


async def test_pull_requests_are_of_a_repository_or_of_the_organization(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        of_one = await tools.ok("list_pull_requests", repository="web", organization="acme")
        of_all = await tools.ok("list_pull_requests", view="impact")
        refused = await tools.error("list_pull_requests", cursor="MQ==")
        whole = await tools.ok("get_pull_request", repository="web", number=42)
    assert (of_one["next_cursor"], of_all["next_cursor"]) == ("MQ==", None)
    assert "of an organization there are no pages" in refused
    assert codacy.asked[1].query == {"search": ["impact"], "limit": ["30"]}
    assert (whole["up_to_standards"], whole["new_issues"], whole["fixed_issues"]) == (False, 2, 1)
    assert whole["quality_gates"] == [{"gate": "issueThreshold", "passed": False, "threshold": 0}]
    assert (whole["coverage_change"], whole["diff_coverage_percent"]) == (-0.5, None)


async def test_a_pull_requests_issues_say_what_becomes_of_them(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        found = await tools.ok("list_pull_request_issues", repository="web", number=42)
        codacy.queue.append(replies.ok({"analyzed": False, "data": []}))
        later = await tools.ok("list_pull_request_issues", repository="web", number=42)
    assert codacy.asked[0].query["status"] == ["new"]
    assert (found["issues"][0]["change"], found["issues"][0]["line"]) == ("Added", 12)
    assert (found["analyzed"], later["analyzed"]) == (True, False)


async def test_the_least_covered_changes_come_first(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        found = await tools.ok("get_pull_request_coverage", repository="web", number=42)
        many = [{**COVERED[1], "fileName": f"{n}-{'x' * 900}.py"} for n in range(200)]
        codacy.queue.append(replies.ok({"data": many}))
        cut = await tools.ok("get_pull_request_coverage", repository="web", number=42)
    assert [(one["path"], one["uncovered"]) for one in found["files"]] == [
        ("b.py", "4"),
        ("a.py", ""),
    ]
    assert len(cut["files"]) + cut["left_out"] == 200
    assert 0 < cut["left_out"] < 200


async def test_security_is_what_is_open_unless_asked_otherwise(codacy: Service):
    async with STAND_IN.connected(codacy) as tools:
        await tools.ok("search_security_items", repositories=["acme/web"], priorities=["High"])
        await tools.ok("search_security_items", statuses=["Ignored"], scan_types=["SCA"])
        board = await tools.ok("get_security_overview")
    first, second = codacy.asked[:2]
    opened = ["Overdue", "DueSoon", "OnTrack"]
    assert first.body == {"repositories": ["web"], "priorities": ["High"], "statuses": opened}
    assert second.body == {"statuses": ["Ignored"], "scanTypes": ["SCA"]}
    assert [one["name"] for one in board["repositories"]] == ["web", "calm"]


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("get_repository_with_analysis", {"repository": "https://github.com/acme/web"}, "pattern"),
        ("get_repository_with_analysis", {"repository": ""}, "pattern"),
        ("get_repository_with_analysis", {"repository": "acme/.."}, "expected an id or a name"),
        ("list_repositories", {"limit": 101}, "less than or equal to 100"),
        ("get_issue", {"issue_id": KEY}, "pattern"),
        ("list_repository_issues", {"levels": ["Critical"]}, "'Error', 'High', 'Warning' or"),
        ("list_repository_issues", {"pattern_ids": ["x"] * 10_000}, "at most 50 items"),
        ("get_pull_request", {"number": 0}, "greater than or equal to 1"),
        ("search_security_items", {"statuses": ["Open"]}, "'Overdue'"),
        ("ignore_issue", {"reason": "because"}, "'FalsePositive'"),
    ],
)
async def test_what_can_not_be_is_refused_before_it_is_sent(
    codacy: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(codacy) as tools:
        assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed})
    assert codacy.asked == []


def error(status: int, name: str, message: str) -> Reply:
    return replies.refused(status, {"error": name, "message": message, "actions": []})


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            error(404, "NotFound", "No repository web"),
            "Codacy refused (404): NotFound: No repository web list_organizations and "
            "list_repositories have what Codacy knows: a repository has to be added there",
        ),
        (replies.refused(404, {"error": "not found"}), "not found The token may be revoked"),
        (replies.page("Gone", 404), "Check the id or the name"),
        (error(401, "Unauthorized", "Bad"), "Unauthorized: Bad The credential is wrong"),
        (error(402, "PaymentRequired", "Pay"), "plan at Codacy does not include it"),
        (error(409, "Conflict", "Busy"), "An analysis may be under way"),
        (error(403, "Forbidden", TOKEN), "Forbidden: *** The credential does not allow this"),
        (replies.ok({"data": [{"line": "x"}]}), "expected an answer of its API"),
    ],
)
async def test_errors_say_what_to_do(codacy: Service, reply: Reply, said: str):
    codacy.queue.append(reply)
    async with STAND_IN.connected(codacy) as tools:
        assert said in await tools.error("get_pull_request_coverage", repository="web", number=42)


async def test_lines_that_are_none_are_an_error_in_one_line(codacy: Service):
    odd = {**COVERED[1], "diffLineHits": [{"lineNumber": "four", "hits": None}]}
    codacy.queue.append(replies.ok({"data": [odd]}))
    async with STAND_IN.connected(codacy) as tools:
        said = await tools.error("get_pull_request_coverage", repository="web", number=42)
    assert "at data.0.diffLineHits: Value error, expected lines with their hits" in said


async def test_without_its_token_it_starts_and_says_so(codacy: Service):
    async with STAND_IN.connected(codacy, CODACY_ACCOUNT_TOKEN="") as tools:
        assert "CODACY_ACCOUNT_TOKEN is not set" in await tools.error("list_organizations")
    assert codacy.asked == []
    with pytest.raises(SettingError, match="CODACY_PROVIDER: expected one of gh, gl, bb"):
        STAND_IN.built(codacy, CODACY_PROVIDER="github")
