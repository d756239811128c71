"""Statements that the caller writes: run, explained, and, where that is allowed, writing."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import PAGE_BYTES, cut, that_fit
from sqlglot import exp

from . import guard
from .statements import Result, Statements
from .values import Value

Sql = Annotated[str, Field(min_length=1, max_length=20_000, description="One statement")]
_Limit = Annotated[int, Field(ge=1, le=1_000, description="How many rows at most")]
_Latest = Annotated[int, Field(ge=1, le=100, description="How many at most")]
_Hours = Annotated[int, Field(ge=1, le=168, description="Of the last so many hours")]

_VALUE_CHARACTERS = 2_000
_PLAN_CHARACTERS = 40_000
_HISTORY = """
    SELECT query_id, query_text, user_name, warehouse_name, execution_status, error_message,
           start_time, total_elapsed_time / 1000 AS seconds, rows_produced, bytes_scanned
    FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(
        END_TIME_RANGE_START => DATEADD('hour', ?, CURRENT_TIMESTAMP()), RESULT_LIMIT => 10000))
    ORDER BY IFF(? = 'slowest', total_elapsed_time, NULL) DESC NULLS LAST, start_time DESC"""


class Rows(BaseModel):
    """Rows of a result. Arrays and objects are JSON in a text, as are numbers that JSON would
    round; long values are cut with a mark. Times without an offset have no zone."""

    columns: list[str]
    rows: list[list[Value]]
    truncated: bool = Field(description="There are more rows than limit, or than fit")


class Changed(BaseModel):
    """What a statement changed."""

    rows_changed: int
    said: str = Field(description="Snowflake's own words")


class Plan(BaseModel):
    """An execution plan."""

    plan: str = Field(description="As EXPLAIN writes it")


class Past(BaseModel):
    """A statement that was run, by anybody whose statements the role may see."""

    query_id: str
    sql: str = at("query_text")
    user: str | None = at("user_name", default=None)
    warehouse: str | None = at("warehouse_name", default=None)
    status: str | None = at("execution_status", default=None)
    error: str | None = at("error_message", default=None)
    start_time: str | None = None
    seconds: float | str | None = None
    rows_produced: int | str | None = None
    bytes_scanned: int | str | None = None


class History(BaseModel):
    """Statements, the newest or the slowest first."""

    queries: list[Past]


class Queries:
    """The tools. own: functions besides Snowflake's that a statement may call."""

    def __init__(self, statements: Statements, own: Sequence[str]) -> None:
        self._statements, self._own = statements, own

    async def execute_query(self, sql: Sql, limit: _Limit = 100) -> Rows:
        """Run one SELECT (WITH and VALUES, too), SHOW or DESCRIBE.

        When truncated, ask for less or page with ORDER BY and a condition on its columns. Values
        above 2,000 characters are cut: SUBSTR(column, 2001, 2000) has what follows. Functions that
        change something, read files, call outside or are paid by the row (AI_…) are refused, as are
        stages (@…), ->> and procedures. Each call has a session of its own: write whole names
        (DB.SCHEMA.TABLE).
        """
        wanted = "a SELECT, SHOW or DESCRIBE"
        asked = await asyncio.to_thread(
            guard.statement, sql, guard.READS, wanted, self._own, shows=True
        )
        return _rows(await self._statements.run(asked.text, limit=limit + 1), limit)

    async def execute_write(self, sql: Sql) -> Changed:
        """Run one statement that changes rows or tables: INSERT, UPDATE, DELETE, MERGE, or CREATE,
        ALTER, DROP, UNDROP, TRUNCATE and COMMENT of tables, views and schemas. It is committed at
        once. UPDATE and DELETE need a WHERE.
        """
        wanted = "a statement that changes rows or tables"
        asked = await asyncio.to_thread(guard.statement, sql, guard.WRITES, wanted, self._own)
        if isinstance(asked.tree, (exp.Update, exp.Delete)) and not asked.tree.args.get("where"):
            raise ToolError("sql: expected a WHERE; if all rows are meant, write WHERE TRUE")
        done = await self._statements.run(asked.text, limit=10, writing=True)
        said = "; ".join(f"{key}: {value}" for row in done.named() for key, value in row.items())
        return Changed(rows_changed=done.changed, said=cut(said, 1_000))

    async def explain_query(self, sql: Sql) -> Plan:
        """Show how Snowflake would run a SELECT, INSERT, UPDATE, DELETE or MERGE: steps, partitions
        and bytes to read. It is not run.
        """
        kinds = (*guard.READS, *guard.CHANGES_ROWS)
        wanted = "SELECT, INSERT, UPDATE, DELETE or MERGE"
        asked = await asyncio.to_thread(guard.statement, sql, kinds, wanted, self._own)
        found = await self._statements.run(f"EXPLAIN USING TEXT {asked.text}")
        lines = (str(value) for row in found.rows for value in row)
        return Plan(plan=cut("\n".join(lines), _PLAN_CHARACTERS))

    async def get_query_history(
        self, hours: _Hours = 24, slowest_first: bool = False, limit: _Latest = 20
    ) -> History:
        """List statements of the last hours with time, rows and bytes: those that the role may see,
        which are its own at least. Needs SNOWFLAKE_DATABASE and a warehouse.
        """
        order = "slowest" if slowest_first else "newest"
        found = await self._statements.run(_HISTORY, -hours, order, limit=limit)
        past = [Past.model_validate(row) for row in found.named()][:limit]
        for one in past:
            one.sql = cut(one.sql, _VALUE_CHARACTERS)
        return History(queries=that_fit(past))


def _rows(found: Result, limit: int) -> Rows:
    """As many as fit; at least one."""
    rows: list[list[Value]] = []
    used = 0
    for row in found.rows[:limit]:
        short = [cut(one, _VALUE_CHARACTERS) if isinstance(one, str) else one for one in row]
        used += len(json.dumps(short, ensure_ascii=False).encode())
        if rows and used > PAGE_BYTES:
            break
        rows.append(short)
    names = [column.name for column in found.columns]
    return Rows(columns=names, rows=rows, truncated=len(rows) < len(found.rows))
