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


def build(settings: Settings) -> Server:
    """The server, on the database that the secret MEMORY_DATABASE_URL names.

    Raises:
        SettingError: the secret is no URL of Postgres, or MEMORY_POOL_MAX_SIZE is no number from 1
            to 100.
    """
    database = Database(
        settings.credential("MEMORY_DATABASE_URL"),
        settings.number("MEMORY_POOL_MAX_SIZE", 8, least=1, most=100),
    )

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[MemoryStore]:
        async with database.opened():
            yield MemoryStore(database)

    return Server(
        settings,
        title="AI memory",
        instructions=(
            "Long-term memory. Store facts worth keeping with store_memory, scoped by user_id, "
            "agent_id or run_id; look them up with search_memories before asking for them again."
        ),
        tools=TOOLS,
        lifespan=lifespan,
        check=database.check,
    )
