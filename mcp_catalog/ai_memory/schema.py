"""The database's schema, as a list of steps that only ever grows.

A step must leave the previous version of this server working: during a rolling update both run.
"""

import logging
from typing import Any, LiteralString

from psycopg import AsyncConnection, errors
from psycopg.sql import SQL, Identifier, Literal

logger = logging.getLogger(__name__)


class UnsuitableDatabase(Exception):
    """The database can't keep memories as it is."""


_LOCK = 4_716_209_000  # any number, the same in every replica

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
)


# Built after the server is ready, without keeping writers waiting: name, and what follows the name.
_TRIGRAMS: tuple[LiteralString, LiteralString] = (
    "memories_trigrams",
    "ON memories USING gin (content gin_trgm_ops)",
)


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Bring the schema up to date; safe when any number of replicas start at once. A step may take
    as long as it needs, but waits for others' locks for 5 s at most.

    Raises:
        psycopg.Error: the database refused; nothing was changed.
        UnsuitableDatabase: its encoding is not UTF8.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnsuitableDatabase(f"its encoding: expected UTF8, got {encoding}; create it anew")
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
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


async def build_indexes(holder: AsyncConnection[Any], builder: AsyncConnection[Any]) -> bool:
    """Install pg_trgm and build its index where the server has it and allows it.

    holder: keeps other replicas out meanwhile, in a transaction of its own.
    builder: builds; memories can be read and written meanwhile, however long it takes.

    Returns whether search can use trigrams.

    Raises:
        psycopg.Error: the database refused.
        UnsuitableDatabase: another replica builds just now.
    """
    async with holder.transaction():
        # A statement with parameters keeps a snapshot after its end, for which the builder would
        # wait, and we for it.
        lock = SQL("SELECT pg_try_advisory_xact_lock({})").format(Literal(_LOCK + 1))
        cursor = await holder.execute(lock)
        if await cursor.fetchone() != (True,):
            raise UnsuitableDatabase("another replica builds the indexes")
        await builder.execute("SET statement_timeout = 0")
        try:
            await builder.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege):
            logger.warning("searching without trigrams: the server has no pg_trgm, or forbids it")
            return False
        await _build(builder, *_TRIGRAMS)
    return True


async def _build(
    connection: AsyncConnection[Any], name: LiteralString, rest: LiteralString
) -> None:
    """Build an index if it is not there whole; one that was interrupted is made anew."""
    cursor = await connection.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,)
    )
    row = await cursor.fetchone()
    if row == (True,):
        return
    if row is not None:
        await connection.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(name)))
    create = SQL("CREATE INDEX CONCURRENTLY {} ").format(Identifier(name)) + SQL(rest)
    await connection.execute(create)
    logger.info("index built", extra={"index": name})
