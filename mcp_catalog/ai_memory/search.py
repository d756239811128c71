"""Search over memories: full text, trigrams where the database has them, and meaning where there
are embeddings.

However common its words are, a search reads a limited number of memories: the newest that have
each of the words, of which those with most words are ranked. What words find and what is near in
meaning is put in one order by ranks (reciprocal rank fusion), as their scores can't be compared. To
have all words counts as a first rank more, or an id would drown among others that look like it.
"""

import asyncio
from typing import Any, LiteralString
from uuid import UUID

from mcp.server.mcpserver.exceptions import ToolError
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Literal, Placeholder
from sophia_mcp.pages import that_fit

from .database import Database
from .models import Hit, Memory, SearchResult
from .problems import TookTooLong
from .scope import Scope
from .store import LISTED, MemoryStore
from .vectors import Vectors

_MOST_WORDS = 16
_MOST_PER_WORD = 100
_MOST_RANKED = 200
_SIMILAR_SECONDS = 1.0
_FUSED = 50
"""Hits of each kind, at least, that are put in one order."""
_RANK = 60
"""Of reciprocal rank fusion, as its authors chose it (Cormack, Clarke and Büttcher, SIGIR 2009)."""

# The words except English stop words, each as written and by its English stem.
_WORDS = SQL("""
    SELECT simple::text || ' | ' || english::text AS word
    FROM unnest(tsvector_to_array(to_tsvector('simple', %(query)s))) AS lexeme,
         plainto_tsquery('simple', lexeme) AS simple,
         plainto_tsquery('english', lexeme) AS english
    WHERE numnode(simple) > 0 AND numnode(english) > 0
    LIMIT {most}
""").format(most=Literal(_MOST_WORDS))

_EVERY_WORD: LiteralString = (
    "(plainto_tsquery('simple', %(query)s) || plainto_tsquery('english', %(query)s))"
)

# Planned with the word at hand: of a common one the newest are read by age, a rare one is found
# by its index.
_NEWEST = SQL("""
    (SELECT id FROM memories WHERE search @@ {word} AND {scope}
     ORDER BY created_at DESC, id DESC LIMIT {most})
""")

# Matching all words ranks first.
_RANKED = SQL("""
    WITH candidates AS (
        SELECT id FROM ({newest}) AS found GROUP BY id ORDER BY count(*) DESC LIMIT {most}
    )
    SELECT {columns},
           (ts_rank(search, {every_word} || %(any_word)s::tsquery)
            + CASE WHEN search @@ {every_word} THEN 1 ELSE 0 END
            + {similarity})::float AS score,
           search @@ {every_word} AS whole
    FROM candidates JOIN memories USING (id)
    ORDER BY score DESC, created_at DESC, id DESC LIMIT %(limit)s
""")

_SIMILAR = SQL("""
    SELECT {columns}, word_similarity(%(query)s, content)::float AS score
    FROM memories
    WHERE %(query)s <%% content AND {scope} AND id <> ALL (%(found)s)
    ORDER BY score DESC, created_at DESC, id DESC LIMIT %(limit)s
""")

_BY_IDS = SQL("SELECT {columns} FROM memories WHERE id = ANY (%(ids)s) AND {scope}")


async def search(store: MemoryStore, query: str, scope: Scope, limit: int) -> SearchResult:
    """The memories of a scope that match `query`, best first; by words only if the service that
    tells meanings is away.

    Raises:
        ToolError: Postgres is not there, or took too long.
    """
    if store.vectors is None:
        rows = await _lexical(store.database, query, scope, limit)
        return _result(rows, limit, SearchResult(hits=[], more=False, mode="lexical"))
    most = max(limit, _FUSED)
    rows, near = await asyncio.gather(
        _lexical(store.database, query, scope, most, similar=False),
        _near(store.vectors, query, scope, most),
    )
    if isinstance(near, ToolError):
        if not rows:
            rows = await _lexical(store.database, query, scope, limit)
        return _result(
            rows, limit, SearchResult(hits=[], more=False, mode="lexical", note=str(near))
        )
    rows = await _fused(store.database, rows, near, scope, limit)
    return _result(rows, limit, SearchResult(hits=[], more=False, mode="hybrid"))


def _result(rows: list[DictRow], limit: int, result: SearchResult) -> SearchResult:
    hits = [
        Hit(
            memory=Memory.model_validate(row),
            score=round(row["score"], 4),
            cosine=row.get("cosine"),
        )
        for row in rows[:limit]
    ]
    fitting = that_fit(hits)
    return result.model_copy(update={"hits": fitting, "more": len(fitting) < len(hits)})


async def _near(
    vectors: Vectors, query: str, scope: Scope, most: int
) -> dict[UUID, float] | ToolError:
    try:
        return await vectors.nearest(query, scope, most)
    except ToolError as error:
        return error


async def _fused(
    database: Database,
    rows: list[DictRow],
    near: dict[UUID, float],
    scope: Scope,
    limit: int,
) -> list[DictRow]:
    """Both in one order. What only its meaning found is read now."""
    found = {row["id"]: row for row in rows}
    whole = [one for one, row in found.items() if row["whole"]]
    scores = dict.fromkeys(whole, 1 / (_RANK + 1))
    for ranking in (found, near):
        for rank, one in enumerate(ranking, start=1):
            scores[one] = scores.get(one, 0.0) + 1 / (_RANK + rank)
    # Of two that are equal, what words found comes first: sorting keeps the order.
    best = sorted(scores, key=lambda one: -scores[one])[:limit]
    missing = [one for one in best if one not in found]
    if missing:
        query = _BY_IDS.format(columns=LISTED, scope=scope.condition())
        async with database.transaction() as connection:
            read = await connection.execute(query, {**scope.parameters(), "ids": missing})
            found |= {row["id"]: row for row in await read.fetchall()}
    return [
        {**found[one], "score": scores[one], "cosine": near.get(one)}
        for one in best
        if one in found
    ]


async def _lexical(
    database: Database, query: str, scope: Scope, limit: int, similar: bool = True
) -> list[DictRow]:
    """By words. Those that are only similar to it are looked for when its words don't find enough,
    for a second at most."""
    values = {**scope.parameters(), "query": query, "limit": limit}
    async with database.transaction() as connection:
        rows = await _by_words(connection, values, scope, database.trigrams)
    if similar and database.trigrams and len(rows) < limit:
        rows += await _by_similarity(database, values, scope, rows)
        rows.sort(key=lambda row: -row["score"])
    return rows


async def _by_words(
    connection: AsyncConnection[DictRow], values: dict[str, Any], scope: Scope, trigrams: bool
) -> list[DictRow]:
    rows = await (await connection.execute(_WORDS, values)).fetchall()
    words = {f"word_{number}": row["word"] for number, row in enumerate(rows)}
    asked = [SQL(_EVERY_WORD), *(SQL("{}::tsquery").format(Placeholder(name)) for name in words)]
    statement = _RANKED.format(
        columns=LISTED,
        every_word=SQL(_EVERY_WORD),
        newest=SQL(" UNION ALL ").join(
            _NEWEST.format(word=word, scope=scope.condition(), most=Literal(_MOST_PER_WORD))
            for word in asked
        ),
        most=Literal(_MOST_RANKED),
        # Of the beginnings: that of two long texts takes seconds.
        similarity=SQL(
            "word_similarity(left(%(query)s, 200), left(content, 2000))" if trigrams else "0"
        ),
    )
    values = values | words | {"any_word": " | ".join(words.values())}
    return await (await connection.execute(statement, values)).fetchall()


async def _by_similarity(
    database: Database, values: dict[str, Any], scope: Scope, found: list[DictRow]
) -> list[DictRow]:
    """Results that a typo in the query hides; none if finding them takes too long."""
    statement = _SIMILAR.format(columns=LISTED, scope=scope.condition())
    values = values | {"found": [row["id"] for row in found]}
    try:
        async with database.transaction(_SIMILAR_SECONDS) as connection:
            return await (await connection.execute(statement, values)).fetchall()
    except TookTooLong:
        return []
