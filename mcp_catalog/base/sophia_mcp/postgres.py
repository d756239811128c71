"""Shared by servers that use PostgreSQL: connecting, and the messages when that fails.

psycopg is not in the base image: the servers that import this bring it (their requirements.in).
Messages of Postgres and libpq about a connection are never repeated: they may hold parts of the
address, even the password.
"""

import asyncio
import logging
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.abc import Query
from psycopg.conninfo import conninfo_to_dict

from .errors import SettingError

logging.getLogger("psycopg").setLevel(logging.CRITICAL)

# SQLSTATE classes: connection exception, invalid authorization, operator intervention.
_AWAY = ("08", "28", "57P")
# libpq gives failed connections no SQLSTATE, only a text.
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


def options(server: str) -> dict[str, Any]:
    """How to connect; server: the name that the database's operator sees."""
    return {
        "autocommit": True,
        "client_encoding": "utf8",
        "application_name": server,
        # A peer that vanishes silently is noticed within seconds.
        "connect_timeout": 3,
        "tcp_user_timeout": 5_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        # Plan each call for its values. A pooler between us and Postgres may give the next call
        # # another session, where nothing is prepared.
        "prepare_threshold": None,
    }


def checked(secret: str, url: str, hint: str = "") -> str:
    """The URL. secret: the name of its setting; hint: what else may stand there.

    Raises SettingError, without any part of it, if it isn't a PostgreSQL address.
    """
    try:
        host = str(conninfo_to_dict(url).get("host", ""))
    except psycopg.ProgrammingError:
        host = "@"
    if not url.startswith(("postgresql://", "postgres://")) or "@" in host:
        raise SettingError(
            f"secret {secret}: expected postgresql://user:password@host:port/database, with the "
            f"password's special characters as %40 and the like{hint}, got something else"
        )
    return url


class Probe:
    """A separate connection to check whether Postgres answers: a busy pool is not an error."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url, self._options = url, options
        self._connection: AsyncConnection[Any] | None = None

    async def ask(self, query: Query = "SELECT 1") -> tuple[Any, ...] | None:
        """The first row of its answer. Raises psycopg.Error if there is none."""
        try:
            if self._connection is None:
                self._connection = await AsyncConnection.connect(self._url, **self._options)
            return await (await self._connection.execute(query)).fetchone()
        except (psycopg.Error, asyncio.CancelledError):
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; the next check opens one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


def is_away(error: psycopg.Error) -> bool:
    """Whether Postgres is unreachable for now, rather than refusing a statement."""
    if isinstance(error, errors.TooManyConnections):
        return True
    if error.sqlstate:
        return error.sqlstate.startswith(_AWAY)
    return isinstance(error, psycopg.OperationalError)


def reason(error: psycopg.Error) -> str:
    """Why Postgres gave no answer, for logs, /health and models."""
    if error.sqlstate:
        return named(error)
    text = str(error).lower()
    return next((said for part, said in _CONNECTING.items() if part in text), "no connection")


def named(error: psycopg.Error) -> str:
    """`DiskFull 53100`: the name of the SQLSTATE says what happened without any data."""
    return f"{type(error).__name__} {error.sqlstate}"
