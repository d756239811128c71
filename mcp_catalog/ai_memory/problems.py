"""What went wrong with Postgres, in words of our own.

Its texts are never repeated: those on a connection may hold parts of the address, password
included, those on a statement somebody's memories.
"""

import psycopg
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import errors

from .schema import UnsuitableDatabase


class Problem(ToolError):
    """Postgres gave no answer. reason: a word for the log, free of anybody's data."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class TookTooLong(Problem):
    """A statement was stopped at its time limit."""


# SQLSTATE classes: connection exception, invalid authorization, operator intervention.
_AWAY = ("08", "28", "57P")
# libpq gives connections that fail no SQLSTATE, only a text.
_CONNECTING = {
    "timeout expired": "no answer within 3 s",
    "resolve host": "its host name can't be resolved",
    "could not translate host": "its host name can't be resolved",
    "connection refused": "nothing listens at its address",
    "password authentication failed": "it refuses the user or the password",
    "no password supplied": "it asks for a password and the address has none",
    "no pg_hba.conf entry": "it admits no such user from here, or only with TLS",
    "does not exist": "it has no such database or user",
    "certificate": "its TLS certificate is not accepted",
    "closed": "the connection broke",
    "eof detected": "the connection broke",
    "reset by peer": "the connection broke",
    "ssl": "no agreement on TLS",
    "starting up": "it is starting",
    "shutting down": "it is shutting down",
    "too many": "it has no connection left",
    "remaining connection slots": "it has no connection left",
}


def reason(error: Exception) -> str:
    """Why Postgres gave no answer, for logs, /health and models."""
    if isinstance(error, UnsuitableDatabase):
        return str(error)
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return _named(error)
    text = str(error).lower()
    found = (said for part, said in _CONNECTING.items() if part in text)
    return next(found, "no connection")


def unavailable(problem: str) -> Problem:
    """For a database that is not there for now."""
    return Problem(
        f"the memory database is unavailable ({problem}); try again in a few seconds", problem
    )


def for_model(error: psycopg.Error, seconds: float) -> Problem | None:
    """What a model is told of a failed statement; None if the fault is the statement's own."""
    if isinstance(error, errors.QueryCanceled):
        return TookTooLong(
            f"this took longer than {seconds:g} s and was stopped; narrow the query: name user_id, "
            "agent_id or run_id, or give fewer and rarer words",
            _named(error),
        )
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected):
        return Problem(
            "another call is changing the same memories; try again in a few seconds", _named(error)
        )
    state = error.sqlstate
    if isinstance(error, errors.TooManyConnections) or (state and state.startswith(_AWAY)):
        return unavailable(_named(error))
    if isinstance(error, psycopg.OperationalError) and not state:
        return unavailable(reason(error))
    refusals = psycopg.OperationalError, errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege
    if isinstance(error, refusals):
        return Problem(
            f"the memory database refused ({_named(error)}); calling again changes nothing until "
            "its operator has seen to it",
            _named(error),
        )
    return None


def _named(error: psycopg.Error) -> str:
    """`DiskFull 53100`: the name of the SQLSTATE says what it is and nothing of the data."""
    return f"{type(error).__name__} {error.sqlstate}"
