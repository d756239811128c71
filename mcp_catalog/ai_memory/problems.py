"""Errors of Postgres, in our own words.

Its texts are never repeated: those on a connection may hold parts of the address, password
included, those on a statement somebody's memories.
"""

import psycopg
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import errors
from sophia_mcp import postgres

from .schema import UnsuitableDatabase

_WITHOUT_SCHEMA = (
    errors.InvalidSchemaName,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
)


class Problem(ToolError):
    """Postgres gave no answer. reason: a word for the log, free of anybody's data."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class TookTooLong(Problem):
    """A statement was stopped at its time limit."""


def reason(error: psycopg.Error | UnsuitableDatabase) -> str:
    """Why Postgres gave no answer, for logs, /health and models."""
    if isinstance(error, UnsuitableDatabase):
        return str(error)
    return postgres.reason(error)


def lacks_schema(error: psycopg.Error) -> bool:
    """Whether a statement named what the database has not, but has once the schema is made."""
    return isinstance(error, _WITHOUT_SCHEMA)


def unavailable(problem: str) -> Problem:
    """For a database that is not there for now."""
    return Problem(
        f"the memory database is unavailable ({problem}); try again in a few seconds", problem
    )


def for_model(error: psycopg.Error, seconds: float) -> Problem | None:
    """The model's message about a failed statement; None if the statement itself is wrong."""
    if isinstance(error, errors.QueryCanceled):
        return TookTooLong(
            f"this took longer than {seconds:g} s and was stopped; narrow the query: name user_id, "
            "agent_id or run_id, or give fewer and rarer words",
            postgres.named(error),
        )
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected):
        return Problem(
            "another call is changing the same memories; try again in a few seconds",
            postgres.named(error),
        )
    if postgres.is_away(error):
        return unavailable(reason(error))
    refusals = psycopg.OperationalError, errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege
    if isinstance(error, refusals):
        return Problem(
            f"the memory database refused ({postgres.named(error)}); calling again changes nothing "
            "until its operator has seen to it",
            postgres.named(error),
        )
    return None
