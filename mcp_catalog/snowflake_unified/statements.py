"""Statements over Snowflake's SQL API: sent, waited for, cancelled when nobody waits, and read."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.errors import Refused, UpstreamError
from sophia_mcp.fields import at
from sophia_mcp.upstream import Answer, Upstream

Value = str | int | float | bool | None

_GRACE_S = 1.5
"""Snowflake ends a statement by itself; this is what it gets to say so."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Column(BaseModel):
    """Of a result."""

    name: str
    type: str
    scale: int | None = None


class _Running(BaseModel):
    handle: str = Field(validation_alias="statementHandle")


class _Part(BaseModel):
    data: list[list[str | None]] = Field(default_factory=list)


class _First(_Part):
    columns: list[Column] = at("resultSetMetaData", "rowType")
    parts: list[dict[str, Any]] = at("resultSetMetaData", "partitionInfo", default_factory=list)
    handle: str = at("statementHandle", default="")
    stats: dict[str, Any] | None = None


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
    seconds: what one may take."""

    api: Upstream
    context: Mapping[str, str]
    seconds: int
    path: tuple[str, ...] = field(default=("api", "v2", "statements"))

    async def run(
        self, sql: str, *values: str | int, limit: int = 1_000, writing: bool = False
    ) -> Result:
        """One statement in a session of its own; `values` take the places of `?`.

        limit: rows of the result, at most. writing: it is not sent again when it is unclear
        whether it arrived. Raises ToolError for whatever Snowflake says.
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
        first = self.api.read(_First, await self._awaited(body, repeatable=not writing))
        rows = first.data
        for part in range(1, len(first.parts)):
            if len(rows) >= limit:
                break
            more = await self.api.get(_Part, *self.path, first.handle, params={"partition": part})
            rows += more.data
        counts = [value for key, value in (first.stats or {}).items() if key in _COUNTS]
        return Result(
            first.columns,
            [
                [read(*pair) for pair in zip(row, first.columns, strict=False)]
                for row in rows[:limit]
            ],
            sum(int(count or 0) for count in counts),
        )

    async def _awaited(self, body: Mapping[str, Any], repeatable: bool) -> Answer:
        """The answer of a statement that has ended. With `async`, Snowflake gives the handle at
        once, without which it could not be cancelled."""
        answer = await self.api.request(
            "POST", *self.path, params={"async": "true"}, body=body, repeatable=repeatable
        )
        if answer.status != 202:
            return answer
        handle, ended = self.api.read(_Running, answer).handle, False
        try:
            async with asyncio.timeout(self.seconds + _GRACE_S):
                pause = 0.05
                while answer.status == 202:
                    answer = await self.api.request("GET", *self.path, handle)
                    await asyncio.sleep(pause if answer.status == 202 else 0)
                    pause = min(pause * 1.5, 1.0)
            ended = True
        except TimeoutError:
            raise self._too_long() from None
        except Refused as error:
            ended = error.status in (408, 422)
            if error.status == 408 or "000630" in str(error):
                raise self._too_long() from None
            raise
        finally:
            if not ended:
                with anyio.move_on_after(1, shield=True), suppress(UpstreamError):
                    await self.api.request(
                        "POST", *self.path, handle, "cancel", body={}, repeatable=True
                    )
        return answer

    def _too_long(self) -> ToolError:
        return ToolError(
            f"Snowflake: stopped after {self.seconds} s. Ask for less: a narrower WHERE, a smaller "
            "LIMIT; explain_query shows what takes long"
        )


_COUNTS = ("numRowsInserted", "numRowsUpdated", "numRowsDeleted")


def _bound(value: str | int) -> dict[str, str]:
    return {"type": "FIXED" if isinstance(value, int) else "TEXT", "value": str(value)}


def read(written: str | None, column: Column) -> Value:
    """A value as the SQL API writes it: every one a text, dates as days and times as seconds since
    1970. What JSON would round, and what is no moment of this calendar, stays a text."""
    if written is None:
        return None
    try:
        match column.type.lower():
            case "fixed" | "real" | "decfloat" | "number" | "float":
                return _number(written)
            case "boolean":
                return written in ("true", "1")
            case "date":
                return (_EPOCH + timedelta(days=int(written))).date().isoformat()
            case "time":
                return _moment(written).partition("T")[2]
            case "timestamp_ntz":
                return _moment(written)
            case "timestamp_ltz":
                return f"{_moment(written)}Z"
            case "timestamp_tz":
                seconds, _, offset = written.partition(" ")
                zone = timezone(timedelta(minutes=int(offset) - 1440))
                there = Decimal(seconds) + (int(offset) - 1440) * 60
                return _moment(str(there)) + (str(zone).removeprefix("UTC") or "Z")
    except (ValueError, OverflowError, InvalidOperation):
        pass
    return written


def _number(written: str) -> Value:
    value: Value = json.loads(written)
    if isinstance(value, float) and Decimal(repr(value)) != Decimal(written):
        return written
    if isinstance(value, int) and abs(value) > 2**53:
        return written
    return value


def _moment(seconds: str) -> str:
    """With all digits of a second that there are: Snowflake has nine, Python six."""
    exact = Decimal(seconds)
    whole = exact.to_integral_value("ROUND_FLOOR")
    rest = f"{exact - whole:.9f}"[1:].rstrip("0").rstrip(".")
    moment = _EPOCH + timedelta(seconds=int(whole))
    return moment.replace(tzinfo=None).isoformat() + rest
