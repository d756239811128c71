"""Statements over Snowflake's SQL API: sent, awaited, cancelled when nobody waits, and read."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.errors import Refused, UpstreamError
from sophia_mcp.fields import at
from sophia_mcp.upstream import Answer, Upstream

from .values import Value, read

_PATH = ("api", "v2", "statements")
_COUNTS = ("numRowsInserted", "numRowsUpdated", "numRowsDeleted")
_DOUBT = "It may have taken effect anyway: check before you repeat it."
_GRACE_S = 1.5
"""Snowflake ends a statement by itself; this is the extra time for its answer."""


class Column(BaseModel):
    """Of a result."""

    name: str
    type: str


class _Running(BaseModel):
    handle: str = Field(validation_alias="statementHandle")


class _Part(BaseModel):
    data: list[list[str | None]] = Field(default_factory=list)


class _First(_Part):
    columns: list[Column] = at("resultSetMetaData", "rowType")
    parts: list[dict[str, Any]] = at("resultSetMetaData", "partitionInfo", default_factory=list)
    handle: str = at("statementHandle", default="")
    stats: dict[str, int | None] | None = None


@dataclass(frozen=True)
class Result:
    """What a statement gave. changed: how many rows."""

    columns: list[Column]
    rows: list[list[Value]]
    changed: int

    def named(self) -> Iterator[dict[str, Value]]:
        """Rows by the names of columns, in small letters."""
        names = [column.name.lower() for column in self.columns]
        return (dict(zip(names, row, strict=False)) for row in self.rows)


@dataclass(frozen=True)
class Statements:
    """context: database, schema, warehouse and role of every statement, where they are set.
    seconds: the limit of one."""

    api: Upstream
    context: Mapping[str, str]
    seconds: int

    async def run(
        self, sql: str, *values: str | int, limit: int = 1_000, writing: bool = False
    ) -> Result:
        """One statement in its own session; `values` replace the `?`.

        limit: rows that are enough. writing: it is not sent again when it is unclear
        whether it arrived. Raises ToolError for any error of Snowflake.
        """
        body = {
            "statement": sql,
            "timeout": self.seconds,
            **self.context,
            "bindings": {str(place): _bound(value) for place, value in enumerate(values, 1)},
            "parameters": {
                "MULTI_STATEMENT_COUNT": "1",
                "ROWS_PER_RESULTSET": str(limit),
                "QUERY_TAG": "sophia_mcp",
            },
        }  # fmt: skip
        first = self.api.read(_First, await self._awaited(body, writing))
        rows = first.data
        for part in range(1, len(first.parts)):
            if len(rows) >= limit:
                break
            more = await self.api.get(_Part, *_PATH, first.handle, params={"partition": part})
            rows += more.data
        counts = [value for key, value in (first.stats or {}).items() if key in _COUNTS]
        return Result(
            first.columns,
            [
                [read(cell, column.type) for cell, column in zip(row, first.columns, strict=False)]
                for row in rows
            ],
            sum(count or 0 for count in counts),
        )

    async def _awaited(self, body: Mapping[str, Any], writing: bool) -> Answer:
        """The answer of a statement that has ended. With `async`, Snowflake gives the handle at
        once, without which it could not be cancelled."""
        answer = await self.api.request(
            "POST", *_PATH, params={"async": "true"}, body=body, repeatable=not writing
        )
        if answer.status != 202:
            return answer
        handle, ended = self.api.read(_Running, answer).handle, False
        try:
            async with asyncio.timeout(self.seconds + _GRACE_S):
                pause = 0.05
                while answer.status == 202:
                    answer = await self.api.request("GET", *_PATH, handle)
                    await asyncio.sleep(pause if answer.status == 202 else 0)
                    pause = min(pause * 1.5, 1.0)
            ended = True
            return answer
        except TimeoutError:
            raise self._too_long(_DOUBT if writing else "") from None
        except UpstreamError as error:
            # Others are about the asking, not about the statement.
            ended = isinstance(error, Refused) and error.status in (408, 422)
            if ended and ("(408)" in str(error) or "000630" in str(error)):
                raise self._too_long() from None
            if ended or not writing:
                raise
            raise ToolError(f"{error} {_DOUBT}") from None
        finally:
            if not ended:
                with anyio.move_on_after(1, shield=True), suppress(UpstreamError):
                    await self.api.request("POST", *_PATH, handle, "cancel", repeatable=True)

    def _too_long(self, more: str = "") -> ToolError:
        return ToolError(
            f"Snowflake: stopped after {self.seconds} s. Ask for less: a narrower WHERE, a smaller "
            f"LIMIT; explain_query shows what takes long. {more}".strip()
        )


def _bound(value: str | int) -> dict[str, str]:
    return {"type": "FIXED" if isinstance(value, int) else "TEXT", "value": str(value)}
