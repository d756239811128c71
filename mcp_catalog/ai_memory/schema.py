"""The database's schema, as a list of steps that only ever grows.

A step must leave the previous version of this server working: during a rolling update both run.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import md5
from typing import Any, LiteralString

from psycopg import AsyncConnection, errors
from psycopg.sql import SQL, Composed, Identifier, Literal

logger = logging.getLogger(__name__)


class UnsuitableDatabase(Exception):
    """The database can't store memories in its present state."""


LOCK = 4_716_209_000  # any number, the same in every replica; the next ones are locks, too

_STEPS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE memories (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id text,
        agent_id text,
        run_id text,
        content text NOT NULL,
        tags text[] NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        -- 'simple' finds words of any language as they are, 'english' also by their stem.
        search tsvector NOT NULL GENERATED ALWAYS AS (
            setweight(to_tsvector('simple', content), 'A')
            || setweight(to_tsvector('english', content), 'B')
        ) STORED
    );
    CREATE UNIQUE INDEX memories_once ON memories (
        coalesce(user_id, ''), coalesce(agent_id, ''), coalesce(run_id, ''), md5(content)
    );
    CREATE INDEX memories_newest ON memories (created_at DESC, id DESC);
    CREATE INDEX memories_user ON memories (user_id, created_at DESC, id DESC);
    CREATE INDEX memories_agent ON memories (agent_id, created_at DESC, id DESC);
    CREATE INDEX memories_run ON memories (run_id, created_at DESC, id DESC);
    CREATE INDEX memories_search ON memories USING gin (search);
    CREATE INDEX memories_tags ON memories USING gin (tags);
    """,
    # As models.py limits a call, so that no number of calls makes a larger one. Rows that are
    # larger by now stay, and have to shrink with their next change.
    """
    ALTER TABLE memories
        ADD CONSTRAINT memories_tags_most CHECK (cardinality(tags) <= 20) NOT VALID,
        ADD CONSTRAINT memories_metadata_most
            CHECK (octet_length(metadata::text) <= 8192) NOT VALID;
    """,
    # Vectors of a memory's meaning, one for each model (space) in use, with its scope. The previous
    # # version doesn't know vectors, but also changes and deletes memories.
    """
    CREATE TABLE memory_vectors (
        memory_id uuid NOT NULL REFERENCES memories ON DELETE CASCADE,
        space text NOT NULL,
        user_id text,
        agent_id text,
        run_id text,
        made_at timestamptz NOT NULL DEFAULT now(),
        signs bit varying NOT NULL,
        PRIMARY KEY (memory_id, space)
    );
    -- Apart, as a search reads many signs and few of the numbers, which don't shrink.
    CREATE TABLE memory_numbers (
        memory_id uuid NOT NULL,
        space text NOT NULL,
        embedding real[] NOT NULL,
        PRIMARY KEY (memory_id, space),
        FOREIGN KEY (memory_id, space) REFERENCES memory_vectors ON DELETE CASCADE
    );
    ALTER TABLE memory_numbers ALTER embedding SET STORAGE EXTERNAL;
    CREATE INDEX memory_vectors_user ON memory_vectors (user_id, space);
    CREATE INDEX memory_vectors_agent ON memory_vectors (agent_id, space);
    CREATE INDEX memory_vectors_run ON memory_vectors (run_id, space);
    CREATE FUNCTION memory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.content <> NEW.content THEN
            DELETE FROM memory_vectors WHERE memory_id = NEW.id;
        ELSE
            UPDATE memory_vectors
            SET user_id = NEW.user_id, agent_id = NEW.agent_id, run_id = NEW.run_id
            WHERE memory_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER memories_changed AFTER UPDATE OF content, user_id, agent_id, run_id ON memories
        FOR EACH ROW WHEN (
            (OLD.content, OLD.user_id, OLD.agent_id, OLD.run_id)
            IS DISTINCT FROM (NEW.content, NEW.user_id, NEW.agent_id, NEW.run_id)
        ) EXECUTE FUNCTION memory_changed();
    """,
)


_TABLES = ["memories", "memory_vectors", "memory_numbers"]
CURRENT = SQL("SELECT max(step) >= {} FROM schema_steps").format(Literal(len(_STEPS)))
"""Whether the database has this schema, or a newer version's. Without any it is an error."""

# Built after the server is ready, without keeping writers waiting.
_TRIGRAMS = SQL("USING gin (content gin_trgm_ops)")
_NEAR = SQL("USING hnsw ((signs::bit({size})) bit_hamming_ops) WHERE space = {space}")
_NEAR_NAME = "memory_vectors_near_"


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Bring the schema up to date; safe when any number of replicas start at once. A step may take
    as long as it needs, but waits for others' locks for 5 s at most.

    Raises:
        psycopg.Error: the database refused; nothing was changed.
        UnsuitableDatabase: its encoding is not UTF8, or somebody removed tables.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnsuitableDatabase(f"its encoding: expected UTF8, got {encoding}; create it anew")
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_steps"
            " (step integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        cursor = await connection.execute("SELECT coalesce(max(step), 0) FROM schema_steps")
        row = await cursor.fetchone()
        done = int(row[0]) if row else 0
        for number, step in enumerate(_STEPS[done:], start=done + 1):
            await connection.execute(step)
            await connection.execute("INSERT INTO schema_steps (step) VALUES (%s)", (number,))
            logger.info("schema step applied", extra={"step": number})
        cursor = await connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL",
            (_TABLES,),
        )
        if missing := [name for (name,) in await cursor.fetchall()]:
            raise UnsuitableDatabase(
                f"its tables: {', '.join(missing)} missing, though schema_steps tells of them; "
                "restore them, or drop schema_steps and the others"
            )


async def build_indexes(holder: AsyncConnection[Any], builder: AsyncConnection[Any]) -> bool:
    """Install pg_trgm and build its index where the server has it and allows it.

    holder: keeps other replicas out, in a separate transaction.
    builder: builds; memories can be read and written during that, however long it takes.

    Returns whether search can use trigrams.

    Raises:
        psycopg.Error: the database refused.
        UnsuitableDatabase: another replica builds just now.
    """
    async with _alone(holder):
        await builder.execute("SET statement_timeout = 0")
        if not await _install(builder, "pg_trgm"):
            logger.warning("searching without trigrams: the server has no pg_trgm, or forbids it")
            return False
        await _build(builder, "memories", "memories_trigrams", _TRIGRAMS)
    return True


async def has_pgvector(connection: AsyncConnection[Any]) -> bool:
    """Whether pgvector is there, in a version whose scans go on until they have found enough, or
    can be installed. Only a superuser may; the platform's database has it from its start on.

    Raises psycopg.Error when the database refused.
    """
    await _install(connection, "vector")
    cursor = await connection.execute(
        "SELECT string_to_array(extversion, '.')::int[] >= '{0,8}' FROM pg_extension"
        " WHERE extname = 'vector' AND to_regtype('vector') IS NOT NULL"
    )
    return await cursor.fetchone() == (True,)


async def index_vectors(
    holder: AsyncConnection[Any], builder: AsyncConnection[Any], space: str, dimensions: int
) -> None:
    """Build pgvector's index of the signs of one model's vectors, as `build_indexes` does, and drop
    those of others."""
    name = _NEAR_NAME + md5(space.encode(), usedforsecurity=False).hexdigest()[:12]
    async with _alone(holder):
        await builder.execute("SET statement_timeout = 0")
        rest = _NEAR.format(size=Literal(dimensions), space=Literal(space))
        await _build(builder, "memory_vectors", name, rest)
        cursor = await builder.execute(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid"
            " WHERE indrelid = to_regclass('memory_vectors') AND starts_with(relname, %s)"
            " AND relname <> %s",
            (_NEAR_NAME, name),
        )
        for (other,) in await cursor.fetchall():
            await builder.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(other)))


@asynccontextmanager
async def _alone(holder: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Raises UnsuitableDatabase while another replica is here."""
    async with holder.transaction():
        # A statement with parameters keeps a snapshot after its end, for which the builder would
        # wait, and we for it.
        lock = SQL("SELECT pg_try_advisory_xact_lock({})").format(Literal(LOCK + 1))
        cursor = await holder.execute(lock)
        if await cursor.fetchone() != (True,):
            raise UnsuitableDatabase("another replica builds the indexes")
        yield


async def _install(connection: AsyncConnection[Any], extension: LiteralString) -> bool:
    try:
        await connection.execute(SQL("CREATE EXTENSION IF NOT EXISTS ") + SQL(extension))
    except (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege):
        return False
    return True


async def _build(
    connection: AsyncConnection[Any], table: str, name: str, rest: SQL | Composed
) -> None:
    """Build an index unless it is complete; rebuild an interrupted one."""
    # Of this table: another schema on the search path may have one of the same name.
    cursor = await connection.execute(
        "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE indrelid = to_regclass(%s) AND relname = %s",
        (table, name),
    )
    row = await cursor.fetchone()
    if row == (True,):
        return
    if row is not None:
        await connection.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(name)))
    create = SQL("CREATE INDEX CONCURRENTLY {} ON {} ").format(Identifier(name), Identifier(table))
    await connection.execute(create + rest)
    logger.info("index built", extra={"index": name})
