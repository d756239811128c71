"""The connections to Postgres: they wait for the database, reconnect after an outage, and make the
schema again in a database that has come back without it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sophia_mcp import postgres
from sophia_mcp.errors import DependencyError, NotConfigured
from sophia_mcp.settings import Credential

from . import problems
from .schema import (
    CURRENT,
    UnsuitableDatabase,
    build_indexes,
    has_pgvector,
    index_vectors,
    migrate,
)

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_WAIT_SECONDS = 5.0  # for a free connection
_INDEX_SECONDS = 10.0
_CONNECTION = postgres.options("ai_memory")


class Database:
    """A pool whose schema is brought up to date in the background as soon as Postgres answers, and
    again when the database turns out to have lost it: emptied, or restored to an earlier time.

    credential: a URL of Postgres with its password. Without it every use raises NotConfigured.
    trigrams: whether search can use them; known once its index is built.
    pgvector: whether it is installed, as soon as that is known.
    vectors_indexed: whether `index_vectors` has succeeded.

    Raises SettingError if it isn't such a URL.
    """

    def __init__(self, credential: Credential, pool_size: int) -> None:
        self._missing = () if credential.value else (credential.name,)
        self._url = postgres.checked(credential.name, credential.value) if credential.value else ""
        self._pool_size = pool_size
        self._problem: str | None = "the schema is not ready yet"
        self._probe = postgres.Probe(self._url, _CONNECTION)
        self._lost = asyncio.Event()
        self.trigrams = self.pgvector = self.vectors_indexed = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the pool for the time of the context. Does not wait for Postgres."""
        if self._missing:
            yield
            return
        self._pool = AsyncConnectionPool[AsyncConnection[DictRow]](
            self._url,
            kwargs=_CONNECTION | {"row_factory": dict_row},
            min_size=1,
            max_size=self._pool_size,
            timeout=_WAIT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            open=False,
            name="ai_memory",
        )
        await self._pool.open()
        preparing = asyncio.create_task(self._keep_prepared())
        try:
            yield
        finally:
            preparing.cancel()
            with suppress(asyncio.CancelledError):
                await preparing
            await self._probe.close()
            await self._pool.close()

    @asynccontextmanager
    async def transaction(
        self, seconds: float = STATEMENT_SECONDS
    ) -> AsyncIterator[AsyncConnection[DictRow]]:
        """A transaction whose statements take at most `seconds` each.

        Raises:
            ToolError: Postgres is not there, is busy, took too long or refused.
            psycopg.Error: anything else, such as a constraint that does not hold.
        """
        self._configured()
        if self._problem is not None:
            raise problems.unavailable(self._problem)
        try:
            async with self._pool.connection() as connection, connection.transaction():
                # Of the transaction, not of the session, which a pooler may share.
                await connection.execute(
                    "SELECT set_config('statement_timeout', %s, true),"
                    " set_config('lock_timeout', '5s', true)",
                    (f"{seconds * 1000:.0f}ms",),
                )
                yield connection
        except PoolTimeout:
            raise problems.unavailable(f"no free connection within {_WAIT_SECONDS:g} s") from None
        except psycopg.Error as error:
            if problems.lacks_schema(error):
                raise problems.unavailable(self._prepare_again(error)) from None
            told = problems.for_model(error, seconds)
            if told is None:
                raise
            raise told from None

    async def check(self) -> None:
        """Check that Postgres answers and has the schema, on a separate connection: a busy pool is
        not an error.

        Raises:
            DependencyError: it gave no answer, or has no schema.
            NotConfigured: its address is not set.
        """
        self._configured()
        if self._problem is not None:
            raise DependencyError(f"database: {self._problem}")
        try:
            current = await self._probe.ask(CURRENT) == (True,)
        except psycopg.Error as error:
            lacking = problems.lacks_schema(error)
            problem = self._prepare_again(error) if lacking else problems.reason(error)
            raise DependencyError(f"database: {problem}") from None
        if not current:
            raise DependencyError(f"database: {self._prepare_again()}")

    def _configured(self) -> None:
        if self._missing:
            raise NotConfigured("The memory database", self._missing)

    def _prepare_again(self, error: psycopg.Error | None = None) -> str:
        """Has the schema made again, for all calls that find it missing at once; what is wrong."""
        if self._problem is None:
            found = f" ({problems.reason(error)})" if error else ""
            self._problem = f"it has lost its schema{found}, which is made again"
            logger.warning("the schema is gone", extra={"problem": self._problem})
            self._lost.set()
        return self._problem

    async def _keep_prepared(self) -> None:
        while True:
            self._lost.clear()
            async with asyncio.TaskGroup() as tasks:
                preparing = tasks.create_task(self._prepare())
                await self._lost.wait()
                preparing.cancel()

    async def _prepare(self) -> None:
        """Make the schema and its indexes, trying again for as long as it takes; /health tells what
        is in the way. Calls work without the indexes, so they wait for them only for a while."""
        self.trigrams = self.pgvector = self.vectors_indexed = False
        await self._insist(self._migrate, "the schema is not ready")
        async with asyncio.TaskGroup() as tasks:
            indexing = tasks.create_task(self._insist(self._index, "the indexes are not ready"))
            await asyncio.wait([indexing], timeout=_INDEX_SECONDS)
            self._problem = None
            found = {"trigrams": self.trigrams, "pgvector": self.pgvector}
            logger.info("the database is ready", extra=found)

    async def _insist(self, step: Callable[[], Awaitable[None]], complaint: str) -> None:
        told = None
        while True:
            try:
                await step()
            except (psycopg.Error, UnsuitableDatabase) as error:
                problem = problems.reason(error)
                if self._problem is not None:
                    self._problem = problem
                if problem != told:
                    logger.warning(complaint, extra={"problem": problem})
                told = problem
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _migrate(self) -> None:
        async with await AsyncConnection.connect(self._url, **_CONNECTION) as connection:
            await migrate(connection)

    async def _index(self) -> None:
        async with self._two() as (holder, builder):
            self.pgvector = await has_pgvector(builder)
            self.trigrams = await build_indexes(holder, builder)

    async def index_vectors(self, space: str, dimensions: int) -> None:
        """Build pgvector's index of one model's vectors; takes as long as it needs.

        Raises:
            psycopg.Error: the database refused.
            UnsuitableDatabase: another replica builds just now.
        """
        async with self._two() as (holder, builder):
            await index_vectors(holder, builder, space, dimensions)
        self.vectors_indexed = True

    @asynccontextmanager
    async def _two(self) -> AsyncIterator[tuple[AsyncConnection[Any], AsyncConnection[Any]]]:
        """Separate connections."""
        async with (
            await AsyncConnection.connect(self._url, **_CONNECTION) as holder,
            await AsyncConnection.connect(self._url, **_CONNECTION) as builder,
        ):
            yield holder, builder
