"""Full text search over memories, with trigrams where the database has them.

However common its words are, a search looks at a bounded number of memories: the newest that have
each of the words, of which those with most words are ranked.
"""

from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Literal, Placeholder
from sophia_mcp.pages import that_fit

from .database import Database
from .models import Hit, Memory, SearchResult
from .problems import TookTooLong
from .scope import Scope
from .store import LISTED

_MOST_WORDS = 16
_MOST_PER_WORD = 100
_MOST_RANKED = 200
_SIMILAR_SECONDS = 1.0

# The words that are not English stop words, each as it is written and by its English stem.
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
            + {similarity})::float AS score
    FROM candidates JOIN memories USING (id)
    ORDER BY score DESC, created_at DESC, id DESC LIMIT %(limit)s
""")

_SIMILAR = SQL("""
    SELECT {columns}, word_similarity(%(query)s, content)::float AS score
    FROM memories
    WHERE %(query)s <%% content AND {scope} AND id <> ALL (%(found)s)
    ORDER BY score DESC, created_at DESC, id DESC LIMIT %(limit)s
""")


async def search(database: Database, query: str, scope: Scope, limit: int) -> SearchResult:
    """The memories of a scope that match `query`, best first. Those that are only similar to it are
    looked for when its words don't find enough, for a second at most.

    Raises:
        ToolError: Postgres is not there, or took too long.
    """
    values = {**scope.parameters(), "query": query, "limit": limit}
    async with database.transaction() as connection:
        rows = await _by_words(connection, values, scope, database.trigrams)
    if database.trigrams and len(rows) < limit:
        rows += await _by_similarity(database, values, scope, rows)
        rows.sort(key=lambda row: -row["score"])
    hits = [
        Hit(memory=Memory.model_validate(row), score=round(row["score"], 4)) for row in rows[:limit]
    ]
    fitting = that_fit(hits)
    return SearchResult(hits=fitting, more=len(fitting) < len(hits))


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
    """What a typo in the query hides; nothing if it takes too long to find."""
    statement = _SIMILAR.format(columns=LISTED, scope=scope.condition())
    values = values | {"found": [row["id"] for row in found]}
    try:
        async with database.transaction(_SIMILAR_SECONDS) as connection:
            return await (await connection.execute(statement, values)).fetchall()
    except TookTooLong:
        return []
