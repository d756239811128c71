"""Calls of tools: by the API, and where servers misbehave, by both ways."""

import asyncio
import json
from contextlib import AsyncExitStack, ExitStack, suppress
from urllib.parse import urlsplit

import httpx2
import pytest
from sophia_backend import calls
from sophia_backend.fleet import Pauses
from sophia_backend.watched import Replica
from sophia_mcp.policy import reads, writes

from tests.support import upstream as replies
from tests.support.mcp_calls import LEGACY, MODERN
from tests.support.mcp_process import free_port
from tests.support.polling import eventually
from tests.support.upstream import Request, Service

from .conftest import Backend, World
from .test_aggregate import client

pytestmark = pytest.mark.slow

SELDOM = Pauses(well=600, unwell=600)


async def test_a_call_by_the_api(world: World, caplog):
    caplog.set_level("INFO")
    backend = await world.backend(toy=await world.server())
    headers = {"X-Request-Id": "gateway-1", "X-Sophia-Caller": "alice"}
    answer = await backend.post("/api/tools/toy/add", {"a": 1, "b": 2}, **headers)
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("ms") > 0
    assert body == {
        "is_error": False,
        "text": '{"result":3}' if body["text"].startswith("{") else "3",
        "data": {"result": 3},
        "request_id": "gateway-1",
    }
    theirs, ours = [record for record in caplog.records if record.message == "tool call"]
    assert (theirs.caller, theirs.request_id) == ("alice", "gateway-1")
    assert (ours.caller, ours.request_id) == ("alice", "gateway-1")
    assert (ours.of, ours.tool, ours.kind, ours.outcome) == ("toy", "add", "read", "ok")
    metrics = (await backend.get("/metrics")).text
    assert 'mcp_tool_calls_total{outcome="ok",tool="toy_add"} 1.0' in metrics
    assert 'route="/api/tools"' in metrics


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("refuse", {}, "expected a better day"),
        ("add", {"a": "my-password"}, "valid integer"),
        ("flood", {"size": 200_000}, "The answer has 200 kB"),
    ],
)
async def test_an_error_of_the_tool_is_an_answer(pair: Backend, caplog, tool, arguments, text):
    caplog.set_level("INFO")
    answer = await pair.post(f"/api/tools/a/{tool}", arguments)
    assert (answer.status_code, answer.json()["is_error"]) == (200, True)
    assert text in answer.json()["text"]
    assert answer.json()["data"] is None
    assert "my-password" not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    ("path", "servers", "body", "status", "detail"),
    [
        ("a/nothing", "*", b"{}", 404, "a has no tool 'nothing'. Its tools: add, refuse,"),
        ("nobody/add", "*", b"{}", 404, "There is no server 'nobody'. You may use: a, b."),
        ("a/add", "other", b"{}", 403, "You may not use 'a'. You may use: no server."),
        ("a/add", "*", b"[1]", 400, "expected the tool's arguments as a JSON object"),
        ("a/add", "*", b"{", 400, "expected the tool's arguments as a JSON object"),
        ("a/add", "*", b"\xff", 400, "expected the tool's arguments as a JSON object"),
    ],
)
async def test_what_is_wrong_with_a_request_is_a_problem(
    pair: Backend, path: str, servers: str, body: bytes, status: int, detail: str
):
    headers = {"X-Sophia-Servers": servers}
    url = f"{pair.url}/api/tools/{path}"
    answer = await pair.http.post(url, content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"x" * 600_000, b"[" + b"0," * 20_000 + b"0]"])
async def test_a_body_has_the_bounds_of_the_servers(pair: Backend, body: bytes):
    answer = await pair.http.post(
        f"{pair.url}/api/tools/a/add", content=body, headers={"X-Sophia-Servers": "*"}
    )
    assert answer.status_code == 413


async def told(backend: Backend, server: str) -> tuple[int, str]:
    """What both ways say of a call that fails: the API's status, and the text of either."""
    answer = await backend.post(f"/api/tools/{server}/write", {})
    async with client(backend) as made:
        result = await made.call_tool(f"{server}_write", {})
    assert result.is_error
    assert result.content[0].text == answer.json()["detail"]
    return answer.status_code, answer.json()["detail"]


def odd_server(service: Service, answer: replies.Answers) -> None:
    """Two tools, of which one writes, and this answer to each call."""
    tools = [
        {"name": "read", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
        {"name": "write", "inputSchema": {"type": "object"}},
    ]
    discovered = {"supportedVersions": [MODERN], "capabilities": {}, "resultType": "complete"}
    discovered |= {"ttlMs": 0, "cacheScope": "private"}

    def reply(request: Request) -> replies.Reply:
        if request.body["method"] == "tools/call":
            return answer(request) if callable(answer) else answer
        result = discovered if request.body["method"] == "server/discover" else {"tools": tools}
        return replies.ok({"jsonrpc": "2.0", "id": 1, "result": result})

    service.routes["GET /health"] = replies.ok({"status": "ok"})
    service.routes["POST /mcp"] = reply


EVENTS = {"Content-Type": "text/event-stream"}


NONSENSE = {
    "page": (replies.page("Sign in"), 502, "its answer is not JSON (HTTP status 200)"),
    "oops": (replies.refused(500, {"oops": 1}), 502, "not MCP (HTTP status 500)"),
    "nan": (replies.ok({"result": float("nan")}), 502, "its answer is not JSON"),
    "seven": (replies.ok(7), 502, "its answer is not MCP"),
    "huge": (replies.huge(10_000_000), 502, "its answer is longer than 2097152 bytes"),
    "reset": (replies.reset(), 502, "the connection broke before the answer"),
    "silent": (replies.silent(), 502, "the connection broke before the answer"),
    "mail": (replies.malformed(), 502, "the connection broke before the answer"),
    "event": (replies.Reply(200, b"data: x\n\n", EVENTS), 502, "an event of its answer is no"),
    "ended": (replies.Reply(200, b": ping\n\n", EVENTS), 502, "the stream ended before the"),
    "long": (replies.Reply(200, b"data: " + b"x" * 3_000_000, EVENTS), 502, "or too long"),
    "hang": (replies.hanging(), 504, "no answer within 0.5 s"),
    "trickle": (replies.trickling(), 504, "no answer within 0.5 s"),
    "busy": (replies.refused(503), 503, "it is too busy. Nothing was done; try again later"),
}


@pytest.mark.slow
async def test_nonsense_is_an_error_that_says_so(world: World, monkeypatch):
    monkeypatch.setattr(calls, "CALL_S", 0.5)
    with ExitStack() as stack:
        ports = {}
        for name, (answer, _, _) in NONSENSE.items():
            service = stack.enter_context(replies.serving())
            odd_server(service, answer)
            ports[name] = urlsplit(service.url).port
        backend = await world.backend(SELDOM, **ports)
        for name, (_, status, detail) in NONSENSE.items():
            code, text = await told(backend, name)
            assert (code, text.startswith(f"{name}: ")) == (status, True), text
            assert detail in text
            assert ("It may have taken effect: check before" in text) is (status != 503)


@pytest.mark.parametrize(
    ("code", "outcome"), [(-32602, "unknown_tool"), (-32603, "protocol_error")]
)
async def test_a_tool_that_is_gone_is_no_fault_of_its_server(
    world: World, service, code: int, outcome: str
):
    error = {"code": code, "message": "Unknown tool: read"}
    odd_server(service, replies.ok({"jsonrpc": "2.0", "id": 1, "error": error}))
    backend = await world.backend(SELDOM, odd=urlsplit(service.url).port)
    await backend.post("/api/tools/odd/read", {})
    metrics = (await backend.get("/metrics")).text
    assert f'mcp_tool_calls_total{{outcome="{outcome}",tool="odd_read"}} 1.0' in metrics


@pytest.mark.parametrize(("tool", "asked"), [("read", 2), ("write", 1)])
async def test_only_what_reads_is_asked_for_again_when_the_connection_breaks(
    world: World, service, tool: str, asked: int
):
    odd_server(service, replies.silent())
    backend = await world.backend(SELDOM, odd=urlsplit(service.url).port)
    assert (await backend.post(f"/api/tools/odd/{tool}", {})).status_code == 502
    sent = [request for request in service.asked if request.path == "/mcp"]
    assert len([request for request in sent if request.body["method"] == "tools/call"]) == asked


async def test_the_server_is_told_who_calls_and_by_whom(world: World, service):
    result = {"content": [], "extra": {"kept": 1}, "resultType": "complete"}
    odd_server(service, replies.ok({"jsonrpc": "2.0", "id": 1, "result": result}))
    backend = await world.backend(SELDOM, odd=urlsplit(service.url).port)
    headers = {"X-Request-Id": "gateway-1", "X-Sophia-Caller": "alice", "Authorization": "secret"}
    await backend.post("/api/tools/odd/read", {"x": [1]}, **headers)
    request = service.asked[-1]
    assert request.body["params"]["arguments"] == {"x": [1]}
    seen = {name.lower(): value for name, value in request.headers.items()}
    assert (seen["x-request-id"], seen["x-sophia-caller"]) == ("gateway-1", "alice")
    assert (seen["host"], seen["user-agent"]) == ("odd", "sophia-backend/1.0.0")
    assert not {"authorization", "x-sophia-servers"} & set(seen)


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_progress_is_passed_on(world: World, service, mode: str):
    def answer(request: Request) -> replies.Reply:
        if "progressToken" not in request.body["params"]["_meta"]:
            return replies.refused(500)
        progress = {"progressToken": 1, "progress": 1, "total": 2, "message": "half"}
        events = [
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": "x"}},
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress},
            {"jsonrpc": "2.0", "id": 1, "result": {"content": [], "resultType": "complete"}},
        ]
        body = ": ping\n\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return replies.Reply(200, body.encode(), EVENTS)

    odd_server(service, answer)
    backend = await world.backend(SELDOM, odd=urlsplit(service.url).port)
    told: list[tuple] = []

    async def note(*progress) -> None:
        told.append(progress)

    async with client(backend, mode) as made:
        result = await made.call_tool("odd_read", {}, progress_callback=note)
    assert not result.is_error
    assert told == [(1, 2, "half")]


async def test_a_replica_that_is_gone_is_passed_over(world: World):
    """Before anybody has noticed."""
    backend = await world.backend(SELDOM, toy=await world.server())
    one = backend.fleet.servers["toy"]
    gone = Replica(f"http://127.0.0.1:{free_port()}", status="ok", misses=0)
    one.replicas = {gone.url: gone, **one.replicas}
    for _ in range(4):
        assert (await backend.post("/api/tools/toy/change", {})).json()["text"] == "changed"
    assert gone.status == "away"


async def test_one_that_moved_is_found_within_the_call(world: World):
    backend = await world.backend(SELDOM, toy=await world.server())
    one = backend.fleet.servers["toy"]
    gone = Replica(f"http://127.0.0.1:{free_port()}", status="ok", misses=0)
    one.replicas = {gone.url: gone}
    assert (await backend.post("/api/tools/toy/change", {})).json()["text"] == "changed"


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_one_that_is_away_since_its_tools_were_listed_says_so(world: World, mode: str):
    stack = AsyncExitStack()
    port = await world.server(stack=stack)
    backend = await world.backend(toy=port)
    async with client(backend, mode) as made:
        assert "toy_add" in {tool.name for tool in (await made.list_tools()).tools}
        await stack.aclose()
        result = await made.call_tool("toy_add", {"a": 1, "b": 2})
        assert result.is_error
        assert result.content[0].text.startswith("toy: it can't be reached. Nothing was done")
        await backend.until("toy", status="away")
        assert (await made.list_tools()).tools == []
        assert (await made.call_tool("toy_add", {"a": 1, "b": 2})).is_error
    answer = await backend.post("/api/tools/toy/add", {"a": 1, "b": 2})
    assert (answer.status_code, answer.json()["title"]) == (503, "toy is away")


async def test_calls_are_spread_over_the_replicas(world: World):
    asked: list[str] = []

    def counting(name: str):
        async def who() -> str:
            """Say who answers."""
            asked.append(name)
            await asyncio.sleep(0.1)
            return name

        return reads(who)

    ports = [await world.server(tools=(counting(name),)) for name in ("one", "two")]
    backend = await world.backend(SELDOM, toy=ports[0])
    one, other = backend.fleet.servers["toy"], f"http://127.0.0.1:{ports[1]}"
    one.replicas = {**one.replicas, other: Replica(other, status="ok", misses=0)}
    await asyncio.gather(*(backend.post("/api/tools/toy/who", {}) for _ in range(10)))
    assert sorted(asked) == ["one"] * 5 + ["two"] * 5
    asked.clear()
    for _ in range(4):
        await backend.post("/api/tools/toy/who", {})
    assert sorted(asked) == ["one", "one", "two", "two"]


@pytest.mark.slow
async def test_a_slow_server_holds_up_no_other(world: World):
    backend = await world.backend(a=await world.server("a"), b=await world.server("b"))
    body, headers = {"seconds": 30}, {"X-Sophia-Servers": "*"}
    url = f"{backend.url}/api/tools/a/slow"
    slow = [
        asyncio.create_task(backend.http.post(url, json=body, headers=headers)) for _ in range(100)
    ]

    async def in_flight() -> int:
        return sum(one.in_flight for one in backend.fleet.servers["a"].replicas.values())

    await eventually(in_flight, lambda count: count >= 90, "slow calls in flight")
    async with asyncio.timeout(5), httpx2.AsyncClient(headers=headers) as http:
        answer = await http.post(f"{backend.url}/api/tools/b/add", json={"a": 1, "b": 2})
        assert answer.json()["data"] == {"result": 3}
        await backend.fleet.look_at(backend.fleet.servers["a"])
        servers = (await http.get(f"{backend.url}/api/servers")).json()["servers"]
        assert [server["status"] for server in servers] == ["ok", "ok"]
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await eventually(in_flight, lambda count: count == 0, "an end of what nobody waits for")


@pytest.mark.parametrize("way", ["api", MODERN, LEGACY])
async def test_who_leaves_ends_the_call(world: World, way: str):
    events: list[str] = []

    async def wait() -> str:
        """Take long."""
        events.append("began")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise
        return ""

    backend = await world.backend(toy=await world.server(tools=(writes(wait),)))

    async def ask() -> None:
        if way == "api":
            await backend.post("/api/tools/toy/wait", {})
            return
        async with client(backend, way) as made:
            await made.call_tool("toy_wait", {})

    async def seen() -> list[str]:
        return events

    asking = asyncio.create_task(ask())
    await eventually(seen, lambda what: what == ["began"], "the call's begin")
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await eventually(seen, lambda what: what == ["began", "cancelled"], "the call's end", 5)


async def test_a_tool_that_is_new_is_called_by_its_own_name(world: World):
    """A name that is too long for clients is still the server's own when it is called."""

    async def t() -> str:
        """Short here."""
        return "called"

    t.__name__ = "t" * 64
    backend = await world.backend(toy=await world.server(tools=(reads(t),)))
    async with client(backend) as made:
        (tool,) = (await made.list_tools()).tools
        assert len(tool.name) == 64
        assert (await made.call_tool(tool.name, {})).content[0].text == "called"


def test_the_longest_call_of_a_server_fits():
    assert calls.CALL_S > 110 * 0.9
