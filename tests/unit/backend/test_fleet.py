"""What is known about servers, both healthy ones and misbehaving ones."""

import json
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sophia_backend import watched
from sophia_mcp.errors import DependencyError
from sophia_mcp.policy import reads

from tests.support import mcp_process
from tests.support import upstream as replies
from tests.support.mcp_process import free_port
from tests.support.polling import eventually, until

from .conftest import TOOLS, World, add, slow

pytestmark = pytest.mark.slow


async def test_a_server_is_shown_with_its_tools(world: World):
    backend = await world.backend(toy=await world.server())
    assert await backend.servers() == {
        "toy": {
            "name": "toy",
            "title": "Toy",
            "status": "ok",
            "detail": None,
            "replicas": 1,
            "tools": len(TOOLS),
        }
    }
    shown = (await backend.get("/api/servers/toy")).json()
    assert shown["instructions"] == "How to use toy."
    tools = {tool["name"]: tool for tool in shown["tools"]}
    assert {name: tool["kind"] for name, tool in tools.items()} == {
        **dict.fromkeys(("add", "refuse", "slow", "flood"), "read"),
        "change": "write",
        "wipe": "destroy",
    }
    assert tools["add"]["inputSchema"]["properties"]["a"]["type"] == "integer"
    assert tools["add"]["outputSchema"]["properties"]["result"]["type"] == "integer"
    assert tools["add"]["annotations"]["readOnlyHint"]


async def test_one_that_is_away_takes_nothing_else_with_it(world: World):
    backend = await world.backend(toy=await world.server(), gone=free_port())
    servers = await backend.servers()
    assert servers["gone"]["status"] == "away"
    assert servers["gone"]["detail"] == "it can't be reached: ConnectError"
    assert (servers["gone"]["replicas"], servers["gone"]["tools"]) == (0, 0)
    assert servers["toy"]["status"] == "ok"


async def test_one_comes_and_goes_and_comes_with_other_tools(world: World):
    port = free_port()
    backend = await world.backend(toy=port)
    async with AsyncExitStack() as first:
        await world.server(stack=first, port=port)
        await backend.until("toy", status="ok", tools=len(TOOLS))
    await backend.until("toy", status="away", replicas=0)
    await world.server(tools=(reads(slow), reads(add)), port=port)
    await backend.until("toy", status="ok", replicas=1, tools=2)


async def test_what_a_server_says_of_itself_is_passed_on(world: World):
    why: list[str] = []

    async def check() -> None:
        if why:
            raise DependencyError(why[0])

    backend = await world.backend(toy=await world.server(check=check))
    why.append("the database does not answer")
    seen = await backend.until("toy", status="degraded")
    assert (seen["detail"], seen["replicas"]) == ("the database does not answer", 1)


async def test_one_that_never_was_ready_is_starting(world: World):
    async def check() -> None:
        raise DependencyError("not yet")

    backend = await world.backend(toy=await world.server(check=check))
    seen = await backend.until("toy", status="starting", replicas=0)
    assert seen["detail"] == "not yet"


HEALTHY = replies.ok({"status": "ok"})

NONSENSE = {
    "page": (replies.page("Sign in"), None, "away", "its answer is not JSON"),
    "list": (replies.ok([1]), None, "away", "its answer is not an object"),
    "unknown": (replies.ok({"status": "fine"}), None, "away", "has an unknown status"),
    "mail": (replies.malformed(), None, "away", "it can't be reached"),
    "huge": (replies.huge(3_000_000), None, "away", "its answer is longer than"),
    "hang": (replies.hanging(), None, "away", "no answer within 0.5 s"),
    "trickle": (replies.trickling(), None, "away", "no answer within 0.5 s"),
    "mcp_page": (HEALTHY, replies.page("Hi"), "degraded", "not JSON (HTTP status 200)"),
    "mcp_wrong": (HEALTHY, replies.ok({"result": {"tools": 7}}), "degraded", "a wrong answer"),
    "mcp_none": (HEALTHY, replies.refused(404), "degraded", "not JSON (HTTP status 404)"),
    "mcp_error": (HEALTHY, replies.ok({"error": {"message": "no"}}), "degraded", "listed: no"),
    "mcp_huge": (HEALTHY, replies.huge(3_000_000), "degraded", "its answer is longer than"),
    "mcp_hang": (HEALTHY, replies.hanging(), "degraded", "no answer within 0.5 s"),
    "mcp_reset": (HEALTHY, replies.reset(), "degraded", "the connection broke"),
    "mcp_deep": (HEALTHY, replies.Reply(200, b"[" * 100_000), "degraded", "is not JSON"),
}


async def test_nonsense_is_told_and_harms_nobody_else(world: World, monkeypatch):
    monkeypatch.setattr(watched, "_HEALTH_S", 0.5)
    monkeypatch.setattr(watched, "_LIST_S", 0.5)
    with ExitStack() as stack:
        ports = {"toy": await world.server()}
        for name, (health, listing, _, _) in NONSENSE.items():
            service = stack.enter_context(replies.serving())
            service.routes["GET /health"] = health
            service.routes["POST /mcp"] = listing or replies.hanging()
            ports[name] = urlsplit(service.url).port
        backend = await world.backend(**ports)

        def told(servers: dict) -> bool:
            return all(
                servers[name]["status"] == status and detail in servers[name]["detail"]
                for name, (_, _, status, detail) in NONSENSE.items()
            )

        await eventually(backend.servers, told, "what is wrong with each", 15)
        assert (await backend.servers())["toy"]["status"] == "ok"
        assert (await backend.get("/api/fleet")).status_code == 200
        assert (await backend.post("/api/tools/toy/add", {"a": 1, "b": 2})).status_code == 200


async def test_wrong_activity_is_left_out(world: World, service):
    service.routes["GET /health"] = HEALTHY
    service.routes["GET /activity"] = replies.ok({"callers": 7, "ms": "x"})
    backend = await world.backend(odd=urlsplit(service.url).port)
    (odd,) = (await backend.get("/api/fleet")).json()["servers"]
    assert (odd["calls"], odd["p50_ms"], odd["recent_errors"]) == (0, None, [])


@pytest.mark.slow
def test_no_server_keeps_it_from_starting_and_a_wrong_setting_does(tmp_path: Path):
    environment = {"SOPHIA_SERVERS": json.dumps({"far": "no-such-host.invalid:8000"})}
    command = ["-m", "sophia_backend"]
    folders = (mcp_process.ROOT / "images" / "backend",)
    with mcp_process.running(command, tmp_path / "log", environment, folders) as replica:
        until(replica.health, lambda seen: seen[0] == 200, "the backend's health", 10)
        status, _, body = replica.get("/api/servers", **{"X-Sophia-Servers": "*"})
        assert (status, json.loads(body)["servers"][0]["status"]) == (200, "away")
        assert "no-such-host.invalid has no address" in body
    wrong = {"SOPHIA_SERVERS": '{"a": "b", "c d": "e:1"}'}
    replica = mcp_process.launch(command, tmp_path / "log", wrong, folders)
    assert replica.exit_status(20) == 2
    said = (tmp_path / "log").read_text()
    assert "SOPHIA_SERVERS.a: expected host:port, got 'b'" in said
    assert "expected a server's name, got 'c d'" in said
