"""asana against a stand-in for Asana's API that speaks real HTTP.

Shapes and errors: developers.asana.com/reference (getworkspaces, getusers, getprojects, getproject,
getsectionsforproject, gettaskcountsforproject,
typeaheadforworkspace, getstatusesforobject, createstatusforobject, gettasksforproject, gettasks,
searchtasksforworkspace, gettask, getsubtasksfortask, getstoriesfortask, createtask, updatetask,
createstoryfortask, addprojectfortask, addtagfortask, setparentfortask, deletetask), and
developers.asana.com/docs (pagination, errors, rate-limits, custom-fields-guide, rich-text,
inputoutput-options); compared by eye with Asana's OpenAPI document, github.com/Asana/openapi.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.tool_calls import Tools
from tests.support.upstream import Answers, Reply, Request, Service

TOKEN = "2/1200/1201:never-shown"
PLACE, PROJECT, TASK, OTHER, ANN, TAG, DOING = "11", "22", "33", "34", "44", "55", "66"
PRIORITY, HIGH, LOW, AREAS, COST, WHEN, WHO, WORDS = "71", "72", "73", "74", "77", "78", "79", "70"


def data(given: object, offset: str | None = None) -> Reply:
    """Asana's envelope; of a list with the place of the next page."""
    more = {"offset": offset, "path": "/x", "uri": "https://x"} if offset else None
    return replies.ok(
        {"data": given, "next_page": more} if isinstance(given, list) else {"data": given}
    )


def refusal(status: int, message: str, **headers: str) -> Reply:
    return replies.refused(
        status, {"errors": [{"message": message, "help": "For more…"}]}, **headers
    )


def named(gid: str, name: str, kind: str = "thing", **more: Any) -> dict[str, Any]:
    return {"gid": gid, "resource_type": kind, "name": name, **more}


def field(
    gid: str, name: str, kind: str, *options: dict[str, Any], shown: str | None = None
) -> Any:
    return named(gid, name, resource_subtype=kind, enum_options=list(options), display_value=shown)


FIELDS = [
    field(PRIORITY, "Priority", "enum", named(HIGH, "High", enabled=True),
          named(LOW, "Low", enabled=False), shown="High"),
    field(AREAS, "Areas", "multi_enum", named("75", "Web", enabled=True), named("76", "App")),
    field(COST, "Cost", "number"),
    field(WHEN, "When", "date"),
    field(WHO, "Who", "people"),
    field(WORDS, "Words", "text"),
]  # fmt: skip
PERSON = named(ANN, "Ann Example", "user", email="ann@example.com", photo={"image_128": "secret"})
SUMMARY = named(
    TASK, "Write it", "task", completed=False, assignee=PERSON, due_on="2026-11-27", due_at=None,
    created_at="2026-11-01T08:00:00.000Z", num_subtasks=2, custom_fields=FIELDS,
    memberships=[{"project": named(PROJECT, "Road"), "section": named(DOING, "Doing")}],
)  # fmt: skip
DETAIL = SUMMARY | {
    "resource_subtype": "default_task", "approval_status": None, "start_on": None,
    "completed_at": None, "modified_at": "2026-11-02T08:00:00.000Z", "parent": None,
    "tags": [named(TAG, "Urgent")], "followers": [PERSON], "notes": "n" * 30_000,
    "html_notes": "<body>n</body>", "permalink_url": "https://app.asana.com/1/11/task/33",
}  # fmt: skip
WHOLE = named(
    PROJECT, "Road", "project", archived=False, completed=False, owner=PERSON, team=None,
    due_on=None, start_on=None, current_status_update=named("88", "", title="On our way"),
    members=[PERSON], privacy_setting="private",
    custom_field_settings=[{"gid": "1", "custom_field": one} for one in FIELDS],
    notes="Where to", permalink_url=None,
)  # fmt: skip
STATUS = {
    "gid": "88", "title": "On our way", "status_type": "on_track", "author": PERSON,
    "created_at": "2026-11-02T08:00:00.000Z", "text": "All is well",
}  # fmt: skip
COMMENT = {
    "gid": "99", "resource_subtype": "comment_added", "created_by": PERSON,
    "created_at": "2026-11-02T08:00:00.000Z", "text": "Yes", "html_text": "<body>Yes</body>",
}  # fmt: skip
MOVED = COMMENT | {"gid": "98", "resource_subtype": "section_changed", "text": "moved it"}
NAMES = {
    "project": [named(PROJECT, "Road"), named("23", "Road works"), named("24", "Twin"),
                named("25", "twin")],
    "user": [named(ANN, "Ann Example")],
    "tag": [named(TAG, "Urgent"), named("56", "")],
    "task": [named(TASK, "Write it")],
}  # fmt: skip


def typeahead(request: Request) -> Reply:
    wanted = request.query["query"][0].strip().casefold()
    kind = request.query["resource_type"][0]
    return data([one for one in NAMES.get(kind, []) if wanted in one["name"].casefold()])


ROUTES: dict[str, Answers] = {
    "GET workspaces": data([named(PLACE, "Acme", "workspace")]),
    f"GET workspaces/{PLACE}/typeahead": typeahead,
    f"GET workspaces/{PLACE}/tasks/search": data([SUMMARY]),
    "GET users": data([PERSON], "next"),
    "GET users/me": data(PERSON),
    "GET projects": data([WHOLE]),
    f"GET projects/{PROJECT}": data(WHOLE),
    f"GET projects/{PROJECT}/sections": data([named(DOING, "Doing", "section")]),
    f"GET projects/{PROJECT}/task_counts": data({"num_tasks": 9}),
    f"GET projects/{PROJECT}/tasks": data([SUMMARY], "eyJ0"),
    f"GET sections/{DOING}/tasks": data([SUMMARY]),
    "GET status_updates": data([STATUS]),
    "POST status_updates": data(STATUS),
    "GET tasks": data([SUMMARY]),
    "POST tasks": data(DETAIL),
    f"GET tasks/{TASK}": data(DETAIL),
    f"PUT tasks/{TASK}": data(DETAIL),
    f"DELETE tasks/{TASK}": data({}),
    f"GET tasks/{TASK}/subtasks": data([SUMMARY]),
    f"GET tasks/{TASK}/stories": data([MOVED, COMMENT]),
    f"POST tasks/{TASK}/stories": data(COMMENT),
    f"POST tasks/{TASK}/addProject": data({}),
    f"POST tasks/{TASK}/removeProject": data({}),
    f"POST tasks/{TASK}/addTag": data({}),
    f"POST tasks/{TASK}/addFollowers": data(DETAIL),
    f"POST tasks/{TASK}/addDependencies": data({}),
    f"POST tasks/{TASK}/removeDependents": data({}),
    f"POST tasks/{TASK}/setParent": data(DETAIL),
}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "asana",
    "ASANA_API_URL",
    {
        "ASANA_ACCESS_TOKEN": TOKEN,
        "ASANA_WORKSPACE_GID": PLACE,
        "MCP_ALLOW_WRITES": "true",
        "MCP_ALLOW_DESTRUCTIVE": "delete_task",
    },
    {path.replace(" ", " /api/1.0/"): reply for path, reply in ROUTES.items()},
    {
        "list_workspaces": {},
        "list_users": {"limit": 1},
        "list_projects": {},
        "find_by_name": {"kind": "project", "text": "road"},
        "get_project": {"project": PROJECT, "counts": True},
        "list_project_statuses": {"project": PROJECT},
        "get_project_tasks": {"project": PROJECT},
        "get_user_tasks": {},
        "search_tasks": {"text": "write"},
        "get_task": {"task": TASK},
        "list_related_tasks": {"task": TASK},
        "get_task_stories": {"task": TASK},
        "create_task": {"name": "Write it", "project": PROJECT},
        "update_task": {"task": TASK, "name": "Write it"},
        "complete_task": {"task": TASK},
        "add_comment": {"task": TASK, "text": "Yes"},
        "link_task": {"task": TASK, "link": "tag", "target": TAG},
        "create_project_status": {
            "project": PROJECT, "health": "on_track", "title": "On our way", "text": "All is well",
        },
        "delete_task": {"task": TASK},
    },
    below="/api/1.0",
    hidden=("secret",),
)  # fmt: skip
WRITES = {
    name
    for name in STAND_IN.calls
    if name.partition("_")[0] not in ("get", "list", "search", "find")
}


@pytest.fixture
def asana() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def paths(service: Service) -> list[str]:
    """What was asked, in order."""
    return [f"{one.method} {one.path.removeprefix('/api/1.0/')}" for one in service.asked]


def last(service: Service) -> Any:
    """What the last change said."""
    return service.asked[-1].body["data"]


async def test_lists_hold_what_a_model_needs_and_ask_for_no_more(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        page = await tools.ok("get_project_tasks", project=PROJECT, limit=5)
        await tools.ok(
            "get_project_tasks", project=PROJECT, cursor=page["next_cursor"], completed=True
        )
    assert page == {
        "next_cursor": "eyJ0",
        "items": [{
            "gid": TASK, "name": "Write it", "completed": False, "assignee": "Ann Example",
            "due_on": "2026-11-27", "due_at": None, "created_at": "2026-11-01T08:00:00Z",
            "places": [{"project_gid": PROJECT, "project": "Road", "section": "Doing"}],
            "subtasks": 2, "custom_fields": [{"name": "Priority", "value": "High"}],
        }],
    }  # fmt: skip
    first, second = asana.asked
    assert first.headers["Authorization"] == f"Bearer {TOKEN}"
    assert first.query == {
        "limit": ["5"], "completed_since": ["now"], "opt_fields": [
            "gid,name,completed,assignee.name,due_on,due_at,created_at,memberships.project.gid,"
            "memberships.project.name,memberships.section.name,num_subtasks,custom_fields.name,"
            "custom_fields.display_value"
        ],
    }  # fmt: skip
    assert (second.query["offset"], "completed_since" in second.query) == (["eyJ0"], False)


async def test_a_task_and_a_project_come_whole_with_long_texts_cut(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        link = "https://app.asana.com/1/11/project/22/task/33?focus=true"
        task = await tools.ok("get_task", task=link)
        rich = await tools.ok("get_task", task="https://app.asana.com/0/22/33/f", html=True)
        project = await tools.ok("get_project", project="https://app.asana.com/0/22/list")
    assert task["notes"].endswith("[cut: 24000 of 30000 characters]")
    assert ("html_notes" in task, rich["notes"]) == (False, "<body>n</body>")
    assert (task["assignee_gid"], task["tags"]) == (ANN, [{"gid": TAG, "name": "Urgent"}])
    assert project["project"]["last_status"] == "On our way"
    assert project["sections"] == [{"gid": DOING, "name": "Doing"}]
    assert project["counts"] is None
    assert project["custom_fields"][0] == {
        "gid": PRIORITY, "name": "Priority", "kind": "enum",
        "options": [{"gid": HIGH, "name": "High"}],
    }  # fmt: skip
    assert "task_counts" not in " ".join(paths(asana))


async def test_what_is_missing_or_null_is_no_fault(asana: Service):
    bare = {**dict.fromkeys(DETAIL), "gid": TASK}
    asana.routes[f"GET /api/1.0/tasks/{TASK}"] = data(bare)
    asana.routes[f"GET /api/1.0/tasks/{TASK}/subtasks"] = data([], "there-is-more")
    async with STAND_IN.connected(asana) as tools:
        task = await tools.ok("get_task", task=TASK)
        page = await tools.ok("list_related_tasks", task=TASK)
    assert (task["name"], task["completed"], task["tags"], task["subtasks"]) == ("", False, [], 0)
    assert page == {"items": [], "next_cursor": "there-is-more"}


async def test_comments_are_looked_for_through_the_history(asana: Service):
    asana.queue.extend([data([MOVED], "a"), data([MOVED], "b"), data([COMMENT, MOVED], "c")])
    async with STAND_IN.connected(asana) as tools:
        found = await tools.ok("get_task_stories", task=TASK)
        every = await tools.ok("get_task_stories", task=TASK, history=True)
        asana.routes[f"GET /api/1.0/tasks/{TASK}/stories"] = data([MOVED], "more")
        none = await tools.ok("get_task_stories", task=TASK)
    assert [one["text"] for one in found["items"]] == ["Yes"]
    assert found["next_cursor"] == "c"
    assert [one["kind"] for one in every["items"]] == ["section_changed", "comment_added"]
    assert none == {"items": [], "next_cursor": "more"}
    assert len(asana.asked) == 3 + 1 + 5


@pytest.mark.parametrize(
    ("given", "gid", "asked"),
    [
        (PROJECT, PROJECT, 1),
        ("ROAD", PROJECT, 2),
        ("https://app.asana.com/1/11/project/22/board/9", PROJECT, 1),
        ("https://app.asana.com/0/22/33", PROJECT, 1),
    ],
)
async def test_a_project_is_given_by_gid_name_or_link(
    asana: Service, given: str, gid: str, asked: int
):
    async with STAND_IN.connected(asana) as tools:
        await tools.ok("get_project_tasks", project=given)
    assert paths(asana)[-1] == f"GET projects/{gid}/tasks"
    assert len(asana.asked) == asked


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("get_project_tasks", {"project": "oad"},
         "project: none is called 'oad'; there is 'Road' (22), 'Road works' (23)"),
        ("get_project_tasks", {"project": "Twin"},
         "project: several are called 'Twin', give a gid; there is 'Twin' (24), 'twin' (25)"),
        ("get_project_tasks", {"project": "../users"},
         "none is called '../users'; there is nothing"),
        ("get_project_tasks", {"project": PROJECT, "section": "Done"}, "there is 'Doing' (66)"),
        ("get_user_tasks", {"user": "Bob"}, "user: none is called 'Bob'"),
        ("list_projects", {"workspace": "Other"}, "none is called 'Other'; there is 'Acme' (11)"),
        ("create_task", {"name": "x", "tags": ["Later"]}, "tag: none is called 'Later'"),
        ("create_task", {"name": "x", "tags": [" "]}, "tag: none is called ' '"),
    ],
)  # fmt: skip
async def test_a_name_that_is_not_there_is_told_with_what_there_is(
    asana: Service, tool: str, arguments: dict[str, Any], said: str
):
    async with STAND_IN.connected(asana) as tools:
        assert said in await tools.error(tool, **arguments)
    assert not [one for one in asana.asked if one.method != "GET"]


async def test_the_only_workspace_is_the_default_and_is_asked_for_once(asana: Service):
    async with STAND_IN.connected(asana, ASANA_WORKSPACE_GID="") as tools:
        await tools.ok("list_projects")
        await tools.ok("list_users")
    assert paths(asana) == ["GET workspaces", "GET projects", "GET users"]
    assert [one.query.get("archived") for one in asana.asked] == [None, ["false"], None]
    assert asana.asked[-1].query["workspace"] == [PLACE]
    asana.routes["GET /api/1.0/workspaces"] = data([named("1", "One"), named("2", "Two")])
    async with STAND_IN.connected(asana, ASANA_WORKSPACE_GID="") as tools:
        said = await tools.error("list_projects")
        await tools.ok("list_projects", workspace="two")
    assert "workspace: expected one of 'One' (1), 'Two' (2), got none" in said
    assert asana.asked[-1].query["workspace"] == ["2"]


async def test_a_search_takes_names_and_asanas_words(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        await tools.ok(
            "search_tasks", text="é&x", assignee="nobody", created_by="Ann Example", project="Road",
            section="doing", tag="urgent", completed=False, due_before="2026-12-01",
            modified_after="2026-11-01T00:00:00+01:00", sort_by="due_date", ascending=True,
        )  # fmt: skip
    query = {key: value[0] for key, value in asana.asked[-1].query.items()}
    del query["opt_fields"]
    assert query == {
        "text": "é&x", "assignee.any": "null", "created_by.any": ANN, "sections.any": DOING,
        "tags.any": TAG, "completed": "false", "due_on.before": "2026-12-01",
        "modified_at.after": "2026-11-01T00:00:00+01:00", "sort_by": "due_date",
        "sort_ascending": "true", "limit": "50",
    }  # fmt: skip


def made(*minutes: int) -> Reply:
    """Tasks that were created in these minutes."""
    return data([SUMMARY | {"gid": str(n), "created_at": f"2026-11-01T08:{m:02}:00.500Z"}
                 for n, m in enumerate(minutes)])  # fmt: skip


async def test_a_search_goes_on_by_the_time_of_creation_and_leaves_none_out(asana: Service):
    asana.queue.extend([made(9, 8, 8), made(8, 8, 7), made(7)])
    async with STAND_IN.connected(asana) as tools:
        first = await tools.ok("search_tasks", limit=3)
        second = await tools.ok("search_tasks", limit=3, cursor=first["next_cursor"])
        third = await tools.ok("search_tasks", limit=3, cursor=second["next_cursor"])
    assert [len(one["items"]) for one in (first, second, third)] == [1, 2, 1]
    assert third["next_cursor"] is None
    assert [one.query.get("created_at.before") for one in asana.asked] == [
        None, ["2026-11-01T08:09:00.500000+00:00"], ["2026-11-01T08:08:00.500000+00:00"],
    ]  # fmt: skip
    asana.queue.extend([made(7, 7), made()])
    async with STAND_IN.connected(asana) as tools:  # all of one instant: at least they are shown
        page = await tools.ok("search_tasks", limit=2, ascending=True)
        assert len(page["items"]) == 2
        await tools.ok("search_tasks", limit=2, ascending=True, cursor=page["next_cursor"])
        said = await tools.error("search_tasks", sort_by="likes", cursor=page["next_cursor"])
    assert asana.asked[-1].query["created_at.after"] == ["2026-11-01T08:07:00.500000+00:00"]
    assert "sort_by created_at with cursor" in said


async def test_a_new_task_is_where_and_whose_it_was_said_to_be(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        given = await tools.ok(
            "create_task", name="Write it", project="Road", section="Doing", parent=OTHER,
            assignee="Ann Example", due_at="2026-11-27T17:00:00Z",
            notes="<strong>a</strong>", html=True,
            followers=["me", "bob@example.com"], tags=["Urgent"], kind="milestone",
            custom_fields={
                "priority": "high", "Areas": ["Web", "76"], COST: 3.5, "When": "2026-11-27",
                "Who": ["me", ANN], "Words": None,
            },
        )  # fmt: skip
        made = last(asana)
        await tools.ok("create_task", name="Alone", due_on="2026-11-27", start_on="2026-11-20")
    assert given["gid"] == TASK
    assert made == {
        "name": "Write it", "projects": [PROJECT],
        "memberships": [{"project": PROJECT, "section": DOING}],
        "parent": OTHER, "assignee": ANN, "due_at": "2026-11-27T17:00:00+00:00",
        "html_notes": "<body><strong>a</strong></body>", "followers": ["me", "bob@example.com"],
        "tags": [TAG], "resource_subtype": "milestone",
        "custom_fields": {
            PRIORITY: HIGH, AREAS: ["75", "76"], COST: 3.5, WHEN: {"date": "2026-11-27"},
            WHO: [ANN, ANN], WORDS: None,
        },
    }  # fmt: skip
    assert last(asana) == {
        "name": "Alone", "workspace": PLACE, "due_on": "2026-11-27", "start_on": "2026-11-20",
        "resource_subtype": "default_task",
    }  # fmt: skip


async def test_an_update_says_only_what_changes_and_empties_only_what_is_named(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        await tools.ok("update_task", task=TASK, name="New")
        assert last(asana) == {"name": "New"}
        await tools.ok(
            "update_task", task=TASK, assignee=None, clear=["assignee", "due_on", "notes"]
        )
        assert last(asana) == {"assignee": None, "due_on": None, "notes": ""}
        await tools.ok("update_task", task=TASK, custom_fields={"Areas": None, "Cost": "4"})
        assert last(asana) == {"custom_fields": {AREAS: [], COST: 4.0}}
        await tools.ok("complete_task", task=TASK, completed=False)
        assert last(asana) == {"completed": False}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Priority": "Low", "Nope": 1},
         ("Priority: option: none is called 'Low'; there is 'High' (72)",
          "Nope: field: none is called 'Nope'; there is 'Priority' (71), 'Areas' (74)")),
        ({"Cost": "much", "When": "tomorrow"},
         ("Cost: could not convert", "When: Invalid isoformat")),
        ({"Cost": "nan"}, ("Cost: expected a finite number",)),
        ({"Priority": ["High", "Low"]}, ("Priority: expected one value, got 2",)),
    ],
)  # fmt: skip
async def test_all_that_can_not_be_set_is_told_at_once(
    asana: Service, values: dict[str, Any], said: tuple[str, ...]
):
    async with STAND_IN.connected(asana) as tools:
        told = await tools.error("update_task", task=TASK, custom_fields=values)
    assert all(one in told for one in said), told
    assert paths(asana) == [f"GET tasks/{TASK}"]


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        ({"link": "project", "target": "Road", "section": "Doing"}, "addProject",
         {"project": PROJECT, "section": DOING}),
        ({"link": "project", "target": PROJECT, "remove": True}, "removeProject",
         {"project": PROJECT}),
        ({"link": "tag", "target": "urgent"}, "addTag", {"tag": TAG}),
        ({"link": "follower", "target": "me"}, "addFollowers", {"followers": ["me"]}),
        ({"link": "dependency", "target": f"https://app.asana.com/0/1/{OTHER}"},
         "addDependencies", {"dependencies": [OTHER]}),
        ({"link": "dependent", "target": OTHER, "remove": True}, "removeDependents",
         {"dependents": [OTHER]}),
        ({"link": "parent", "target": OTHER}, "setParent", {"parent": OTHER}),
        ({"link": "parent", "target": OTHER, "remove": True}, "setParent", {"parent": None}),
    ],
)  # fmt: skip
async def test_a_task_is_linked_to_what_is_named(
    asana: Service, arguments: dict[str, Any], path: str, body: dict[str, Any]
):
    async with STAND_IN.connected(asana) as tools:
        await tools.ok("link_task", task=TASK, **arguments)
    assert (paths(asana)[-1], last(asana)) == (f"POST tasks/{TASK}/{path}", body)


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("get_task", {"task": "Write it"}, "should match pattern"),
        ("get_task", {"task": "../users"}, "should match pattern"),
        ("get_task", {"task": "https://evil.example/0/1/2"}, "should match pattern"),
        ("delete_task", {"task": ""}, "should match pattern"),
        ("get_user_tasks", {"limit": 101}, "less than or equal to 100"),
        ("create_task", {"name": ""}, "at least 1 character"),
        ("create_task", {"project": None, "section": "Doing"},
         "expected the project that has them"),
        ("create_task", {"due_on": "tomorrow"}, "valid date"),
        ("create_task", {"due_at": "2026-11-27T17:00:00"}, "timezone"),
        ("create_task", {"tags": ["x"] * 21}, "at most 20 items"),
        ("create_task", {"kind": "epic"}, "Input should be"),
        ("update_task", {"name": None}, "expected something to change"),
        ("update_task", {"notes": "a", "html": True, "due_on": "2026-11-27",
                         "clear": ["due_on", "notes"]},
         "due_on, notes: expected one of"),
        ("update_task", {"due_at": "2026-11-27T17:00:00Z", "due_on": "2026-11-27"},
         "due_on: expected"),
        ("link_task", {"section": "Doing"}, "only where a task is put into a project"),
        ("search_tasks", {"section": "Doing"}, "expected a project with section"),
        ("search_tasks", {"cursor": "2026"}, "cursor: expected the next_cursor"),
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused_before_it_is_sent(
    asana: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(asana) as tools:
        assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed})
    assert asana.asked == []


@pytest.mark.parametrize(
    ("tool", "reply", "said"),
    [
        ("search_tasks", refusal(402, "Payment Required"),
         "refused (402): Payment Required The plan of this Asana account does not have it. In the "
         "place of search_tasks, find_by_name, get_project_tasks and get_user_tasks work"),
        ("get_user_tasks", refusal(400, "offset: Your pagination token has expired."),
         "cursor: it is too old, or of another call: begin again without a cursor"),
        ("get_task", refusal(404, "task: Unknown object: 33"),
         "Asana refused (404): task: Unknown object: 33 Check the id"),
        ("get_task", refusal(403, "task: Not a task you may see"), "(403): task: Not a task"),
        ("create_task", refusal(400, "assignee: Not a user in Organization: 9"),
         "(400): assignee: Not a user in Organization: 9 Change the arguments"),
        ("add_comment", refusal(429, "You've made too many requests", Retry_After="30"),
         "You've made too many requests Too many requests: try again in 30 s"),
        ("complete_task", refusal(401, f"Not Authorized: {TOKEN}"), "Not Authorized: *** The cred"),
    ],
)  # fmt: skip
async def test_asanas_errors_say_what_to_do(asana: Service, tool: str, reply: Reply, said: str):
    async with STAND_IN.connected(asana) as tools:
        asana.queue.append(reply)
        assert said in await tools.error(tool, **STAND_IN.calls[tool])


async def test_a_comment_may_have_a_form(asana: Service):
    async with STAND_IN.connected(asana) as tools:
        await tools.ok("add_comment", task=TASK, text="a < b\n")
        assert last(asana) == {"text": "a < b\n"}
        await tools.ok("add_comment", task=TASK, text="<body>a</body>", html=True)
        assert last(asana) == {"html_text": "<body>a</body>"}


async def test_it_writes_and_destroys_only_where_that_is_allowed(asana: Service):
    async def names(tools: Tools) -> set[str]:
        return set(STAND_IN.calls) - set(await tools.listed())

    async with STAND_IN.connected(asana, MCP_ALLOW_DESTRUCTIVE="") as tools:
        assert await names(tools) == {"delete_task"}
    async with STAND_IN.connected(asana, MCP_ALLOW_WRITES="", MCP_ALLOW_DESTRUCTIVE="") as tools:
        assert await names(tools) == WRITES


async def test_without_its_token_it_starts_and_says_so(asana: Service):
    async with STAND_IN.connected(asana, ASANA_ACCESS_TOKEN="") as tools:
        for tool, arguments in STAND_IN.calls.items():
            assert "ASANA_ACCESS_TOKEN is not set" in await tools.error(tool, **arguments)
    assert asana.asked == []
