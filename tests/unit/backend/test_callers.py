"""Callers see and use what the gateway's headers allow, and nothing without them."""

import pytest

from .conftest import Backend

pytestmark = pytest.mark.slow


async def test_the_gateway_says_which_servers_there_are(pair: Backend):
    for header, names in {
        None: [],
        "": [],
        ",": [],
        "*,": [],
        "b": ["b"],
        "b , nobody": ["b"],
        "a,b": ["a", "b"],
        "*": ["a", "b"],
    }.items():
        listed = (await pair.get("/api/servers", header)).json()["servers"]
        assert [server["name"] for server in listed] == names, header
        fleet = (await pair.get("/api/fleet", header)).json()["servers"]
        assert [server["name"] for server in fleet] == names, header


async def test_two_headers_allow_nothing(pair: Backend):
    headers = [("X-Sophia-Servers", "a"), ("X-Sophia-Servers", "*")]
    answer = await pair.http.get(f"{pair.url}/api/servers", headers=headers)
    assert answer.json() == {"servers": []}


async def test_guessing_names_tells_nothing(pair: Backend):
    for servers, asked, status, detail in (
        ("*", "nobody", 404, "There is no server 'nobody'. You may use: a, b."),
        ("a", "b", 403, "You may not use 'b'. You may use: a."),
        ("a", "nobody", 403, "You may not use 'nobody'. You may use: a."),
        ("", "a", 403, "You may not use 'a'. You may use: no server."),
    ):
        answer = await pair.get(f"/api/servers/{asked}", servers)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["detail"]) == (status, detail)
        assert answer.json()["status"] == status


async def test_an_unknown_path_is_a_problem_too(pair: Backend):
    answer = await pair.get("/api/nothing")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
