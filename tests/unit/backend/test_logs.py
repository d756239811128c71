"""GET /api/logs: who may, what a store is asked over real HTTP, and what becomes of its answer.
That a real store takes the query is tests/integration/logs.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qs, quote

import jsonschema
import pytest
from sophia_backend import logs
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support import asgi

from .conftest import Backend, World

ROW = {
    "_time": "2026-11-27T15:00:00.123456789Z",
    "service": "sophia-dev-slack",
    "node": "manager-1",
    "stream": "stdout",
    "_msg": '{"request_id": "r1"}',
}
LINE = {
    "time": ROW["_time"],
    "service": "slack",
    "node": "manager-1",
    "stream": "stdout",
    "line": ROW["_msg"],
}


class Store:
    """Stands in for VictoriaLogs. asked: the queries so far."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.newest = "newer"
        self.rows: list[dict[str, str]] | None = None

    async def answer(self, request: Request) -> Response:
        self.asked += parse_qs((await request.body()).decode())["query"]
        rows = self.rows or [{**ROW, "_msg": self.newest}, ROW]
        told = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        return Response(told, self.status)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/select/logsql/query", self.answer, methods=["POST"])])


@pytest.fixture
async def two(world: World, store: Store, monkeypatch: pytest.MonkeyPatch):
    """A backend with another store, that of a new manager, and that store."""
    new = Store()
    async with asgi.serving(store.app) as first, asgi.serving(new.app) as second:
        urls = [f"http://127.0.0.1:{port}" for port in (first, second)]

        async def stores(_: str) -> list[str]:
            return urls

        monkeypatch.setattr(logs, "_stores", stores)
        yield await world.backend(kept=logs.Place(url="http://logs:1", prefix="sophia-dev-")), new


async def test_what_any_store_has_is_told_once(two, store: Store):
    backend, new = two
    new.rows = [{**ROW, "_time": "2026-11-27T15:00:00.5Z", "_msg": "newest"}, ROW]
    store.newest = "only in the old one"

    async def lines(query: str = "") -> list[str]:
        return [line["line"] for line in (await backend.get(f"/api/logs{query}")).json()["lines"]]

    assert await lines() == [ROW["_msg"], "only in the old one", "newest"]
    assert await lines("?limit=1") == ["newest"]
    new.status = 503
    assert await lines() == [ROW["_msg"], "only in the old one"], "one that is away is left out"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def backend(world: World, store: Store):
    async with asgi.serving(store.app) as port:
        kept = logs.Place(url=f"http://127.0.0.1:{port}", prefix="sophia-dev-")
        yield await world.backend(kept=kept)


async def test_lines_come_in_their_order_as_the_document_tells(backend: Backend, store: Store):
    answer = await backend.get("/api/logs?service=slack&search=r1&since=2h&limit=5")
    assert answer.json() == {"lines": [LINE, {**LINE, "line": "newer"}]}
    assert store.asked == [
        '{service="sophia-dev-slack"} _time:2h _msg:~"(?i)r1"'
        " | sort by (_time desc) limit 5 | fields _time, service, node, stream, _msg"
    ]
    told = (await backend.get("/api/openapi.json", None)).json()
    jsonschema.validate(LINE, told["components"]["schemas"]["Line"])


async def test_all_services_of_the_last_hour_are_the_default(backend: Backend, store: Store):
    assert (await backend.get("/api/logs")).status_code == 200
    (asked,) = store.asked
    assert asked.startswith("_time:1h | sort by (_time desc) limit 100 |")


@pytest.mark.parametrize("servers", ["", "slack", None])
async def test_only_who_may_use_all_servers_sees_them(backend: Backend, store: Store, servers):
    assert (await backend.get("/api/logs", servers)).status_code == 403
    assert store.asked == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("service=a%22b", "service: expected a service's name"),
        ("since=yesterday", "since: expected such as 30m"),
        ("since=1h%20or%20*", "since: expected such as 30m"),
        ("limit=1001", "limit: expected a whole number from 1 to 1000"),
        ("limit=x", "limit: expected a whole number"),
    ],
)
async def test_what_is_wrong_is_told_and_reaches_no_store(backend, store, query, expected):
    answer = await backend.get(f"/api/logs?{query}")
    assert (answer.status_code, answer.json()["detail"][: len(expected)]) == (400, expected)
    assert store.asked == []


async def test_a_search_means_itself(backend: Backend, store: Store):
    await backend.get("/api/logs?search=" + quote('a"b | delete {x}.*'))
    assert r'_msg:~"(?i)a\"b \\| delete \\{x\\}\\.\\*"' in store.asked[0]


async def test_a_line_may_have_any_separator_of_unicodes(backend: Backend, store: Store):
    store.newest = "SELECT\u2028'\x85\u2029'"
    lines = (await backend.get("/api/logs")).json()["lines"]
    assert [line["line"] for line in lines] == [ROW["_msg"], store.newest]


async def test_more_than_fits_into_memory_is_not_read(backend: Backend, store: Store):
    """A thousand lines of 128 KiB, of a service that prints what it gets."""
    store.newest = "x" * logs.MOST_BYTES
    answer = await backend.get("/api/logs?limit=1000")
    assert answer.status_code == 400
    assert "ask for fewer by `limit`" in answer.json()["detail"]


async def test_a_store_that_fails_or_is_gone_is_a_problem_of_its_own(backend, store, world):
    store.status = 503
    assert (await backend.get("/api/logs")).status_code == 502
    gone = await world.backend(kept=logs.Place(url="http://127.0.0.1:1", prefix=""))
    answer = await gone.get("/api/logs")
    assert (answer.status_code, answer.json()["title"]) == (502, "No logs now")


async def test_a_platform_without_logs_says_which_setting(world: World):
    answer = await (await world.backend()).get("/api/logs")
    assert answer.status_code == 404
    assert "sophia:logs.enabled" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["x", "{}", '{"url": "u", "prefix": "p", "more": 1}'])
def test_a_wrong_variable_ends_the_start(text):
    with pytest.raises(SettingError, match="SOPHIA_LOGS: expected an object such as"):
        logs.read_place(read_settings("backend", {logs.VARIABLE: text}))


def test_without_the_variable_there_are_none():
    assert logs.read_place(read_settings("backend", {})) is None
