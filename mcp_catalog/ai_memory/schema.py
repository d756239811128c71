"""The database's schema, as a list of steps that only ever grows.

A step must leave the previous version of this server working: during a rolling update both run.
"""

import logging
from typing import Any, LiteralString

from psycopg import AsyncConnection, errors

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
)


async def migrate(connection: AsyncConnection[Any]) -> bool:
    """Bring the schema up to date; safe when any number of replicas start at once.

    Returns whether search can use trigrams (the extension pg_trgm is there).

    Raises:
        psycopg.Error: the database refused; nothing was changed.
        UnsuitableDatabase: its encoding is not UTF8.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnsuitableDatabase(f"its encoding: expected UTF8, got {encoding}; create it anew")
    async with connection.transaction():
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
        return await _trigrams(connection)


async def _trigrams(connection: AsyncConnection[Any]) -> bool:
    """Install pg_trgm and its index where the server has it and allows it."""
    try:
        async with connection.transaction():
            await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            await connection.execute(
                "CREATE INDEX IF NOT EXISTS memories_trigrams ON memories"
                " USING gin (content gin_trgm_ops)"
            )
    except (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege) as why:
        logger.warning("searching without trigrams", extra={"reason": str(why).splitlines()[0]})
        return False
    return True
