"""ai_memory outlives its database: one that is emptied, or restored to an earlier schema, is
prepared again by the process that runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from sophia_mcp.errors import DependencyError
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from mcp_catalog.ai_memory import schema, vectors
from mcp_catalog.ai_memory.server import build
from tests.support import upstream
from tests.support.docker import docker
from tests.support.embedder import PATH, answers
from tests.support.polling import eventually
from tests.support.tool_calls import Tools, tools_of

pytestmark = [pytest.mark.containers, pytest.mark.slow]

EMPTIED = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
BEFORE_VECTORS = """
    DELETE FROM schema_steps WHERE step = 3;
    DROP TABLE memory_numbers, memory_vectors;
    DROP FUNCTION memory_changed CASCADE;
"""
ALL_BUT_EXTENSIONS = """
    DROP TABLE memory_numbers, memory_vectors, memories, schema_steps;
    DROP FUNCTION memory_changed;
"""


@pytest.fixture
def own(postgres) -> Iterator[str]:
    """The URL of a database of the test's own."""
    name = f"emptied_{uuid4().hex[:8]}"
    docker(
        "exec", postgres.container,
        "createdb", "--username=postgres", "--owner=sophia", name,
    )  # fmt: skip
    yield f"{postgres.url.removesuffix('/sophia')}/{name}"
    docker("exec", postgres.container, "dropdb", "--username=postgres", "--force", name)


@asynccontextmanager
async def serving(url: str, **more: str) -> AsyncIterator[tuple[Server, Tools]]:
    """The server once its schema is ready, with a memory of it."""
    given = {"MEMORY_DATABASE_URL": url, "MCP_ALLOW_WRITES": "true", **more}
    server = build(read_settings("ai_memory", given))
    async with tools_of(server) as tools:
        await ready(server)
        await tools.ok("store_memory", content="Alice likes tea", user_id="u")
        yield server, tools


async def problem(server: Server) -> str:
    """What /health says, "" for nothing."""
    try:
        await server.check()
    except DependencyError as error:
        return str(error)
    return ""


async def ready(server: Server) -> None:
    await eventually(lambda: problem(server), lambda said: not said, "the schema ready")


@asynccontextmanager
async def damaged(url: str, how: LiteralString) -> AsyncIterator[None]:
    """Nobody can prepare the database again before the context ends."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK,))
        async with connection.transaction():
            await connection.execute(how)
        yield


async def test_calls_work_again_in_a_database_that_was_emptied(own: str):
    async with serving(own) as (server, tools):
        async with damaged(own, EMPTIED):
            said = await tools.error("get_memories")
            assert "the memory database is unavailable (it has lost its schema" in said
            assert "(UndefinedTable 42P01)" in said
            assert "try again" in said
            assert "lost its schema (UndefinedTable 42P01)" in await problem(server)
            assert "unavailable" in await tools.error("store_memory", content="too early")
        await ready(server)
        assert (await tools.ok("get_memories"))["memories"] == []
        await tools.ok("store_memory", content="Bob drives an automobile")
        found = await tools.ok("search_memories", query="automobil drivs")
        assert [hit["memory"]["content"] for hit in found["hits"]] == ["Bob drives an automobile"]


async def test_many_calls_at_once_find_it_emptied_and_it_is_prepared_once(
    own: str, caplog: pytest.LogCaptureFixture
):
    async with serving(own) as (server, tools):

        async def store(number: int) -> None:
            await tools.ok("store_memory", content=f"fact {number}")

        async with damaged(own, EMPTIED):
            told = await asyncio.gather(*(tools.error("get_memory_stats") for _ in range(30)))
        assert all("unavailable" in said for said in told), told
        await ready(server)
        assert [line.message for line in caplog.records].count("the schema is gone") == 1
        await asyncio.gather(*(store(number) for number in range(30)))
        assert (await tools.ok("get_memory_stats"))["memories"] == 30


@pytest.mark.parametrize("how", [EMPTIED, BEFORE_VECTORS], ids=["emptied", "an earlier schema"])
async def test_health_notices_before_a_call_does(own: str, how: LiteralString):
    async with serving(own) as (server, tools):
        async with damaged(own, how):
            assert "lost its schema" in await problem(server)
            assert "lost its schema" in await tools.error("get_memories")
        await ready(server)
        await tools.ok("store_memory", content="another")
    async with await psycopg.AsyncConnection.connect(own) as connection:
        step = await (await connection.execute("SELECT max(step) FROM schema_steps")).fetchone()
        await connection.execute("SELECT FROM memory_numbers")
    assert step == (len(schema._STEPS),)


async def test_a_table_that_somebody_removed_is_named(own: str):
    async with serving(own) as (server, tools):
        async with damaged(own, "DROP TABLE memories CASCADE"):
            assert "unavailable" in await tools.error("get_memories")
        said = await eventually(
            lambda: problem(server), lambda said: "lost its schema" not in said, "the table named"
        )
        assert "its tables: memories missing, though schema_steps tells of them" in said


async def test_the_index_of_vectors_is_built_again(
    own: str, postgres, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vectors, "_IDLE_SECONDS", 0.1)
    name = own.rpartition("/")[2]
    install = ("--dbname", name, "--command", "CREATE EXTENSION vector")
    docker("exec", postgres.container, "psql", "--username=postgres", *install)

    async def indexes() -> list[tuple[str]]:
        query = "SELECT indexname FROM pg_indexes WHERE starts_with(indexname, %s)"
        async with await psycopg.AsyncConnection.connect(own) as connection:
            return await (await connection.execute(query, (schema._NEAR_NAME,))).fetchall()

    with upstream.serving() as service:
        service.routes[PATH] = answers()
        async with serving(own, EMBEDDINGS_URL=f"{service.url}/v1") as (server, tools):
            await eventually(indexes, bool, "the index built")
            async with damaged(own, ALL_BUT_EXTENSIONS):
                assert "lost its schema" in await problem(server)
            await ready(server)
            await eventually(indexes, bool, "the index built again")
            await tools.ok("store_memory", content="Bob drives an automobile")
            found = await tools.ok("search_memories", query="car")
            assert (found["mode"], found["note"]) == ("hybrid", None)
            assert len(found["hits"]) == 1
