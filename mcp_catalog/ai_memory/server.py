"""Puts the server together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import MCPServer
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings

from .database import Database
from .store import MemoryStore
from .tools import TOOLS

_WHOSE = {
    False: "All callers of this server share all memories: keep no secrets of one person here.",
    True: "You see your own memories only: user_id is you, whatever is given for it.",
}


def build(settings: Settings) -> Server:
    """The server, on the database that the secret MEMORY_DATABASE_URL names.

    Raises:
        SettingError: the secret is no URL of Postgres, MEMORY_POOL_MAX_SIZE is no number from 1 to
            100, or MEMORY_SCOPE_FROM_CALLER neither true nor false.
    """
    database = Database(
        settings.credential("MEMORY_DATABASE_URL"),
        settings.number("MEMORY_POOL_MAX_SIZE", 8, least=1, most=100),
    )

    per_caller = settings.flag("MEMORY_SCOPE_FROM_CALLER")

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[MemoryStore]:
        async with database.opened():
            yield MemoryStore(database, per_caller)

    return Server(
        settings,
        title="AI memory",
        instructions=(
            "Long-term memory. Store facts worth keeping with store_memory, scoped by user_id, "
            "agent_id or run_id; look them up with search_memories before asking for them again. "
            + _WHOSE[per_caller]
        ),
        tools=TOOLS,
        lifespan=lifespan,
        check=database.check,
    )
