"""The databases by name, and how a call reaches one: in its own session, read-only by default."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import psycopg
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import AsyncConnection, AsyncRawCursor, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from sophia_mcp import postgres
from sophia_mcp.errors import DependencyError, NotConfigured, SettingError
from sophia_mcp.settings import Credential

logger = logging.getLogger(__name__)

Connection = AsyncConnection[DictRow]

_AT_ONCE = 4
_WAIT_SECONDS = 5.0
_READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_READ_WRITE = "BEGIN READ WRITE"
# Set for the transaction, so a pooler's next client isn't affected. The parser reads strings as
# they are with standard_conforming_strings.
_LIMITS = """SELECT set_config('statement_timeout', $1, true),
    set_config('lock_timeout', '2s', true),
    set_config('idle_in_transaction_session_timeout', '20s', true),
    set_config('standard_conforming_strings', 'on', true)"""
_RIGHTS = """SELECT rolsuper AS superuser, EXISTS (
        SELECT FROM pg_class JOIN pg_namespace AS schema ON schema.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
          AND has_table_privilege(pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    ) AS writes, pg_has_role(current_user, 'pg_execute_server_program', 'USAGE')
        OR pg_has_role(current_user, 'pg_read_server_files', 'USAGE')
        OR pg_has_role(current_user, 'pg_write_server_files', 'USAGE') AS files
    FROM pg_roles WHERE rolname = current_user"""


class Problem(ToolError):
    """Postgres gave no answer. reason: a word for the log, free of anybody's data."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Database:
    """One database. seconds: the limit of a statement."""

    def __init__(self, name: str, url: str, seconds: int) -> None:
        self.name = name
        self._url, self._seconds = url, seconds
        given = str(conninfo_to_dict(url).get("options") or "")
        self._options = postgres.options("postgres_mcp") | {
            "options": f"{given} -c default_transaction_read_only=on".strip()
        }
        self._free = asyncio.Semaphore(_AT_ONCE)
        self.probe = postgres.Probe(url, self._options)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction that can't write and is always rolled back.

        Raises ToolError for any error of Postgres.
        """
        async with self._session(_READ_ONLY) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction that writes, committed at its end. Raises as `reading`."""
        async with self._session(_READ_WRITE) as connection:
            yield connection
            try:
                await connection.execute("COMMIT")
            except psycopg.Error as error:
                if not postgres.is_away(error):
                    raise
                raise Problem(
                    f"{self.name}: the connection broke while the change was being committed; "
                    "look whether it is there before you repeat it",
                    postgres.reason(error),
                ) from None

    @asynccontextmanager
    async def _session(self, begin: str) -> AsyncIterator[Connection]:
        # What a call leaves in a session, such as a function's locks, must not affect the next one.
        async with self._slot(), self._told():
            connection = await self._connect()
            try:
                await connection.execute(begin.encode())
                await connection.execute(_LIMITS, [f"{self._seconds}s"])
                yield connection
            finally:
                await connection.close()

    async def _connect(self) -> Connection:
        return await AsyncConnection[DictRow].connect(
            self._url, row_factory=dict_row, cursor_factory=AsyncRawCursor, **self._options
        )

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._free.acquire(), _WAIT_SECONDS)
        except TimeoutError:
            raise Problem(
                f"{self.name}: all {_AT_ONCE} connections of this server are in use; try again in "
                "a few seconds",
                "busy",
            ) from None
        try:
            yield
        finally:
            self._free.release()

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """The model's message about an error: it wrote the statement, so it sees what is wrong."""
        try:
            yield
        except psycopg.Error as error:
            raise Problem(self._words(error), postgres.reason(error)) from None

    def _words(self, error: psycopg.Error) -> str:
        if isinstance(error, errors.QueryCanceled):
            return (
                f"{self.name}: stopped after {self._seconds} s. Ask for less: a narrower WHERE, a "
                "smaller LIMIT; explain_query shows what takes long"
            )
        if postgres.is_away(error):
            return f"{self.name} is unavailable ({postgres.reason(error)}); try again later"
        if not error.sqlstate:
            return f"{self.name}: the answer can't be read ({type(error).__name__})"
        parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
        said = ". ".join(part.rstrip(".") for part in parts if part)
        return f"{self.name}: {said[:1_000]} ({postgres.named(error)})"

    async def rights(self) -> list[str]:
        """What its role may do that a reader needs not."""
        async with self.reading() as connection:
            found = await (await connection.execute(_RIGHTS)).fetchone()
        assert found is not None
        said = {"superuser": "is superuser", "writes": "may write", "files": "may reach files"}
        return [words for key, words in said.items() if found[key]]


class Databases:
    """All of them, the first being the default.

    credential: one URL, or several as `name=URL` with blanks or line ends between them. Without it
        every use raises NotConfigured.

    Raises SettingError when it is something else.
    """

    def __init__(self, credential: Credential, seconds: int) -> None:
        self._missing = () if credential.value else (credential.name,)
        named = dict(_named(credential.name, (credential.value or "").split()))
        self._all = {name: Database(name, url, seconds) for name, url in named.items()}
        self._looked_at: set[str] = set()

    @property
    def names(self) -> list[str]:
        return list(self._all)

    def find(self, name: str | None) -> Database:
        """The database with this name, or the default. Raises ToolError if there is none."""
        if self._missing:
            raise NotConfigured("The database", self._missing)
        found = self._all.get(name or self.names[0])
        if found is None:
            raise ToolError(f"database: expected one of {', '.join(self.names)}, got {name!r}")
        return found

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections of `check` at the end."""
        try:
            yield
        finally:
            for database in self._all.values():
                await database.probe.close()

    async def check(self) -> None:
        """Raises DependencyError when none answers: one that is away must not hide the others."""
        if self._missing:
            raise NotConfigured("The database", self._missing)
        asked = await asyncio.gather(*(self._ask(each) for each in self._all.values()))
        if all(asked):
            raise DependencyError("; ".join(filter(None, asked)))

    async def _ask(self, database: Database) -> str | None:
        try:
            await database.probe.ask()
        except psycopg.Error as error:
            return f"{database.name}: {postgres.reason(error)}"
        if database.name not in self._looked_at:
            with suppress(ToolError):  # such as being busy: it answers, and the next check looks
                if too_much := await database.rights():
                    logger.warning(
                        "the role can do more than read; README.md has the SQL of one that can't",
                        extra={"database": database.name, "role": ", ".join(too_much)},
                    )
                self._looked_at.add(database.name)
        return None


def _named(secret: str, entries: list[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for entry in entries:
        name, _, url = entry.partition("=")
        if entry.startswith(("postgresql://", "postgres://")):
            name, url = "default", entry
        if not name.replace("_", "").replace("-", "").isalnum() or name in seen:
            raise SettingError(
                f"secret {secret}: expected a URL of Postgres, or several as name=URL, each name "
                "once, of letters, digits, - and _; got something else"
            )
        seen.add(name)
        yield name, postgres.checked(secret, url, ", or several as name=postgresql://…")
