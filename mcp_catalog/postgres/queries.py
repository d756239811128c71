"""Statements that the caller writes: run, explained, and, where that is allowed, writing."""

import json
from decimal import Decimal
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from psycopg.rows import DictRow
from pydantic import BaseModel, Field
from sophia_mcp.pages import PAGE_BYTES, cut

from . import guard
from .database import Connection, Databases
from .guard import Statement

DatabaseName = Annotated[
    str | None, Field(max_length=63, description="One of those in the instructions; else the first")
]
Sql = Annotated[str, Field(min_length=1, max_length=20_000, description="One statement")]
_Limit = Annotated[int, Field(ge=1, le=1_000, description="How many rows at most")]
_Most = Annotated[
    int, Field(ge=0, le=1_000_000, description="A statement that changes more rows is undone")
]
_Indexes = Annotated[
    list[Annotated[str, Field(max_length=1_000)]],
    Field(max_length=10, description="Like CREATE INDEX ON orders (customer_id)"),
]
_Value = str | int | float | bool | None

_VALUE_CHARACTERS = 2_000
_PLAN_CHARACTERS = 40_000
_RETURNED = 100

# Postgres writes every value as JSON, which knows all its types, and sends no more than fits: a
# single value may have a gigabyte.
_ROWS = f"""
    SELECT CASE number WHEN 1 THEN names END AS names, row_values, fetched, row_count FROM (
        SELECT names, row_values, {{count}} AS row_count, row_number() OVER () AS number,
               count(*) OVER () AS fetched,
               sum(octet_length(row_values::text)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (
            SELECT given.names, given.row_values FROM {{source}}, LATERAL (
                SELECT array_agg(name ORDER BY place) AS names, array_agg(CASE
                    WHEN written IS NULL THEN 'null'
                    WHEN json_typeof(value) IN ('number', 'boolean') AND length(written) < 100
                        THEN written
                    WHEN length(written) <= {_VALUE_CHARACTERS} THEN to_json(written)::text
                    ELSE to_json(
                        left(written, {_VALUE_CHARACTERS}) || '… [cut: {_VALUE_CHARACTERS} of '
                        || length(written) || ' characters]'
                    )::text END ORDER BY place) AS row_values
                FROM json_each(row_to_json(result.*)) WITH ORDINALITY AS cells (name, value, place),
                     LATERAL (SELECT value #>> '{{{{}}}}') AS as_text (written)
            ) AS given LIMIT $1
        ) AS first_ones
    ) AS all_of_them WHERE bytes <= {PAGE_BYTES} OR number = 1"""


class Rows(BaseModel):
    """Rows of a result. Arrays and objects are JSON in a text, as are numbers that JSON would
    round; long values are cut with a mark."""

    columns: list[str]
    rows: list[list[_Value]]
    truncated: bool = Field(description="There are more rows than limit, or than fit")


class Changed(BaseModel):
    """What a statement changed, and what its RETURNING gives."""

    rows_changed: int
    returned: Rows


class Plan(BaseModel):
    """An execution plan."""

    plan: str = Field(description="As EXPLAIN writes it")


class Queries:
    """The tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def execute_sql(
        self, sql: Sql, limit: _Limit = 100, database: DatabaseName = None
    ) -> Rows:
        """Run one SELECT (WITH, VALUES and TABLE, too) in a read-only transaction.

        When truncated, ask for less or page with ORDER BY and a condition on its columns. Values
        above 2,000 characters are cut: substr(column, 2001, 2000) has what follows. Functions that
        change something or wait are refused. Instead of SHOW use current_setting('work_mem').
        """
        asked = guard.statement(sql, guard.READS, "a SELECT")
        async with self._databases.find(database).reading() as connection:
            await allow(connection, asked)
            found = await _fetched(connection, f"({asked.text}\n) AS result", limit)
        return _rows(found, limit)

    async def execute_write(
        self, sql: Sql, max_rows: _Most = 1_000, database: DatabaseName = None
    ) -> Changed:
        """Run one statement that changes rows or tables: INSERT, UPDATE, DELETE, MERGE, or CREATE,
        ALTER, DROP, TRUNCATE and the like. It is committed at once and can't be taken back.

        UPDATE and DELETE need a WHERE. RETURNING gives the first 100 rows.
        """
        asked = guard.statement(sql, guard.WRITES, "a statement that changes rows or tables")
        if asked.kind in ("UpdateStmt", "DeleteStmt") and "whereClause" not in asked.parts:
            raise ToolError("sql: expected a WHERE; if all rows are meant, write WHERE true")
        found: list[DictRow] = []
        async with self._databases.find(database).writing() as connection:
            await allow(connection, asked, writing=True)
            if {"returningList", "returningClause"} & asked.parts:
                result = f"WITH result AS ({asked.text}\n)"
                found = await _fetched(connection, "result", _RETURNED, result)
                changed = int(found[0]["row_count"]) if found else 0
            else:
                cursor = await connection.execute(asked.text.encode(), binary=True)
                changed = cursor.rowcount if asked.kind in guard.CHANGES_ROWS else 0
            if changed > max_rows:
                raise ToolError(
                    f"it would change {changed} rows, more than max_rows ({max_rows}); nothing was "
                    "changed"
                )
        return Changed(rows_changed=changed, returned=_rows(found, _RETURNED))

    async def explain_query(
        self, sql: Sql, analyze: bool = False, hypothetical_indexes: _Indexes | None = None,
        database: DatabaseName = None,
    ) -> Plan:  # fmt: skip
        """Show how Postgres would run a statement, with its estimates; analyze runs it and shows
        times, rows and buffers, for a SELECT only.

        A SELECT may have placeholders ($1), as in get_top_queries. With hypothetical_indexes the
        plan is the one that these indexes would bring; they are never built.
        """
        kinds = guard.READS if analyze else guard.READS | guard.CHANGES_ROWS
        wanted = "a SELECT" if analyze else "SELECT, INSERT, UPDATE, DELETE or MERGE"
        asked = guard.statement(sql, kinds, wanted, open_ended=not analyze)
        if analyze and hypothetical_indexes:
            raise ToolError("hypothetical_indexes: expected none with analyze: nobody can use them")
        async with self._databases.find(database).reading() as connection:
            await allow(connection, asked, writing=not analyze)
            for index in hypothetical_indexes or ():
                await imagine(connection, index)
            options = "ANALYZE, BUFFERS, SETTINGS" if analyze else "SETTINGS"
            lines = await explained(connection, asked, options)
        plan = "\n".join(str(line) for line in lines)
        return Plan(plan=cut(plan, _PLAN_CHARACTERS))


async def allow(connection: Connection, asked: Statement, writing: bool = False) -> None:
    """Raises ToolError when it calls functions that may do something."""
    if not asked.functions:
        return
    found = await (await connection.execute(guard.VOLATILE, asked.asked(writing))).fetchall()
    if found:
        names = ", ".join(row["name"] for row in found)
        raise ToolError(
            f"sql: {names} may change something, wait or run other statements (it is VOLATILE), "
            "and is not allowed here"
        )


async def imagine(connection: Connection, index: str) -> None:
    """An index that only the planner of this session sees. Raises ToolError without hypopg."""
    asked = guard.statement(index, guard.INDEX, "CREATE INDEX ON table (columns)")
    schema = await extension(connection, "hypopg")
    if schema is None:
        raise ToolError(
            "hypothetical_indexes: the database has no hypopg; its operator installs the package "
            "and runs CREATE EXTENSION hypopg"
        )
    await allow(connection, asked)
    await connection.execute(f"SELECT {schema}.hypopg_create_index($1)".encode(), [asked.text])


async def extension(connection: Connection, name: str) -> str | None:
    """The schema of an extension, quoted; None where it is not installed."""
    query = """SELECT quote_ident(nspname) AS schema FROM pg_extension
        JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = $1"""
    row = await (await connection.execute(query, [name])).fetchone()
    return str(row["schema"]) if row else None


async def explained(connection: Connection, asked: Statement, options: str) -> list[Any]:
    """The rows of EXPLAIN. A statement with placeholders gets the plan that fits any value."""
    text = asked.text
    if asked.placeholders:
        await connection.execute(f"PREPARE explained AS {text}".encode(), binary=True)
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        text = f"EXECUTE explained({', '.join(['NULL'] * asked.placeholders)})"
    cursor = await connection.execute(f"EXPLAIN ({options}) {text}".encode(), binary=True)
    found = [next(iter(row.values())) for row in await cursor.fetchall()]
    if asked.placeholders:
        await connection.execute("DEALLOCATE explained")
    return found


async def _fetched(
    connection: Connection, source: str, limit: int, with_result: str = ""
) -> list[DictRow]:
    """The first rows of `source`, one more than requested if there are more."""
    count = "(SELECT count(*) FROM result)" if with_result else "0"
    query = with_result + _ROWS.format(source=source, count=count)
    cursor = await connection.execute(query.encode(), [limit + 1])
    return await cursor.fetchall()


def _rows(found: list[DictRow], limit: int) -> Rows:
    if not found:
        return Rows(columns=[], rows=[], truncated=False)
    rows = [[_value(written) for written in row["row_values"] or ()] for row in found[:limit]]
    more = len(rows) < found[0]["fetched"]
    return Rows(columns=found[0]["names"] or [], rows=rows, truncated=more)


def _value(written: str) -> _Value:
    """Postgres's JSON. A number that JSON readers would round stays a text."""
    value: _Value = json.loads(written)
    if isinstance(value, float) and Decimal(repr(value)) != Decimal(written):
        return written
    if isinstance(value, int) and abs(value) > 2**53:
        return written
    return value
