"""ai_memory's limits and schema on a real Postgres: no number of calls exceeds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from psycopg.conninfo import conninfo_to_dict
from sophia_mcp.settings import Credential

from mcp_catalog.ai_memory import schema
from mcp_catalog.ai_memory.database import Database
from mcp_catalog.ai_memory.models import COUNTED
from mcp_catalog.ai_memory.scope import Scope
from mcp_catalog.ai_memory.search import search
from mcp_catalog.ai_memory.store import MemoryStore
from tests.support.polling import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow]


@asynccontextmanager
async def ready(url: str) -> AsyncIterator[MemoryStore]:
    """A store once its schema and its indexes exist."""
    database = Database(Credential("MEMORY_DATABASE_URL", url), 4)

    async def stats() -> str:
        try:
            await store.stats(Scope())
        except ToolError as error:
            return str(error)
        return "ready"

    store = MemoryStore(database)
    async with database.opened():
        await eventually(stats, lambda said: said == "ready", "the schema ready")
        yield store


async def test_no_number_of_calls_gives_a_memory_more_tags_than_one_may(place: str):
    async with ready(place) as store:
        for first in (0, 10):
            tags = [f"tag-{number}" for number in range(first, first + 10)]
            kept = await store.add("once", Scope(), tags, {})
        with pytest.raises(ToolError, match=r"^tags: expected at most 20 on one memory"):
            await store.add("once", Scope(), ["one-more"], {})
        assert len((await store.get(kept.memory.id, Scope())).tags) == 20


async def test_nor_more_metadata_nor_numbers_that_are_long_written_out(place: str):
    async with ready(place) as store:
        kept = await store.add("once", Scope(), [], {"a": "x" * 8_000})
        for metadata in ({"b": "x" * 8_000}, {"a": [1e300] * 100}):
            with pytest.raises(ToolError, match=r"^metadata: expected at most 8192 bytes"):
                await store.add("once", Scope(), [], metadata)
            with pytest.raises(ToolError, match=r"^metadata: expected at most 8192 bytes"):
                await store.add("another", Scope(), [], {**metadata, "c": "x" * 1_000})
        with pytest.raises(ToolError, match=r"^metadata: expected at most 8192 bytes"):
            await store.update(kept.memory.id, Scope(), None, None, {"a": [1e300] * 100})
        assert (await store.get(kept.memory.id, Scope())).metadata == {"a": "x" * 8_000}


async def test_a_rare_word_is_found_among_many_memories_with_a_common_one(place: str):
    async with ready(place) as store:
        await store.add("common words and a zebra", Scope(), [], {})
        async with store.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO memories (content) SELECT 'common words ' || n FROM"
                " generate_series(1, 500) AS n"
            )
        result = await search(store, "common zebra", Scope(), 3)
        assert result.hits[0].memory.content == "common words and a zebra"
        assert len(result.hits) == 3
        assert not result.more


async def test_counts_look_at_the_newest_and_say_so(place: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mcp_catalog.ai_memory.store.COUNTED", 10)
    assert COUNTED > 10
    async with ready(place) as store:
        for number in range(12):
            await store.add(f"fact {number}", Scope(user_id=f"u{number:02}"), [], {})
        stats = await store.stats(Scope())
        assert (stats.memories, stats.users, stats.complete) == (10, 10, False)
        page = await store.entities(Scope(), "user", 50, None)
        assert [entity.id for entity in page.entities] == [f"u{n:02}" for n in range(2, 12)]
        assert (await store.stats(Scope(user_id="u00"))).complete


async def test_a_slow_statement_is_not_called_unavailable(place: str):
    async with ready(place) as store:
        with pytest.raises(ToolError, match=r"took longer than 0\.05 s .* narrow the query"):
            async with store.database.transaction(0.05) as connection:
                await connection.execute("SELECT pg_sleep(5)")
        assert (await store.stats(Scope())).memories == 0


async def test_a_step_of_the_schema_takes_as_long_as_it_needs(
    place: str, monkeypatch: pytest.MonkeyPatch
):
    steps = (*schema._STEPS, "SELECT pg_sleep(0.5)")
    monkeypatch.setattr(schema, "_STEPS", steps)
    async with ready(place) as store, store.database.transaction() as connection:
        row = await (
            await connection.execute("SELECT max(step) AS last FROM schema_steps")
        ).fetchone()
    assert row == {"last": len(steps)}


async def test_an_index_whose_build_was_interrupted_is_built_anew_while_others_wait(place: str):
    async def whole(connection: psycopg.AsyncConnection) -> bool | None:
        cursor = await connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('memories_trigrams')"
        )
        return next(iter(await cursor.fetchone() or ()), None)

    async with ready(place):
        pass
    async with await psycopg.AsyncConnection.connect(place, autocommit=True) as connection:
        await connection.execute("DROP INDEX memories_trigrams")
        # A build waits for writers, and leaves an index that is not whole if it is stopped then.
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO memories (content) VALUES ('not yet')")
        async with await psycopg.AsyncConnection.connect(place, autocommit=True) as builder:
            await builder.execute("SET statement_timeout = 100")
            with pytest.raises(psycopg.errors.QueryCanceled):
                await builder.execute(
                    "CREATE INDEX CONCURRENTLY memories_trigrams ON memories"
                    " USING gin (content gin_trgm_ops)"
                )
        await connection.execute("COMMIT")
        assert await whole(connection) is False
    async with (
        ready(place),
        ready(place),
        await psycopg.AsyncConnection.connect(place, autocommit=True) as connection,
    ):
        await eventually(lambda: whole(connection), bool, "the index whole")


async def test_a_password_with_punctuation_and_tls_options_connect(postgres):
    assert conninfo_to_dict(postgres.url)["password"]
    async with ready(f"{postgres.url}?sslmode=prefer&target_session_attrs=read-write") as store:
        await asyncio.gather(*(store.stats(Scope()) for _ in range(8)))
