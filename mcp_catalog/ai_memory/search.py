"""Full text search over memories, with trigrams where the database has them."""

from psycopg.sql import SQL
from sophia_mcp.pages import that_fit

from .database import Database
from .models import Hit, SearchResult, listed
from .scope import Scope
from .store import COLUMNS

# every_word: all words of the query; any_word: at least one that is not an English stop word.
# Each is asked as it is written and by its English stem. Matching all of them ranks first.
_SEARCH = SQL("""
    WITH query AS (
        SELECT plainto_tsquery('simple', %(query)s) || plainto_tsquery('english', %(query)s)
                   AS every_word,
               coalesce((
                   SELECT string_agg(simple::text || ' | ' || english::text, ' | ')
                   FROM unnest(tsvector_to_array(to_tsvector('simple', %(query)s))) AS word,
                        plainto_tsquery('simple', word) AS simple,
                        plainto_tsquery('english', word) AS english
                   WHERE numnode(simple) > 0 AND numnode(english) > 0
               ), '')::tsquery AS any_word
    )
    SELECT {columns},
           (ts_rank(search, every_word || any_word)
            + CASE WHEN search @@ every_word THEN 1 ELSE 0 END
            + {similarity})::float AS score
    FROM memories, query
    WHERE (search @@ (every_word || any_word) OR {similar}) AND {scope}
    ORDER BY score DESC, created_at DESC, id DESC
    LIMIT %(limit)s
""")


async def search(database: Database, query: str, scope: Scope, limit: int) -> SearchResult:
    """The memories of a scope that match `query`, best first.

    Raises:
        ToolError: Postgres is not there.
    """
    values = {**scope.parameters(), "query": query, "limit": limit}
    async with database.connection() as connection:
        trigrams = database.trigrams
        statement = _SEARCH.format(
            columns=COLUMNS,
            scope=scope.condition(),
            similarity=SQL("word_similarity(%(query)s, content)" if trigrams else "0"),
            similar=SQL("%(query)s <%% content" if trigrams else "false"),
        )
        rows = await (await connection.execute(statement, values)).fetchall()
    found = [Hit(memory=listed(row), score=round(row["score"], 4)) for row in rows]
    hits = that_fit(found)
    return SearchResult(hits=hits, more=len(hits) < len(found))
