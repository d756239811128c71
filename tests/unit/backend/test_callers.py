"""Callers see and use what the gateway says, and nothing without its word."""

import pytest

from .conftest import World


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (None, []),
        ("", []),
        (",", []),
        ("b", ["b"]),
        ("b , nobody", ["b"]),
        ("*,", []),
        ("a,b", ["a", "b"]),
        ("*", ["a", "b"]),
    ],
)
async def test_the_gateway_says_which_servers_there_are(world: World, header, seen: list[str]):
    port = await world.server("a")
    backend = await world.backend(a=port, b=port)
    listed = (await backend.get("/api/servers", header)).json()["servers"]
    assert [server["name"] for server in listed] == seen
    fleet = (await backend.get("/api/fleet", header)).json()["servers"]
    assert [server["name"] for server in fleet] == seen


async def test_two_headers_allow_nothing(world: World):
    backend = await world.backend(toy=await world.server())
    headers = [("X-Sophia-Servers", "toy"), ("X-Sophia-Servers", "*")]
    answer = await backend.http.get(f"{backend.url}/api/servers", headers=headers)
    assert answer.json() == {"servers": []}


@pytest.mark.parametrize(
    ("servers", "asked", "status", "detail"),
    [
        ("*", "nobody", 404, "There is no server 'nobody'. You may use: a, b."),
        ("a", "b", 403, "You may not use 'b'. You may use: a."),
        ("a", "nobody", 403, "You may not use 'nobody'. You may use: a."),
        ("", "a", 403, "You may not use 'a'. You may use: no server."),
    ],
)
async def test_guessing_names_tells_nothing(
    world: World, servers: str, asked: str, status: int, detail: str
):
    port = await world.server("a")
    backend = await world.backend(a=port, b=port)
    answer = await backend.get(f"/api/servers/{asked}", servers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == detail
    assert answer.json()["status"] == status


async def test_an_unknown_path_is_a_problem_too(world: World):
    backend = await world.backend()
    answer = await backend.get("/api/nothing")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
