"""Memories by their meaning: which are nearest to a query, and how all of them get a vector.

A search reads the signs of all vectors in its scope first (a bit for each number; few differ
between two that are near), and compares exactly those whose signs differ least. Of a scope with no
more than those, every vector is compared.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Composed, Literal
from sophia_mcp.errors import Refused

from . import problems
from .database import Database
from .embeddings import MOST_CHARACTERS, Embeddings, Vector
from .schema import LOCK, UnsuitableDatabase
from .scope import Scope

logger = logging.getLogger(__name__)

_COMPARED, _COMPARED_BY_PGVECTOR = 200, 400
_SCANNED = 20_000
"""Vectors whose signs are read one by one; of more, pgvector's index gives the nearest."""
_BATCH = 16
_PAUSE_SECONDS, _IDLE_SECONDS, _LONGEST_SECONDS = 0.25, 30.0, 60.0
_TOO_MUCH = (400, 413, 422)
"""How services refuse a text, rather than a caller or all calls."""

_COUNT = SQL("""
    SELECT count(*) AS found FROM (
        SELECT FROM memory_vectors WHERE {scope} LIMIT {most}
    ) AS counted
""")
_NEAREST = SQL("""
    WITH alike AS MATERIALIZED (
        SELECT memory_id, space FROM memory_vectors
        WHERE {scope} ORDER BY {apart} LIMIT {compared}
    )
    SELECT memory_id, {cosine} AS cosine FROM alike JOIN memory_numbers USING (memory_id, space)
    ORDER BY cosine DESC LIMIT %(most)s
""")
_COSINE = SQL("(SELECT sum(a * b) FROM unnest(embedding, %(array)s::real[]) AS pair (a, b))::float")
_COSINE_BY_PGVECTOR = SQL("1 - (embedding::vector <=> %(array)s::real[]::vector)")
_APART = SQL("bit_count(signs # %(signs)s::bit varying)")
_APART_BY_PGVECTOR = SQL("signs::bit({size}) <~> %(signs)s::bit({size})")

_PENDING = SQL("""
    SELECT id, left(content, {most}) AS text FROM memories
    WHERE {which} AND NOT EXISTS (
        SELECT FROM memory_vectors WHERE memory_id = id AND space = %(space)s
    )
    ORDER BY id LIMIT {batch}
""")
# Only if the text is still the one that was embedded: a change waits for us, or we for it.
_KEEP = SQL("""
    WITH kept AS (
        INSERT INTO memory_vectors (memory_id, space, user_id, agent_id, run_id, signs)
        SELECT id, %(space)s, user_id, agent_id, run_id, %(signs)s::bit varying
        FROM memories WHERE id = %(id)s AND left(content, {most}) = %(text)s
        FOR SHARE ON CONFLICT DO NOTHING RETURNING memory_id, space
    )
    INSERT INTO memory_numbers SELECT memory_id, space, %(array)s::real[] FROM kept
""").format(most=Literal(MOST_CHARACTERS))
# In steps, and not those that a replica with the former settings still makes.
_FORGET = SQL("""
    DELETE FROM memory_vectors WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM memory_vectors WHERE space IN (
            SELECT space FROM memory_vectors WHERE space <> %(space)s
            GROUP BY space HAVING max(made_at) < now() - interval '1 hour'
        ) LIMIT 2000
    ))
""")


class Vectors:
    """The vectors of all memories, of one model."""

    def __init__(self, database: Database, embeddings: Embeddings) -> None:
        self._database, self._embeddings = database, embeddings

    async def space(self) -> str | None:
        """The name of what the vectors may be compared within; None before it is known."""
        try:
            return await self._embeddings.space()
        except ToolError:
            return None

    async def nearest(self, query: str, scope: Scope, most: int) -> dict[UUID, float]:
        """The memories of a scope whose meaning is nearest to the query's, with the cosines.

        Raises:
            ToolError: the service or Postgres is not there, or took too long.
        """
        vector = await self._embeddings.of_query(query)
        within = self._within(await self._embeddings.space(), scope)
        values = _values(vector) | scope.parameters() | {"most": most}
        pgvector = self._database.pgvector
        async with self._database.transaction() as connection:
            apart = await self._apart(connection, within, values)
            nearest = _NEAREST.format(
                scope=within,
                apart=apart,
                compared=Literal(_COMPARED_BY_PGVECTOR if pgvector else _COMPARED),
                cosine=_COSINE_BY_PGVECTOR if pgvector else _COSINE,
            )
            rows = await (await connection.execute(nearest, values)).fetchall()
        return {row["memory_id"]: row["cosine"] for row in rows}

    async def embed(self, memory_id: UUID) -> bool:
        """Give the memory its vector, unless it has one; whether it has one now. Never raises for a
        service that is away: the memory gets it later."""
        try:
            space = await self._embeddings.space()
            async with self._database.transaction() as connection:
                rows = await _pending(connection, space, SQL("id = %(id)s"), id=memory_id)
            for row in rows:
                vector = await self._embeddings.of_memory(row["text"])
                async with self._database.transaction() as connection:
                    await _keep(connection, space, row, vector)
        except ToolError as error:
            logger.warning("not embedded yet", extra={"reason": getattr(error, "reason", None)})
            return False
        return True

    async def keep_up(self) -> None:
        """Embed memories without a vector of this model, for as long as the task runs: older ones,
        and those stored while the service was down. One replica does it at a time."""
        after: UUID | None = None
        wait, told = _PAUSE_SECONDS, None
        while True:
            try:
                after = await self._next(after)
                wait, told = _PAUSE_SECONDS if after else _IDLE_SECONDS, None
            except (ToolError, psycopg.Error, UnsuitableDatabase) as error:
                reason = _reason(error)
                if reason != told:
                    logger.warning("memories wait for their vectors", extra={"reason": reason})
                wait, told = min(2 * wait, _LONGEST_SECONDS), reason
            await asyncio.sleep(wait)

    async def _next(self, after: UUID | None) -> UUID | None:
        """Embed the next memories by id; the last one's, or None if none is left."""
        space = await self._embeddings.space()
        database, dimensions = self._database, self._embeddings.dimensions
        if database.pgvector and not database.vectors_indexed and dimensions:
            await database.index_vectors(space, dimensions)
        async with database.transaction() as connection:
            asked = await connection.execute(
                "SELECT pg_try_advisory_xact_lock(%s) AS alone", (LOCK + 2,)
            )
            if await asked.fetchone() != {"alone": True}:
                return None
            which = SQL("true") if after is None else SQL("id > %(after)s")
            rows = await _pending(connection, space, which, after=after)
            if not rows:
                if after is None:
                    await connection.execute(_FORGET, {"space": space})
                return None
            kept = 0
            for row, vector in zip(rows, await self._vectors(rows), strict=True):
                if vector is not None:
                    await _keep(connection, space, row, vector)
                    kept += 1
        logger.info("memories embedded", extra={"embedded": kept, "refused": len(rows) - kept})
        return UUID(str(rows[-1]["id"]))

    async def _vectors(self, rows: list[DictRow]) -> list[Vector | None]:
        """None for a text that the service refuses: it must not keep the others waiting."""
        try:
            return list(await self._embeddings.of_memories([row["text"] for row in rows]))
        except Refused as refusal:
            if refusal.status not in _TOO_MUCH:
                raise
            if len(rows) == 1:
                return [None]
        return [vector for row in rows for vector in await self._vectors([row])]

    async def _apart(
        self, connection: AsyncConnection[DictRow], within: Composed, values: dict[str, Any]
    ) -> SQL | Composed:
        """How far signs are from the query's: counted, or by the index where that saves much."""
        if not self._database.vectors_indexed:
            return _APART
        count = _COUNT.format(scope=within, most=Literal(_SCANNED + 1))
        found = await (await connection.execute(count, values)).fetchone()
        if found is None or found["found"] <= _SCANNED:
            return _APART
        await connection.execute(
            "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),"
            " set_config('hnsw.ef_search', %s, true),"
            " set_config('hnsw.max_scan_tuples', '200000', true)",
            (str(_COMPARED_BY_PGVECTOR),),
        )
        return _APART_BY_PGVECTOR.format(size=Literal(self._embeddings.dimensions))

    def _within(self, space: str, scope: Scope) -> Composed:
        """The scope, on vectors. They have no tags."""
        parts = [SQL("space = {}").format(Literal(space)), replace(scope, tags=()).condition()]
        if scope.tags:
            tagged = SQL("EXISTS (SELECT FROM memories WHERE id = memory_id AND tags @> %(tags)s)")
            parts.append(tagged.format())
        return SQL(" AND ").join(parts)


async def _pending(
    connection: AsyncConnection[DictRow], space: str, which: SQL, **values: object
) -> list[DictRow]:
    query = _PENDING.format(which=which, most=Literal(MOST_CHARACTERS), batch=Literal(_BATCH))
    return await (await connection.execute(query, {"space": space, **values})).fetchall()


async def _keep(
    connection: AsyncConnection[DictRow], space: str, row: DictRow, vector: Vector
) -> None:
    await connection.execute(_KEEP, {"space": space, **row, **_values(vector)})


def _values(vector: Vector) -> dict[str, Any]:
    return {"array": vector.array, "signs": vector.signs}


def _reason(error: Exception) -> str:
    """Free of anybody's data."""
    if isinstance(error, psycopg.Error | UnsuitableDatabase):
        return problems.reason(error)
    return str(getattr(error, "reason", None) or type(error).__name__)
