"""ai_memory's search by meaning on a real Postgres, with pgvector and without, beside a service
for embeddings that fails in all its ways."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sophia_mcp.errors import DependencyError
from sophia_mcp.settings import read_settings
from sophia_mcp.upstream import Limits, retry

from mcp_catalog.ai_memory import database, embeddings, schema, vectors
from mcp_catalog.ai_memory.server import build
from tests.support import upstream
from tests.support.embedder import PATH, answers, vector
from tests.support.polling import eventually
from tests.support.tool_calls import Tools, tools_of
from tests.support.upstream import Reply, Request, Service, ok, refused

pytestmark = [pytest.mark.containers, pytest.mark.slow]

KEY = "sk-canary-0123456789"
MODEL = "text-embedding-3-small"
OURS = ("mcp_catalog", "sophia_mcp")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_S", 0.01)
    monkeypatch.setattr(vectors, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(vectors, "_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(vectors, "_LONGEST_SECONDS", 0.1)


@pytest.fixture(params=["pgvector", "plain"])
def pgvector(request: pytest.FixtureRequest, postgres, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the database has it. Where it has, it is hidden for the other half."""
    if request.param == "plain":

        async def none(_: object) -> bool:
            return False

        monkeypatch.setattr(database, "has_pgvector", none)
        return False
    with psycopg.connect(postgres.url) as connection:
        found = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone()
    if found is None:
        pytest.skip("this database has no pgvector")
    return True


@pytest.fixture
def service() -> Iterator[Service]:
    with upstream.serving() as service:
        service.routes[PATH] = answers()
        yield service


@asynccontextmanager
async def serving(url: str, service: Service, **environment: str) -> AsyncIterator[Tools]:
    """The tools once the schema is ready."""
    given = {
        "MEMORY_DATABASE_URL": url,
        "MCP_ALLOW_WRITES": "true",
        "MCP_ALLOW_DESTRUCTIVE": "delete_memory",
        "EMBEDDINGS_URL": f"{service.url}/v1",
        "EMBEDDINGS_API_KEY": KEY,
    }
    server = build(read_settings("ai_memory", given | environment))
    async with tools_of(server) as tools:

        async def problem() -> str:
            try:
                await server.check()
            except DependencyError as error:
                return str(error)
            return ""

        await eventually(problem, lambda said: not said, "the schema ready")
        yield tools


async def contents(tools: Tools, query: str, **arguments: object) -> list[str]:
    """What a hybrid search finds."""
    found = await tools.ok("search_memories", query=query, **arguments)
    assert (found["mode"], found["note"]) == ("hybrid", None)
    return [hit["memory"]["content"] for hit in found["hits"]]


async def embedded(tools: Tools, count: int, **scope: str) -> None:
    await eventually(
        lambda: tools.ok("get_memory_stats", **scope),
        lambda stats: stats["embedded"] == count,
        f"{count} memories embedded",
    )


async def rows(url: str, query: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(query)
        return await cursor.fetchall() if cursor.description else []


async def test_a_synonym_is_found_by_meaning_and_an_id_by_its_words(
    place: str, service: Service, pgvector: bool
):
    async with serving(place, service) as tools:
        tickets = [f"Ticket OPS-{number} is closed" for number in range(4701, 4720)]
        for content in ("Bob drives an automobile", *tickets, "Alice likes tea"):
            stored = await tools.ok("store_memory", content=content, user_id="u")
            assert stored["embedded"]
        assert (await contents(tools, "car", user_id="u"))[0] == "Bob drives an automobile"
        assert (await contents(tools, "OPS-4711", user_id="u"))[0] == "Ticket OPS-4711 is closed"
        found = await tools.ok("search_memories", query="automobile", user_id="u")
        assert found["hits"][0]["memory"]["content"] == "Bob drives an automobile"
        # Of the vectors that the service gave, exactly.
        one, other = vector("automobile", 64, MODEL), vector("Bob drives an automobile", 64, MODEL)
        exact = sum(a * b for a, b in zip(one, other, strict=True))
        assert found["hits"][0]["cosine"] == pytest.approx(exact, abs=1e-5)


async def test_scope_and_tags_hold_for_what_is_near(
    place: str, service: Service, pgvector: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vectors, "_BATCH", 100)
    async with serving(place, service) as tools:
        # More of another than are compared, and all of them nearer.
        await rows(
            place,
            "INSERT INTO memories (user_id, content)"
            " SELECT 'carol', 'automobile ' || n FROM generate_series(1, 500) AS n",
        )
        await embedded(tools, 500)
        for user in ("alice", "bob"):
            for agent, tags in (("a", ["x"]), ("b", ["x", "y"]), ("b", [])):
                content = f"automobile of {user} {agent} {tags}"
                await tools.ok(
                    "store_memory", content=content, user_id=user, agent_id=agent, tags=tags
                )
        found = await contents(tools, "car", user_id="bob")
        assert len(found) == 3
        assert all(" of bob " in content for content in found)
        scope = {"user_id": "alice", "agent_id": "b", "tags": ["x"]}
        assert await contents(tools, "car", **scope) == ["automobile of alice b ['x', 'y']"]
        assert len(await contents(tools, "car", limit=20)) == 20


def several(reply: Callable[[list[float]], list[float]]) -> Callable[[Request], Reply]:
    """Good answers with spoilt vectors."""
    good = answers()

    def answer(request: Request) -> Reply:
        texts = request.body["input"]
        data = [
            {"index": index, "embedding": reply(vector(text, 64))}
            for index, text in enumerate(texts)
        ]
        return ok({"data": data}) if texts != ["dimensions"] else good(request)

    return answer


FAULTS: dict[str, Reply | Callable[[Request], Reply]] = {
    "401": refused(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}),
    "429": refused(429, {"error": {"message": "slow down"}}),
    "500": refused(500, {"error": {"message": "a fault"}}),
    "slow": Reply(200, b"{}", {"Content-Type": "application/json"}, delay=2),
    "hanging": upstream.hanging(),
    "web page": upstream.page("Sign in"),
    "no vectors": ok({"data": []}),
    "other dimensions": several(lambda numbers: [*numbers, 0.5]),
    "NaN": several(lambda numbers: [float("nan"), *numbers[1:]]),
    "zeros": several(lambda numbers: [0.0 for _ in numbers]),
    "texts": several(lambda numbers: [str(number) + "x" for number in numbers]),  # type: ignore[misc]
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("pgvector", ["plain"], indirect=True)
async def test_no_fault_of_the_service_loses_a_memory(
    place: str,
    service: Service,
    pgvector: bool,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    for limits in ("_SOMEONE_WAITS", "_NOBODY_WAITS"):
        monkeypatch.setattr(embeddings, limits, Limits(deadline_s=0.6, read_s=0.3, tries=2))
    async with serving(place, service) as tools:
        await tools.ok("store_memory", content="Bob drives an automobile")
        service.routes[PATH] = FAULTS[fault]
        stored = await tools.ok("store_memory", content="The canary-text feline sleeps")
        assert (stored["created"], stored["embedded"]) == (True, False)
        found = await tools.ok("search_memories", query="feline")
        assert found["mode"] == "lexical"
        assert found["note"].startswith("The embeddings service")
        assert KEY not in found["note"]
        assert [hit["memory"]["id"] for hit in found["hits"]] == [stored["memory"]["id"]]
        assert found["hits"][0]["cosine"] is None
        service.routes[PATH] = answers()
        await eventually(
            lambda: tools.ok("get_memory_stats"),
            lambda stats: stats["embedded"] == 2,
            "what was stored is embedded later",
            30,
        )

        async def by_meaning() -> dict[str, Any]:
            return await tools.ok("search_memories", query="cat")

        # The service is left alone for some seconds after so many faults.
        found = await eventually(by_meaning, lambda seen: seen["mode"] == "hybrid", "hybrid", 20)
        assert found["hits"][0]["memory"]["id"] == stored["memory"]["id"]
    lines = [str(vars(line)) for line in caplog.records if line.name.startswith(OURS)]
    assert any("not embedded yet" in line for line in lines)
    assert "canary" not in "".join(lines)


async def test_what_was_there_before_is_embedded_and_the_version_before_still_works(
    place: str, service: Service, pgvector: bool
):
    async with await psycopg.AsyncConnection.connect(place, autocommit=True) as before:
        steps = schema._STEPS[:2]
        for step in steps:
            await before.execute(step)
        await before.execute(
            "CREATE TABLE schema_steps (step int PRIMARY KEY, applied_at timestamptz)"
        )
        await before.execute("INSERT INTO schema_steps VALUES (1, now()), (2, now())")
        await before.execute(
            "INSERT INTO memories (user_id, content) SELECT 'u', 'automobile ' || n"
            " FROM generate_series(1, 50) AS n"
        )
        # Two replicas that start at once embed each memory once.
        async with serving(place, service) as tools, serving(place, service) as other:
            await embedded(tools, 50, user_id="u")
            texts = [text for asked in service.asked for text in asked.body["input"]]
            assert sorted(set(texts) - {"dimensions"}) == sorted(
                f"automobile {n}" for n in range(1, 51)
            )
            assert len([text for text in texts if text != "dimensions"]) == 50
            assert len(await contents(other, "car", user_id="u", limit=50)) == 50
            # As the version before has it, in the same sessions.
            await before.execute(
                "UPDATE memories SET content = 'a feline' WHERE content = 'automobile 7'"
            )
            await before.execute("DELETE FROM memories WHERE content = 'automobile 8'")
            await before.execute("UPDATE memories SET tags = '{t}', updated_at = now()")
            # As ADR 23 tells an operator to give memories away.
            await before.execute("UPDATE memories SET user_id = 'v' WHERE content ~ '9$'")
            await embedded(tools, 44, user_id="u")
            assert len(await contents(tools, "car", user_id="v")) == 5
            assert (await contents(tools, "cat", user_id="u"))[0] == "a feline"
            assert await rows(place, "SELECT count(*) FROM memory_vectors") == [(49,)]


async def test_another_model_embeds_all_anew_and_is_never_compared_with_the_former(
    place: str, service: Service, pgvector: bool
):
    async with serving(place, service) as tools:
        for content in ("Bob drives an automobile", "Alice likes tea"):
            await tools.ok("store_memory", content=content)
    service.routes[PATH] = refused(500)
    changed = {"EMBEDDINGS_MODEL": "other", "EMBEDDINGS_DIMENSIONS": "32"}
    async with serving(place, service, **changed) as tools:
        assert (await tools.ok("get_memory_stats"))["embedded"] == 0
        service.routes[PATH] = answers()
        await embedded(tools, 2)
        assert service.asked[-1].body["dimensions"] == 32
        assert (await contents(tools, "car"))[0] == "Bob drives an automobile"
        counts = "SELECT space, count(*) FROM memory_vectors GROUP BY space ORDER BY space"
        assert await rows(place, counts) == [("other/32", 2), (f"{MODEL}/64", 2)]
        await rows(
            place,
            "UPDATE memory_vectors SET made_at = now() - interval '2 h' WHERE space !~ '^other'",
        )
        await eventually(
            lambda: rows(place, counts), lambda seen: seen == [("other/32", 2)], "the former gone"
        )


async def test_a_text_that_changes_while_it_is_embedded_keeps_no_vector_of_the_former(
    place: str, service: Service
):
    good = answers()

    def change(request: Request) -> Reply:
        if "first" in request.body["input"]:
            with psycopg.connect(place, autocommit=True) as connection:
                connection.execute("UPDATE memories SET content = 'feline' WHERE content = 'first'")
        return good(request)

    service.routes[PATH] = change
    async with serving(place, service) as tools:
        await tools.ok("store_memory", content="first")
        await embedded(tools, 1)
        found = await tools.ok("search_memories", query="cat")
        assert [(hit["memory"]["content"], hit["cosine"]) for hit in found["hits"]] == [
            ("feline", pytest.approx(1, abs=1e-5))
        ]


async def test_an_update_embeds_the_new_text(place: str, service: Service):
    async with serving(place, service) as tools:
        kept = (await tools.ok("store_memory", content="Bob drives a car"))["memory"]
        assert (await tools.ok("update_memory", memory_id=kept["id"], tags=["t"]))["embedded"]
        asked = len(service.asked)
        assert (await tools.ok("store_memory", content="Bob drives a car"))["embedded"]
        assert len(service.asked) == asked, "one vector is enough"
        new = await tools.ok("update_memory", memory_id=kept["id"], content="Bob has a feline")
        assert (new["embedded"], new["content"]) == (True, "Bob has a feline")
        assert (await contents(tools, "cat"))[0] == "Bob has a feline"


async def test_a_text_that_the_service_refuses_keeps_no_other_waiting(place: str, service: Service):
    good = answers()

    def picky(request: Request) -> Reply:
        if any("too long" in text for text in request.body["input"]):
            return refused(400, {"error": {"message": "maximum context length"}})
        return good(request)

    service.routes[PATH] = refused(503)
    async with serving(place, service) as tools:
        for number in range(40):
            text = f"{number} is too long" if number % 20 == 7 else f"automobile {number}"
            stored = await tools.ok("store_memory", content=text)
            assert not stored["embedded"]
        service.routes[PATH] = picky
        await embedded(tools, 38)


async def test_a_large_scope_goes_by_the_index_and_finds_what_a_small_one_does(
    place: str, service: Service, monkeypatch: pytest.MonkeyPatch, postgres
):
    with psycopg.connect(postgres.url) as connection:
        if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
            pytest.skip("this database has no pgvector")
    async with serving(place, service) as tools:
        await rows(
            place,
            "INSERT INTO memories (user_id, agent_id, content) SELECT 'u' || n % 3, 'a' || n % 7,"
            " translate(concat_ws(' ', 'x' || n % 90, 'y' || n % 41, 'z' || n),"
            " '0123456789', 'abcdefghij') FROM generate_series(1, 600) AS n",
        )
        monkeypatch.setattr(vectors, "_BATCH", 100)
        await embedded(tools, 600)
        scopes = ({}, {"user_id": "u1"}, {"user_id": "u2", "agent_id": "a3"})
        queries = ("xh yi", "xbc", "xia yf ydd")
        asked = [(query, scope) for query in queries for scope in scopes]

        async def nearest() -> list[Any]:
            answers = [
                await tools.ok("search_memories", query=query, limit=10, **scope)
                for query, scope in asked
            ]
            return [[hit["memory"]["id"] for hit in one["hits"]] for one in answers]

        exact = await nearest()
        monkeypatch.setattr(vectors, "_SCANNED", 10)
        assert await nearest() == exact
    # So small a table is quicker without it, unless sorting is forbidden.
    unsorted = place.replace("?options=", "?options=-cenable_sort%3Doff%20")
    async with serving(unsorted, service) as tools:
        used = (
            "SELECT idx_scan > 0 FROM pg_stat_user_indexes"
            " WHERE indexrelname ~ '^memory_vectors_near_' AND schemaname = current_schema()"
        )

        async def by_the_index() -> bool:
            assert await nearest() == exact
            return await rows(place, used) == [(True,)]

        await eventually(by_the_index, bool, "the index used", 60)
