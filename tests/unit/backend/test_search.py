"""Tools found by words, through the API."""

import json

import pytest
from sophia_backend.fleet import Fleet
from sophia_backend.places import Place
from sophia_backend.search import Search
from sophia_backend.tools import read_tool
from sophia_backend.watched import Replica

from tests.support.mcp_process import ROOT

from .conftest import World

CATALOG = ROOT / "mcp_catalog"
SERVERS = sorted(file.parent.name for file in CATALOG.glob("[a-z]*/tools.json"))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """As it would be with every server of the catalog."""
    fleet = Fleet([Place(name, "localhost", 1) for name in SERVERS])
    for one in fleet.servers.values():
        one.replicas["x"] = Replica("x", status="ok")
        shown = json.loads((CATALOG / one.name / "tools.json").read_text())
        tools = [read_tool(one.name, tool, SERVERS) for tool in shown["tools"]]
        one.tools = {tool.name: tool for tool in tools}
    return fleet


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("slack channels", "slack_list_channels"),
        ("list channel", "slack_list_channels"),
        ("create a linear issue", "linear_v2_create_issue"),
        ("LINEAR CREATE ISSUES", "linear_v2_create_issue"),
        ("github pull requests", "github_list_pull_requests"),
        ("pull requ", "codacy_get_pull_request"),
        ("transcripts of calls", "gong_v2_"),
        ("remember a fact", "ai_memory_"),
    ],
)
def test_words_find_the_tool_that_is_meant(fleet: Fleet, query: str, expected: str):
    found = [tool.full_name for tool in Search(fleet).find(query, fleet.servers.values(), 5)]
    assert any(name.startswith(expected) for name in found), found


@pytest.mark.parametrize(
    "query",
    [
        *('"', "a AND", "NEAR(", "names:x", "*", "^list", "-list", "(", "'; DROP TABLE tools; --"),
        *("\0", "größe", "日本語", "\ud83d", "😀", "x" * 5000),
        " ".join(f"word{n}" for n in range(100)),
    ],
)
def test_no_query_is_an_error(fleet: Fleet, query: str):
    Search(fleet).find(query, fleet.servers.values(), 5)


def test_a_hundred_words_find_what_one_of_them_does(fleet: Fleet):
    query = "channels " + " ".join(f"xyz{n}" for n in range(100))
    found = Search(fleet).find(query, fleet.servers.values(), 1)
    assert "channel" in found[0].full_name


def test_the_best_are_those_of_the_caller_and_of_servers_that_answer(fleet: Fleet):
    github = fleet.servers["github"]
    search = Search(fleet)
    assert {tool.server for tool in search.find("issue", [github], 50)} == {"github"}
    github.replicas["x"].status = "away"
    assert search.find("issue", [github], 50) == []
    github.replicas["x"].status = "ok"


async def test_the_api_searches_and_lists_in_pages(world: World):
    backend = await world.backend(a=await world.server("a"), b=await world.server("b"))
    found = (await backend.get("/api/tools?query=adding&limit=1")).json()
    (tool,) = found["tools"]
    assert (tool["server"], tool["name"], tool["full_name"]) == ("a", "add", "a_add")
    assert (tool["kind"], tool["description"]) == ("read", "Add two numbers.")
    assert "a" in tool["inputSchema"]["properties"]
    names, cursor = [], ""
    while cursor is not None:
        page = (await backend.get(f"/api/tools?limit=5&cursor={cursor}")).json()
        names += [tool["full_name"] for tool in page["tools"]]
        cursor = page["cursor"]
    assert (len(names), names) == (12, sorted(names))
    listed = (await backend.get("/api/tools?limit=100", "b")).json()
    assert {tool["server"] for tool in listed["tools"]} == {"b"}
    for limit in ("0", "101", "-1", "x", "²", ""):
        answer = await backend.get(f"/api/tools?limit={limit}")
        assert answer.status_code == 400
        assert "expected a whole number from 1 to 100" in answer.json()["detail"]


async def test_new_tools_are_found_at_once(world: World):
    backend = await world.backend(a=await world.server("a"))
    assert (await backend.get("/api/tools?query=fresh")).json() == {"tools": []}
    one = backend.fleet.servers["a"]
    fresh = read_tool("a", {"name": "freshTool", "inputSchema": {"type": "object"}}, ["a"])
    one.tools = {**one.tools, "freshTool": fresh}
    (found,) = (await backend.get("/api/tools?query=fresh")).json()["tools"]
    assert found["name"] == "freshTool"
