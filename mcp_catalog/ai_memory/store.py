"""Every statement that reads or writes memories, but for the search."""

from collections.abc import Mapping
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from mcp.server.mcpserver.exceptions import ToolError
from psycopg import errors
from psycopg.rows import DictRow
from psycopg.sql import SQL, Composed, Literal
from psycopg.types.json import Jsonb
from pydantic import BaseModel
from sophia_mcp.pages import that_fit

from . import cursors
from .database import Database
from .models import (
    COUNTED,
    LISTED_CONTENT,
    MAX_METADATA_BYTES,
    MAX_TAGS,
    Changed,
    Entity,
    EntityKind,
    EntityPage,
    Memory,
    MemoryPage,
    Stats,
    Stored,
)
from .scope import Scope
from .vectors import Vectors

T = TypeVar("T", bound=BaseModel)

WHOLE = SQL(
    "id, user_id, agent_id, run_id, content, false AS truncated, tags, metadata, created_at,"
    " updated_at"
)
LISTED = SQL(
    "id, user_id, agent_id, run_id, left(content, {most}) AS content,"
    " char_length(content) > {most} AS truncated, tags, metadata, created_at, updated_at"
).format(most=Literal(LISTED_CONTENT))

_INSERT = SQL("""
    INSERT INTO memories (user_id, agent_id, run_id, content, tags, metadata)
    VALUES (%(user_id)s, %(agent_id)s, %(run_id)s, %(content)s, %(tags)s, %(metadata)s)
    ON CONFLICT (coalesce(user_id, ''), coalesce(agent_id, ''), coalesce(run_id, ''), md5(content))
    DO UPDATE SET
        tags = ARRAY(SELECT DISTINCT unnest(memories.tags || excluded.tags) ORDER BY 1),
        metadata = memories.metadata || excluded.metadata,
        updated_at = now()
    RETURNING {columns}, (xmax = 0) AS created
""").format(columns=LISTED)

_UPDATE = SQL("""
    UPDATE memories SET
        content = coalesce(%(content)s, content),
        tags = coalesce(%(tags)s, tags),
        metadata = coalesce(%(metadata)s, metadata),
        updated_at = now()
    WHERE id = %(id)s AND {scope}
    RETURNING {columns}
""")

# Counting reads only the newest of a scope, which limits its cost.
_NEWEST: LiteralString = """
    WITH newest AS MATERIALIZED (
        SELECT id, user_id, agent_id, run_id, tags, octet_length(content) AS bytes, created_at,
               updated_at
        FROM memories WHERE {scope} ORDER BY created_at DESC, id DESC LIMIT {most}
    )
"""

_STATS = SQL(
    _NEWEST
    + """
    SELECT count(*) AS memories,
           CASE WHEN %(space)s::text IS NOT NULL THEN (
               SELECT count(*) FROM newest JOIN memory_vectors ON memory_id = id
               WHERE space = %(space)s
           ) END AS embedded,
           count(DISTINCT user_id) AS users,
           count(DISTINCT agent_id) AS agents, count(DISTINCT run_id) AS runs,
           coalesce(sum(bytes), 0)::bigint AS content_bytes,
           min(created_at) AS oldest, max(created_at) AS newest,
           coalesce((
               SELECT jsonb_agg(top) FROM (
                   SELECT tag, count(*) AS memories FROM newest, unnest(tags) AS tag
                   GROUP BY tag ORDER BY count(*) DESC, tag LIMIT 10
               ) AS top
           ), '[]') AS top_tags
    FROM newest
"""
)

_ENTITIES = SQL(
    _NEWEST
    + """
    SELECT kind, entity AS id, count(*) AS memories, max(updated_at) AS last_updated
    FROM newest, LATERAL (VALUES ('agent', agent_id), ('run', run_id), ('user', user_id))
         AS named (kind, entity)
    WHERE entity IS NOT NULL
      AND (%(kind)s::text IS NULL OR kind = %(kind)s)
      AND (%(after_kind)s::text IS NULL OR (kind, entity) > (%(after_kind)s, %(after_id)s))
    GROUP BY kind, entity ORDER BY kind, entity LIMIT %(limit)s
"""
)

_LIMITS = {
    "memories_tags_most": f"tags: expected at most {MAX_TAGS} on one memory, those it has included",
    "memories_metadata_most": f"metadata: expected at most {MAX_METADATA_BYTES} bytes as JSON on "
    "one memory, what it has and numbers written out included",
}


class MemoryStore:
    """Memories in Postgres. Every method raises ToolError when Postgres is not there.

    per_caller: whether callers see only their own memories; then tools have no other scope.
    vectors: of the memories' meanings; None if search is only by words.
    """

    def __init__(
        self, database: Database, per_caller: bool = False, vectors: Vectors | None = None
    ) -> None:
        self.database, self.per_caller, self.vectors = database, per_caller, vectors

    async def add(
        self, content: str, scope: Scope, tags: list[str], metadata: dict[str, Any]
    ) -> Stored:
        """Keep a memory once: the same content in the same scope takes on the new tags and keys."""
        values = scope.parameters() | {
            "content": content,
            "tags": sorted(set(tags)),
            "metadata": Jsonb(metadata),
        }
        try:
            async with self.database.transaction() as connection:
                row = await (await connection.execute(_INSERT, values)).fetchone()
        except errors.CheckViolation as violation:
            raise _too_large(violation) from None
        assert row is not None
        embedded = await self._embed(row["id"])
        return Stored(memory=Memory.model_validate(row), created=row["created"], embedded=embedded)

    async def get(self, memory_id: UUID, scope: Scope) -> Memory:
        """The memory with this id. Raises ToolError if the scope has none."""
        query = SQL("SELECT {columns} FROM memories WHERE id = %(id)s AND {scope}").format(
            columns=WHOLE, scope=scope.condition()
        )
        values = scope.parameters() | {"id": memory_id}
        async with self.database.transaction() as connection:
            row = await (await connection.execute(query, values)).fetchone()
        return _found(row, memory_id)

    async def page(self, scope: Scope, limit: int, cursor: str | None) -> MemoryPage:
        """The newest memories of a scope, or those after `cursor`."""
        values: dict[str, Any] = dict(scope.parameters())
        after = SQL("true")
        if cursor is not None:
            values["after_time"], values["after_id"] = cursors.read_memory(cursor)
            after = SQL("(created_at, id) < (%(after_time)s, %(after_id)s)")
        query = SQL(
            "SELECT {columns} FROM memories WHERE {scope} AND {after}"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s"
        ).format(columns=LISTED, scope=scope.condition(), after=after)
        memories, last = await self._page(Memory, query, values, limit)
        return MemoryPage(
            memories=memories,
            next_cursor=cursors.of_memory(last.created_at, last.id) if last else None,
        )

    async def update(
        self,
        memory_id: UUID,
        scope: Scope,
        content: str | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
    ) -> Changed:
        """Replace what is given; None leaves a field as it is. Raises ToolError if the scope has
        no such memory, another one with this content, or the memory would be too large."""
        query = _UPDATE.format(columns=LISTED, scope=scope.condition())
        values = scope.parameters() | {
            "id": memory_id,
            "content": content,
            "tags": None if tags is None else sorted(set(tags)),
            "metadata": None if metadata is None else Jsonb(metadata),
        }
        try:
            async with self.database.transaction() as connection:
                row = await (await connection.execute(query, values)).fetchone()
        except errors.UniqueViolation:
            raise ToolError(
                f"memory {memory_id}: another memory of the same user, agent and run already has "
                "this content; delete one of the two instead"
            ) from None
        except errors.CheckViolation as violation:
            raise _too_large(violation) from None
        memory = _found(row, memory_id)
        return Changed(**dict(memory), embedded=await self._embed(memory.id))

    async def delete(self, memory_id: UUID, scope: Scope) -> None:
        """Delete one memory. Raises ToolError if the scope has none with this id."""
        query = SQL("DELETE FROM memories WHERE id = %(id)s AND {scope}").format(
            scope=scope.condition()
        )
        values = scope.parameters() | {"id": memory_id}
        async with self.database.transaction() as connection:
            deleted = await connection.execute(query, values)
        if deleted.rowcount == 0:
            raise _missing(memory_id)

    async def delete_all(self, scope: Scope) -> int:
        """Delete all memories of a scope; how many there were."""
        query = SQL("DELETE FROM memories WHERE {scope}").format(scope=scope.condition())
        async with self.database.transaction() as connection:
            return (await connection.execute(query, scope.parameters())).rowcount

    async def stats(self, scope: Scope) -> Stats:
        """Numbers on the newest memories of a scope."""
        query = _STATS.format(scope=scope.condition(), most=Literal(COUNTED))
        values = scope.parameters() | {
            "space": await self.vectors.space() if self.vectors else None
        }
        async with self.database.transaction() as connection:
            row = await (await connection.execute(query, values)).fetchone()
        assert row is not None
        return Stats.model_validate({**row, "complete": row["memories"] < COUNTED})

    async def entities(
        self, scope: Scope, kind: EntityKind | None, limit: int, cursor: str | None
    ) -> EntityPage:
        """The users, agents and runs that have the newest memories of a scope, by kind and
        id."""
        after_kind, after_id = cursors.read_entity(cursor) if cursor else (None, None)
        values = scope.parameters() | {
            "kind": kind,
            "after_kind": after_kind,
            "after_id": after_id,
        }
        query = _ENTITIES.format(scope=scope.condition(), most=Literal(COUNTED))
        entities, last = await self._page(Entity, query, values, limit)
        return EntityPage(
            entities=entities,
            next_cursor=cursors.of_entity(last.kind, last.id) if last else None,
        )

    async def _embed(self, memory_id: UUID) -> bool:
        return self.vectors is not None and await self.vectors.embed(memory_id)

    async def _page(
        self, kind: type[T], query: Composed, values: Mapping[str, Any], limit: int
    ) -> tuple[list[T], T | None]:
        """What fits of a query's first rows, and the last of them if there are more."""
        async with self.database.transaction() as connection:
            found = await connection.execute(query, {**values, "limit": limit + 1})
            rows = await found.fetchall()
        entries = that_fit([kind.model_validate(row) for row in rows[:limit]])
        return entries, entries[-1] if len(rows) > len(entries) else None


def _found(row: DictRow | None, memory_id: UUID) -> Memory:
    if row is None:
        raise _missing(memory_id)
    return Memory.model_validate(row)


def _too_large(violation: errors.CheckViolation) -> ToolError:
    return ToolError(_LIMITS[str(violation.diag.constraint_name)])


def _missing(memory_id: UUID) -> ToolError:
    return ToolError(f"memory {memory_id}: there is none with this id; get_memories lists them")
