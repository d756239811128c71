"""linear_v2 against a stand-in for Linear's API that speaks real HTTP.

Shapes: schema.graphql of the package @linear/sdk (repository linear/linear), against which every
query of this server was checked. Errors and limits: linear.app/developers/graphql, /pagination,
/filtering and /rate-limiting.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

KEY = "lin_api_never-shown-0123"
WEB = "https://linear.app/acme"
TIME = "2026-11-20T09:00:00.000Z"


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


ENG, OPS, ANN, BOB, TODO, DONE, BUG, SITE, CYCLE, ISSUE = map(uuid, range(1, 11))
SHORT = {"identifier": "ENG-2", "title": "Other", "state": {"name": "Done"}}
ISSUE_NODE = {
    "id": ISSUE, "identifier": "ENG-1", "title": "Broken", "url": f"{WEB}/issue/ENG-1/broken",
    "description": "d" * 30_000, "priorityLabel": "No priority", "estimate": 3, "dueDate": None,
    "createdAt": TIME, "updatedAt": TIME, "archivedAt": None, "assignee": None, "project": None,
    "state": {"name": "Todo", "type": "unstarted"}, "team": {"key": "ENG"}, "cycle": {"number": 7},
    "parent": None, "labels": {"nodes": [{"name": "Bug"}]},
}  # fmt: skip
WHOLE_ISSUE = {
    **ISSUE_NODE, "branchName": "ann/eng-1-broken", "creator": {"name": "Ann Example"},
    "projectMilestone": None, "children": {"nodes": [SHORT]},
    "attachments": {"nodes": [{"name": "https://github.com/o/r/pull/1"}]},
    "relations": {"nodes": [{"type": "blocks", "issue": SHORT}]}, "inverseRelations": {"nodes": []},
}  # fmt: skip
COMMENT = {
    "id": uuid(20), "body": "c" * 20_000, "createdAt": TIME, "url": f"{WEB}/issue/ENG-1#comment-1",
    "parentId": None, "resolvedAt": None, "user": None, "externalUser": None,
    "botActor": {"name": "GitHub"},
}  # fmt: skip
PROJECT = {
    "id": SITE, "name": "Site", "slugId": "1a2b3c4d5e6f", "description": "",
    "url": f"{WEB}/project/site-1a2b3c4d5e6f", "health": None, "priorityLabel": "High",
    "startDate": None, "targetDate": "2026-12-31", "status": {"name": "In Progress"}, "lead": None,
    "progress": 0.25, "teams": {"nodes": [{"name": "ENG"}]}, "content": None,
    "projectMilestones": {"nodes": [{"id": uuid(30), "name": "Beta", "targetDate": None}]},
    "projectUpdates": {"nodes": [{"body": "Well", "createdAt": TIME, "url": WEB, "user": None}]},
}  # fmt: skip
DOCUMENT = {
    "id": uuid(40), "title": "Plan", "url": f"{WEB}/document/plan-0a1b2c3d4e5f", "updatedAt": TIME,
    "project": {"name": "Site"}, "issue": None, "creator": None, "content": "# Plan",
}  # fmt: skip


def user(key: str, name: str, nick: str) -> dict[str, Any]:
    mail = f"{nick}@example.com"
    return {"id": key, "name": name, "displayName": nick, "email": mail, "active": True}


def state(key: str, name: str, kind: str, order: float) -> dict[str, Any]:
    return {"id": key, "name": name, "type": kind, "position": order, "team": {"key": "ENG"}}


CYCLE_NODE = {
    "id": CYCLE, "number": 7, "name": None, "startsAt": TIME, "endsAt": TIME, "progress": 0.5,
    "isActive": True, "isNext": False, "team": {"key": "ENG"},
}  # fmt: skip
LABEL = {"id": BUG, "name": "Bug", "description": None, "team": None, "parent": None}
NODES: dict[str, list[dict[str, Any]]] = {
    "teams": [{"id": ENG, "key": "ENG", "name": "Engineering", "description": None},
              {"id": OPS, "key": "OPS", "name": "Operations", "description": None}],
    "users": [user(ANN, "Ann Example", "ann"), user(BOB, "Bob Example", "bob")],
    "workflowStates": [state(DONE, "Done", "completed", 3), state(TODO, "Todo", "unstarted", 1)],
    "issueLabels": [LABEL], "cycles": [CYCLE_NODE], "projects": [PROJECT],
    "projectMilestones": [{"id": uuid(30), "name": "Beta", "project": {"name": "Site"}}],
    "projectStatuses": [{"id": uuid(50), "name": "Backlog"}, {"id": uuid(51), "name": "Started"}],
    "issues": [ISSUE_NODE], "searchIssues": [ISSUE_NODE], "documents": [DOCUMENT],
}  # fmt: skip
WHOLE_TEAM = {
    **NODES["teams"][0], "states": {"nodes": NODES["workflowStates"]}, "activeCycle": CYCLE_NODE,
    "members": {"nodes": [{"name": "Ann Example"}]},
}  # fmt: skip
ONE = {
    "issue": WHOLE_ISSUE, "team": WHOLE_TEAM, "user": NODES["users"][0], "project": PROJECT,
    "document": DOCUMENT,
}  # fmt: skip
MADE = {
    "issueCreate": ISSUE_NODE, "issueUpdate": ISSUE_NODE, "commentCreate": COMMENT,
    "issueLabelCreate": LABEL, "projectCreate": PROJECT, "projectUpdate": PROJECT,
    "issueRelationCreate": {"type": "blocks", "issue": SHORT},
}  # fmt: skip


def page(nodes: list[dict[str, Any]], after: str | None = None) -> dict[str, Any]:
    info = {"hasNextPage": after is not None, "endCursor": after or "the last"}
    return {"nodes": nodes, "pageInfo": info}


def called(nodes: list[dict[str, Any]], where: Any) -> list[dict[str, Any]]:
    """Those that a filter for names lets through; others let everything through."""
    where = (where or {}).get("and", [where])[0] or {}
    if {"isMe", "isActive"} & where.keys():
        return nodes[:1]
    tests = [
        (field, str(how.get("eqIgnoreCase", how.get("eq"))).lower())
        for test in where.get("or", []) for field, how in test.items() if field != "team"
    ]  # fmt: skip
    return [
        node for node in nodes
        if not tests or any(str(node.get(field)).lower() == text for field, text in tests)
    ]  # fmt: skip


def linear(request: Request) -> Reply:
    """As Linear answers the queries that the tools make."""
    query, variables = request.body["query"], request.body["variables"]
    data: dict[str, Any] = {}
    if made := re.search(r"done:(\w+)\(", query):
        data["done"] = {"success": True, "made": MADE[made[1]]}
    elif one := re.search(r"one:(\w+)\(id", query):
        data["one"] = ONE[one[1]]
        if "team{id}" in query:
            data["one"] = {"team": {"id": ENG}}
    elif "found:comments(" in query:
        data["issue"] = {"found": page([COMMENT, COMMENT], "C2")}
    elif found := re.search(r"found:(\w+)\(", query):
        data["found"] = page(NODES[found[1]], "P2")
    for alias, connection in re.findall(r"((?:is|among)[0-9]+):(\w+)\(", query):
        data[alias] = {"nodes": called(NODES[connection], variables.get(alias))}
    return replies.ok({"data": data})


# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "linear_v2",
    "LINEAR_API_URL",
    {"LINEAR_API_KEY": KEY, "MCP_ALLOW_WRITES": "true"},
    {"POST /graphql": linear},
    {
        "list_issues": {"team": "ENG", "assignee": "me", "state": "Todo"},
        "get_issue": {"issue": "ENG-1"},
        "create_issue": {"team": "ENG", "title": "New", "labels": ["bug"], "cycle": "current"},
        "update_issue": {"issue": "ENG-1", "state": "done", "assignee": "none"},
        "search_issues": {"query": "broken"},
        "link_issues": {"issue": "ENG-1", "relation": "blocks", "other": "ENG-2"},
        "list_comments": {"issue": "ENG-1"},
        "create_comment": {"issue": "ENG-1", "body": "**Done**"},
        "list_projects": {"team": "ENG", "query": "si"},
        "get_project": {"project": "Site"},
        "create_project": {"name": "Site", "teams": ["ENG", "Operations"], "status": "started"},
        "update_project": {"project": "Site", "status": "Backlog", "target_date": "none"},
        "list_teams": {},
        "get_team": {"team": "Engineering"},
        "list_users": {"query": "ann"},
        "get_user": {"user": "me"},
        "list_cycles": {"team": "ENG", "which": "current"},
        "list_issue_labels": {"team": "ENG", "query": "b"},
        "create_issue_label": {"name": "Bug", "team": "ENG", "color": "#EB5757"},
        "list_issue_statuses": {"team": "ENG"},
        "list_documents": {"project": "Site"},
        "get_document": {"document": DOCUMENT["url"]},
    },
    below="/graphql",
)


@pytest.fixture
def api() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def sent(api: Service) -> list[dict[str, Any]]:
    """The variables of what was asked, in order."""
    return [asked.body["variables"] for asked in api.asked]


def mutations(api: Service) -> list[str]:
    return [one.body["query"] for one in api.asked if one.body["query"].startswith("mutation")]


async def test_an_issue_is_short_in_lists_and_whole_alone(api: Service):
    async with STAND_IN.connected(api) as tools:
        page = await tools.ok("list_issues", limit=1)
        await tools.ok("list_issues", limit=1, cursor=page["next_cursor"])
        whole = await tools.ok("get_issue", issue="eng-1")
    (issue,) = page["items"]
    assert issue["description"] == "d" * 240 + "… [cut: 240 of 30000 characters]"
    assert whole["description"].endswith("[cut: 20000 of 30000 characters]")
    assert (issue["identifier"], issue["team"], issue["priority"]) == ("ENG-1", "ENG", "none")
    assert (issue["state"], issue["state_type"], issue["cycle"]) == ("Todo", "unstarted", 7)
    assert (issue["labels"], issue["assignee"]) == (["Bug"], None)
    assert whole["relations"] == [
        {"type": "blocks", "issue": {"identifier": "ENG-2", "title": "Other", "state": "Done"}}
    ]
    assert whole["attachments"] == ["https://github.com/o/r/pull/1"]
    shown = {"first": 1, "archived": False, "order": "updatedAt"}
    assert sent(api) == [shown, {**shown, "after": "P2"}, {"id": "eng-1"}]


async def test_a_personal_key_stands_alone_and_a_token_behind_bearer(api: Service):
    for key in (KEY, "lin_oauth_0123"):
        async with STAND_IN.connected(api, LINEAR_API_KEY=key) as tools:
            await tools.ok("list_teams")
    told = [asked.headers["Authorization"] for asked in api.asked]
    assert told == [KEY, "Bearer lin_oauth_0123"]


async def test_filters_take_names_which_cost_one_query(api: Service):
    async with STAND_IN.connected(api) as tools:
        await tools.ok(
            "list_issues", team="engineering", assignee="none", creator="me", label="bug",
            state_types=["started"], priority="high", project=SITE, milestone="Beta",
            cycle="current", updated_since="-P2W", include_archived=True, order_by="created",
        )  # fmt: skip
    names, asked = sent(api)
    text = {"eqIgnoreCase": "engineering"}
    engineering = {"or": [{"key": text}, {"name": text}]}
    assert names["is0"] == engineering
    assert {"and": [{"isActive": {"eq": True}}, {"team": engineering}]} in names.values()
    assert {"or": [{"team": {"null": True}}, {"team": engineering}]} in names.values()
    assert {"project": {"id": {"eq": SITE}}} in names.values()
    assert asked == {
        "filter": {
            "team": {"id": {"in": [ENG]}}, "assignee": {"null": True},
            "creator": {"id": {"in": [ANN]}}, "labels": {"some": {"id": {"in": [BUG]}}},
            "project": {"id": {"in": [SITE]}}, "projectMilestone": {"id": {"in": [uuid(30)]}},
            "cycle": {"id": {"in": [CYCLE]}}, "state": {"type": {"in": ["started"]}},
            "priority": {"eq": 2}, "updatedAt": {"gte": "-P2W"},
        },
        "first": 20, "archived": True, "order": "createdAt",
    }  # fmt: skip


async def test_a_status_of_that_name_in_each_team_is_meant_by_a_filter_only(
    api: Service, monkeypatch: pytest.MonkeyPatch
):
    both = [state(DONE, "Done", "completed", 1), state(TODO, "Done", "completed", 1)]
    monkeypatch.setitem(NODES, "workflowStates", both)
    async with STAND_IN.connected(api) as tools:
        await tools.ok("list_issues", state="done")
        said = await tools.error("update_issue", issue="ENG-1", state="done")
    assert sent(api)[1]["filter"] == {"state": {"id": {"in": [DONE, TODO]}}}
    assert f"'done' may be several, give the id of one: Done (ENG): {DONE}, Done (ENG)" in said
    assert mutations(api) == []


async def test_names_that_are_none_are_told_all_at_once_with_what_there_is(api: Service):
    async with STAND_IN.connected(api) as tools:
        said = await tools.error(
            "create_issue", team="ENG", title="x", assignee="Carol", state="Doing",
            labels=["bug", "urgent"], cycle="99",
        )  # fmt: skip
        await tools.error("create_issue", team="none", title="x")
        alone = await tools.error("get_user", user="none")
    assert said.splitlines() == [
        "Error executing tool create_issue: assignee: there is no 'Carol' among Ann Example "
        "(ann@example.com), Bob Example (bob@example.com). See list_users",
        "state: there is no 'Doing' among Done (ENG), Todo (ENG). See list_issue_statuses",
        "labels: there is no 'urgent' among Bug. See list_issue_labels",
        "cycle: there is no '99' among 7 (ENG). See list_cycles",
    ]
    assert "user: expected a name or an id, got 'none'" in alone
    assert mutations(api) == []


async def test_an_issue_is_created_from_names(api: Service):
    async with STAND_IN.connected(api) as tools:
        made = await tools.ok(
            "create_issue", team="ENG", title="New\nline", description="**d**", assignee="ANN",
            state="todo", priority="urgent", labels=["Bug", "bug"], cycle="Cycle 7",
            parent=f"{WEB}/issue/ENG-2/other#comment", due_date="2026-12-01", estimate=0,
        )  # fmt: skip
    assert made["identifier"] == "ENG-1"
    assert sent(api)[1] == {
        "input": {
            "teamId": ENG, "title": "New\nline", "description": "**d**", "assigneeId": ANN,
            "stateId": TODO, "priority": 1, "labelIds": [BUG], "cycleId": CYCLE,
            "parentId": "ENG-2", "dueDate": "2026-12-01", "estimate": 0,
        }
    }  # fmt: skip


async def test_an_update_changes_what_is_given_and_takes_away_what_is_none(api: Service):
    everything = ("assignee", "project", "milestone", "cycle", "parent", "due_date", "estimate")
    async with STAND_IN.connected(api) as tools:
        await tools.ok("update_issue", issue="ENG-1", title="none")
        await tools.ok("update_issue", issue="ENG-1", assignee=BOB, priority="none")
        assert len(api.asked) == 2, "there is nothing to look up"
        await tools.ok("update_issue", issue="ENG-1", **dict.fromkeys(everything, "none"))
        await tools.ok("update_issue", issue="ENG-1", add_labels=[BUG], remove_labels=["bug"])
        await tools.ok("update_issue", issue="ENG-1", team="OPS", state="Todo")
        said = await tools.error("update_issue", issue="ENG-1")
        await tools.error("update_issue", issue="ENG-1", add_labels=[])
    emptied = ["assigneeId", "projectId", "projectMilestoneId", "cycleId", "parentId", "dueDate",
               "estimate"]  # fmt: skip
    assert [one["input"] for one in sent(api) if "input" in one] == [
        {"title": "none"},
        {"assigneeId": BOB, "priority": 0},
        dict.fromkeys(emptied),
        {"addedLabelIds": [BUG], "removedLabelIds": [BUG]},
        {"teamId": OPS, "stateId": TODO},
    ]
    assert "expected what to change" in said
    (names,) = [one for one in sent(api) if "is0" in one and "is1" not in one]
    assert names["among0"] == {"or": [{"team": {"null": True}}, {"team": {"id": {"eq": ENG}}}]}


LINKS = {
    "ENG-12": "ENG-12", ISSUE: ISSUE, f" {WEB}/issue/ENG-12 ": "ENG-12",
    f"{WEB}/issue/ENG-12/a-title?x=1": "ENG-12",
}  # fmt: skip


async def test_an_issue_is_given_by_identifier_link_or_id(api: Service):
    async with STAND_IN.connected(api) as tools:
        for given in LINKS:
            await tools.ok("get_issue", issue=given)
        for given in ("ENG", "12", "../ENG-12", "ENG-12 or ENG-13", f"{WEB}/project/x"):
            assert "expected an identifier" in await tools.error("get_issue", issue=given)
    assert sent(api) == [{"id": key} for key in LINKS.values()]


async def test_comments_are_cut_only_where_they_are_too_long_together(api: Service):
    async with STAND_IN.connected(api) as tools:
        both = await tools.ok("list_comments", issue="ENG-1", limit=2)
        await tools.ok("list_comments", issue="ENG-1", cursor=both["next_cursor"])
        made = await tools.ok("create_comment", issue="ENG-1", body="b", parent_id=uuid(20))
    assert both["items"][0]["body"].endswith("[cut: 12000 of 20000 characters]")
    assert (both["items"][0]["author"], both["next_cursor"]) == ("GitHub", "C2")
    assert len(made["body"]) == 20_000
    assert sent(api) == [
        {"id": "ENG-1", "first": 2},
        {"id": "ENG-1", "first": 20, "after": "C2"},
        {"input": {"issueId": "ENG-1", "body": "b", "parentId": uuid(20)}},
    ]


async def test_projects_are_changed_by_name(api: Service):
    async with STAND_IN.connected(api) as tools:
        await tools.ok("create_project", name="Site", teams=["ENG", OPS], status="STARTED")
        await tools.ok(
            "update_project", project=f"{PROJECT['url']}/overview", lead="none",
            start_date="none", target_date="2027-01-31",
        )  # fmt: skip
        for nothing in ({"project": "Site"}, {"project": "none", "name": "x"}):
            assert "expected a project" in await tools.error("update_project", **nothing)
        said = await tools.error("update_project", project="Site", status="Doing")
    made, changed = [one for one in sent(api) if "input" in one]
    slug = {"eqIgnoreCase": "1a2b3c4d5e6f"}
    assert sent(api)[2]["is0"] == {"or": [{"name": slug}, {"slugId": slug}]}
    assert made["input"] == {"name": "Site", "teamIds": [OPS, ENG], "statusId": uuid(51)}
    taken = {"startDate": None, "leadId": None}
    assert changed == {"id": SITE, "input": {**taken, "targetDate": "2027-01-31"}}
    assert "status: there is no 'Doing' among Backlog, Started. See list_projects" in said


async def test_lists_of_a_workspace_are_narrowed(api: Service):
    async with STAND_IN.connected(api) as tools:
        statuses = await tools.ok("list_issue_statuses", team=ENG)
        await tools.ok("list_issue_labels", team=ENG, query="b")
        await tools.ok("list_users", query="ann")
        await tools.ok("list_cycles", team=ENG, which="previous")
        await tools.ok("list_projects", team=ENG, lead="none")
        found = await tools.ok("search_issues", query="x", team=ENG, in_comments=True)
        await tools.ok("get_document", document=DOCUMENT["url"])
    assert [one["name"] for one in statuses["items"]] == ["Todo", "Done"]
    assert found["next_cursor"] == "P2"
    states, labels, users, cycles, projects, search, document = sent(api)
    its = {"team": {"id": {"eq": ENG}}}
    assert states["filter"] == its
    part, where = labels["filter"]["and"]
    assert part == {"or": [{"name": {"containsIgnoreCase": "b"}}]}
    assert where == {"or": [its, {"team": {"null": True}}]}
    assert [list(test) for test in users["filter"]["or"]] == [["name"], ["displayName"], ["email"]]
    assert cycles["filter"] == {**its, "isPrevious": {"eq": True}}
    some = {"accessibleTeams": {"some": {"id": {"in": [ENG]}}}}
    assert projects["filter"] == {**some, "lead": {"null": True}}
    assert document == {"id": "0a1b2c3d4e5f"}
    assert search == {"term": "x", "team": ENG, "comments": True, "archived": False, "first": 20}


def error(message: str, code: str, sentence: str | None = None, status: int = 200) -> Reply:
    told = {"code": code, "userPresentableMessage": sentence, "statusCode": status}
    errors = [{"message": message, "path": ["one"], "extensions": told}]
    return replies.refused(status, {"data": None, "errors": errors})


ERRORS = {
    "unknown": (
        error("Entity not found: Issue", "INPUT_ERROR", "Could not find referenced Issue."),
        r"Could not find referenced Issue\. Take an id or a name",
    ),
    "too complex": (
        error("Query too complex", "INPUT_ERROR", "It is too complex. Complexity: 1e5.", 400),
        r"\(400\): .* Complexity: 1e5\. Ask for less: a smaller limit\.",
    ),
    "invalid": (
        error("Argument Validation Error", "INPUT_ERROR", "estimate must be\n1 to 5.", 400),
        r"estimate must be 1 to 5\. Change the arguments\.",
    ),
    "key": (
        error("Authentication required", "AUTHENTICATION_ERROR", "You need to authenticate.", 401),
        r"You need to authenticate\. Ask the operator of this server for another LINEAR_API_KEY",
    ),
    "rights": (error("forbidden", "FORBIDDEN"), r"LINEAR_API_KEY does not allow it"),
    "plan": (
        error("usage limit exceeded", "USAGE_LIMIT_EXCEEDED", "You've exceeded the free limit."),
        r"You've exceeded the free limit\. Ask the owner of the workspace",
    ),
    "limit": (
        error("Rate limit exceeded. Only 2500 requests", "RATELIMITED", "Slow down.", 400),
        r"Slow down\. Too many requests: try again in a minute",
    ),
    "fault": (
        error("Oh no", "INTERNAL_SERVER_ERROR", "Something went wrong."),
        r"Something went wrong\. The fault is Linear's own\. A change may have taken effect",
    ),
    "other": (error("Oh", "SOMETHING_NEW"), r"Linear refused: SOMETHING_NEW: Oh"),
    "odd": (replies.ok({"errors": [{"message": "m", "extensions": ["x"]}]}), r"Linear refused\."),
    "odder": (replies.ok({"errors": ["m"]}), "Linear refused: m"),
    "oddest": (replies.refused(400, {"errors": {"message": 1}}), "Change the arguments"),
}  # fmt: skip


async def test_an_error_says_what_to_do(api: Service):
    async with STAND_IN.connected(api) as tools:
        for case, (reply, expected) in ERRORS.items():
            api.routes["POST /graphql"] = reply
            for name in ("get_issue", "create_comment"):
                said = await tools.error(name, **STAND_IN.calls[name])
                assert re.search(expected, said), f"{case}: {said}"
    assert len(mutations(api)) == len(ERRORS), "each was sent once"


async def test_a_limit_says_when_it_ends_and_only_reads_are_asked_again(api: Service):
    """Reset times are milliseconds; this one is over."""
    one = "X_RateLimit_Endpoint_Requests"
    over = {f"{one}_Remaining": "0", f"{one}_Reset": "1700000000000"}
    limited = {"errors": [{"message": "Slow down", "extensions": {"code": "RATELIMITED"}}]}
    async with STAND_IN.connected(api) as tools:
        api.queue.append(replies.refused(400, limited, **over))
        await tools.ok("get_issue", issue="ENG-1")
        api.queue.append(replies.refused(400, limited, **over))
        said = await tools.error("create_comment", issue="ENG-1", body="b")
    assert "try again in 0 s" in said
    assert (len(api.asked), len(mutations(api))) == (3, 1)


async def test_a_change_of_which_nothing_comes_back_is_an_error(api: Service):
    async with STAND_IN.connected(api) as tools:
        for success in (False, True):
            api.queue.append(replies.ok({"data": {"done": {"success": success, "made": None}}}))
            said = await tools.error("create_comment", issue="ENG-1", body="b")
            assert "Linear did not do it (commentCreate: no success)" in said


NEW = {"team": "ENG", "title": "x"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("list_issues", {"limit": 10_000}), ("list_issues", {"priority": "P1"}),
    ("list_issues", {"created_since": "yesterday"}), ("list_issues", {"team": ""}),
    ("create_issue", {**NEW, "title": ""}), ("create_issue", {**NEW, "due_date": "tomorrow"}),
    ("create_issue", {**NEW, "labels": ["l"] * 11}), ("create_project", {"name": "x", "teams": []}),
    ("link_issues", {"issue": "ENG-1", "relation": "hates", "other": "ENG-2"}),
]  # fmt: skip


async def test_what_can_not_be_is_refused_before_it_is_sent(api: Service):
    async with STAND_IN.connected(api) as tools:
        for tool, arguments in REFUSED:
            await tools.error(tool, **arguments)
    assert api.asked == []


async def test_fields_that_linear_leaves_out_are_missing_and_no_fault(api: Service):
    bare = {"id": ISSUE, "identifier": "ENG-1", "url": WEB, "createdAt": TIME, "updatedAt": TIME}
    empty = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "E2"}}
    api.queue.append(replies.ok({"data": {"one": {**bare, "title": None, "labels": None}}}))
    api.queue.append(replies.ok({"data": {"found": empty}}))
    async with STAND_IN.connected(api) as tools:
        issue = await tools.ok("get_issue", issue="ENG-1")
        page = await tools.ok("list_issues")
    assert (issue["title"], issue["state"]) == ("", None)
    assert (issue["labels"], issue["children"]) == ([], [])
    assert page == {"items": [], "next_cursor": "E2"}


async def test_it_writes_only_where_that_is_allowed(api: Service):
    async with STAND_IN.connected(api, MCP_ALLOW_WRITES="false") as tools:
        listed = await tools.listed()
    assert not [name for name in listed if name.startswith(("create", "update", "link"))]


async def test_without_its_key_it_starts_and_says_so(api: Service):
    async with STAND_IN.connected(api, LINEAR_API_KEY="") as tools:
        for name, arguments in STAND_IN.calls.items():
            assert "LINEAR_API_KEY is not set" in await tools.error(name, **arguments)
    assert api.asked == []
