"""Puts the server together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from mcp.server import MCPServer
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings

from .database import Database
from .embeddings import Embeddings, read_embeddings
from .store import MemoryStore
from .tools import TOOLS
from .vectors import Vectors

_WHOSE = {
    False: "All callers of this server share all memories: keep no secrets of one person here.",
    True: "You see your own memories only: user_id is you, whatever is given for it.",
}
_HOW = {
    False: "Search is lexical here: ask with words that a memory may have, and with synonyms. ",
    True: "Search goes by words and by meaning. ",
}


def build(settings: Settings) -> Server:
    """The server, on the database that the secret MEMORY_DATABASE_URL names.

    Raises:
        SettingError: the secret isn't a PostgreSQL URL, MEMORY_POOL_MAX_SIZE isn't a number from 1
        to
            100, MEMORY_SCOPE_FROM_CALLER neither true nor false, or a setting of the embeddings
            wrong.
    """
    database = Database(
        settings.credential("MEMORY_DATABASE_URL"),
        settings.number("MEMORY_POOL_MAX_SIZE", 8, least=1, most=100),
    )
    per_caller = settings.flag("MEMORY_SCOPE_FROM_CALLER")
    embeddings = read_embeddings(settings)

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[MemoryStore]:
        async with database.opened():
            if embeddings is None:
                yield MemoryStore(database, per_caller)
                return
            async with embeddings.opened(server.metrics):
                vectors = Vectors(database, embeddings)
                embedding = asyncio.create_task(vectors.keep_up())
                try:
                    yield MemoryStore(database, per_caller, vectors)
                finally:
                    embedding.cancel()
                    with suppress(asyncio.CancelledError):
                        await embedding

    server = Server(
        settings,
        title="AI memory",
        instructions=(
            "Long-term memory. Store facts worth keeping with store_memory, scoped by user_id, "
            "agent_id or run_id; look them up with search_memories before asking for them again. "
            + _HOW[embeddings is not None]
            + _WHOSE[per_caller]
        ),
        tools=TOOLS,
        lifespan=lifespan,
        check=_Check(database, embeddings),
    )
    return server


class _Check:
    """For all dependencies. A starting replica waits only for the database: without embeddings
    it finds memories by their words."""

    def __init__(self, database: Database, embeddings: Embeddings | None) -> None:
        self._database, self._embeddings = database, embeddings
        self._was_good = False

    async def __call__(self) -> None:
        await self._database.check()
        if self._was_good and self._embeddings is not None:
            await self._embeddings.check()
        self._was_good = True
