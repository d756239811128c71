"""Which queries take the time, and which indexes would save it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pgparse
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.pages import cut

from . import guard
from .database import Connection, Databases
from .queries import DatabaseName, Sql, allow, explained, extension, imagine

Order = Literal["total_time", "mean_time", "calls", "rows", "blocks_read", "temp_blocks"]
_Limit = Annotated[int, Field(ge=1, le=50, description="How many at most")]
_Queries = Annotated[
    list[Sql] | None, Field(max_length=10, description="SELECTs; else the heaviest ten of all")
]

_ORDERS: dict[Order, str] = {
    "total_time": "total_exec_time", "mean_time": "mean_exec_time", "calls": "calls",
    "rows": "rows", "blocks_read": "shared_blks_read", "temp_blocks": "temp_blks_written",
}  # fmt: skip
_TOP = """
    SELECT query, calls, rows, round(total_exec_time::numeric, 1)::float AS total_ms,
           round(mean_exec_time::numeric, 3)::float AS mean_ms,
           round((100 * total_exec_time / nullif(sum(total_exec_time) OVER (), 0))::numeric, 1)
               ::float AS percent_of_time,
           shared_blks_read AS blocks_read, shared_blks_hit AS blocks_cached,
           temp_blks_written AS temp_blocks
    FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY {order} DESC, query LIMIT $1"""
_HOW = (
    "the database has no pg_stat_statements. Its operator adds it to shared_preload_libraries, "
    "restarts Postgres, runs CREATE EXTENSION pg_stat_statements, and grants pg_read_all_stats to "
    "this server's role"
)
_TABLE = """
    SELECT quote_ident(nspname) || '.' || quote_ident(relname) AS table, reltuples AS rows,
           (SELECT coalesce(json_agg(pg_get_indexdef(indexrelid)), '[]') FROM pg_index
            WHERE indrelid = pg_class.oid AND indisvalid AND indpred IS NULL
              AND pg_get_indexdef(indexrelid, 1, true) = quote_ident($3)) AS indexes
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = $2 AND nspname !~ '^pg_'"""

_LEAST_ROWS = 1_000
_MOST_OF_TABLE = 0.1
_LEAST_GAIN = 0.1


class Query(BaseModel):
    """A query, its constants as $1, $2, …"""

    query: str
    calls: int
    rows: int
    total_ms: float
    mean_ms: float
    percent_of_time: float | None
    blocks_read: int = Field(description="Not from cache, 8 kB each")
    blocks_cached: int
    temp_blocks: int = Field(description="Written to disk for sorts and hashes")


class TopQueries(BaseModel):
    """Queries since the statistics began, by what was asked."""

    queries: list[Query]


class Suggestion(BaseModel):
    """An index for a query. cost: of the plan, in the planner's units."""

    index: str
    query: str
    why: str
    cost_now: float
    cost_with_index: float | None = Field(description="As planned with it; null without hypopg")


class Suggestions(BaseModel):
    """Indexes worth trying, the largest gain first. skipped: what could not be looked at."""

    suggestions: list[Suggestion]
    verified: bool = Field(description="hypopg planned each query with the index")
    skipped: list[str]


@dataclass(frozen=True)
class _Candidate:
    schema: str
    table: str
    columns: tuple[str, ...]
    rows: float


class Workload:
    """The tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def get_top_queries(
        self, sort_by: Order = "total_time", limit: _Limit = 10, database: DatabaseName = None
    ) -> TopQueries:
        """List the queries that take most time, or most of something else, from
        pg_stat_statements. explain_query and suggest_indexes take them as they are."""
        async with self._databases.find(database).reading() as connection:
            return TopQueries(queries=await _top(connection, sort_by, limit))

    async def suggest_indexes(
        self, queries: _Queries = None, database: DatabaseName = None
    ) -> Suggestions:
        """Suggest indexes for queries: those given, else the heaviest SELECTs of
        pg_stat_statements. They come from the planner's own estimates: tables that a plan reads as
        a whole and needs a small part of. With hypopg each was tried and saves at least a tenth.

        An index slows writes down, and several here may do the same: build the best, ask again.
        """
        found: list[Suggestion] = []
        skipped: list[str] = []
        chosen = self._databases.find(database)
        if queries is None:
            async with chosen.reading() as connection:
                top = await _top(connection, "total_time", 30)
            queries = [one.query for one in top if re.match(r"\s*(select|with)\b", one.query, re.I)]
        verified = False
        for sql in queries[:10]:
            try:
                asked = guard.statement(sql, guard.READS, "a SELECT", open_ended=True)
                async with chosen.reading() as connection:
                    await allow(connection, asked)
                    hypopg = await extension(connection, "hypopg")
                    verified = hypopg is not None
                    found += await _suggested(connection, asked, hypopg)
            except ToolError as error:
                skipped.append(cut(f"{' '.join(sql.split())[:100]}: {error}", 400))
        found.sort(key=lambda one: (one.cost_with_index or 0) - one.cost_now)
        return Suggestions(suggestions=found[:20], verified=verified, skipped=skipped)


async def _top(connection: Connection, order: Order, limit: int) -> list[Query]:
    schema = await extension(connection, "pg_stat_statements")
    if schema is None:
        raise ToolError(_HOW)
    query = _TOP.format(schema=schema, order=_ORDERS[order])
    found = await (await connection.execute(query.encode(), [limit])).fetchall()
    return [Query.model_validate(row | {"query": cut(row["query"], 4_000)}) for row in found]


async def _suggested(
    connection: Connection, asked: guard.Statement, hypopg: str | None
) -> list[Suggestion]:
    plan = await _plan(connection, asked)
    found = []
    for one in dict.fromkeys(_candidates(plan)):
        where = [one.schema, one.table, one.columns[0]]
        table = await (await connection.execute(_TABLE, where)).fetchone()
        if table is None or table["rows"] < _LEAST_ROWS or table["indexes"]:
            continue
        if one.rows > _MOST_OF_TABLE * table["rows"]:
            continue
        columns = ", ".join(_identifier(column) for column in one.columns)
        index = f"CREATE INDEX ON {table['table']} ({columns})"
        cost = None
        if hypopg:
            await imagine(connection, index)
            cost = (await _plan(connection, asked))["Total Cost"]
            await connection.execute(f"SELECT {hypopg}.hypopg_reset()".encode())
            if cost > (1 - _LEAST_GAIN) * plan["Total Cost"]:
                continue
        why = f"reads all of about {table['rows']:.0f} rows to find about {one.rows:.0f}"
        query = cut(" ".join(asked.text.split()), 500)
        found.append(
            Suggestion(
                index=index, query=query, why=why, cost_now=plan["Total Cost"], cost_with_index=cost
            )
        )
    return found


async def _plan(connection: Connection, asked: guard.Statement) -> dict[str, Any]:
    (answer,) = await explained(connection, asked, "FORMAT JSON, VERBOSE")
    plan: dict[str, Any] = answer[0]["Plan"]
    return plan


def _candidates(plan: dict[str, Any]) -> Iterator[_Candidate]:
    """Columns by which the plan looks for rows of tables that it reads as a whole: those compared
    with = first, then one that is compared otherwise. Of joins, the other side's column."""
    scans = {
        node["Alias"]: node
        for node in _nodes(plan)
        if node["Node Type"] == "Seq Scan" and "Schema" in node
    }
    for alias, node in scans.items():
        equal, other = _compared(node.get("Filter", ""), alias)
        if columns := (*equal, *other[:1])[:3]:
            yield _Candidate(node["Schema"], node["Relation Name"], columns, node["Plan Rows"])
    for node in _nodes(plan):
        condition = " AND ".join(
            node[key] for key in ("Hash Cond", "Merge Cond", "Join Filter") if key in node
        )
        for alias, scan in scans.items():
            equal, _ = _compared(condition, alias)
            if equal:
                yield _Candidate(
                    scan["Schema"], scan["Relation Name"], equal[:3], node["Plan Rows"]
                )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _compared(condition: str, alias: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a table that a condition compares: with =, and otherwise.

    VERBOSE plans name every column with its table's alias. OR and functions of columns need more
    than an index of columns, and are left out.
    """
    if not condition:
        return (), ()
    try:
        tree = pgparse.parse(f"SELECT WHERE {condition}")[0]["stmt"]["SelectStmt"]["whereClause"]
    except (pgparse.PGQueryError, RecursionError):
        return (), ()
    terms = [tree]
    equal: dict[str, None] = {}
    other: dict[str, None] = {}
    while terms:
        term = terms.pop(0)
        if term.get("BoolExpr", {}).get("boolop") == "AND_EXPR":
            terms += term["BoolExpr"]["args"]
            continue
        compared = term.get("A_Expr", {})
        operator = compared.get("name", [{}])[-1].get("String", {}).get("sval")
        for side in ("lexpr", "rexpr"):
            fields = compared.get(side, {}).get("ColumnRef", {}).get("fields", ())
            names = [field.get("String", {}).get("sval", "") for field in fields]
            if len(names) == 2 and names[0] == alias:
                if operator == "=":
                    equal[names[1]] = None
                elif operator in ("<", "<=", ">", ">="):
                    other[names[1]] = None
    return tuple(equal), tuple(name for name in other if name not in equal)


def _identifier(name: str) -> str:
    return (
        '"' + name.replace('"', '""') + '"' if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) else name
    )
