"""Schemas, read-only SQL, plans, slow queries and health of PostgreSQL databases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import MCPServer
from sophia_mcp.policy import destroys, reads
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings

from .database import Databases
from .health import Health
from .objects import Catalog
from .queries import Queries
from .workload import Workload


def build(settings: Settings) -> Server:
    """The server, on the databases that the secret DATABASE_URL names.

    Raises SettingError if the secret is neither a PostgreSQL URL nor several with names, or
    POSTGRES_STATEMENT_SECONDS no number from 1 to 60.
    """
    databases = Databases(
        settings.credential("DATABASE_URL"),
        settings.number("POSTGRES_STATEMENT_SECONDS", 10, least=1, most=60),
    )
    catalog, queries = Catalog(databases), Queries(databases)
    health, workload = Health(databases), Workload(databases)

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[None]:
        async with databases.opened():
            yield

    return Server(
        settings,
        title="PostgreSQL",
        instructions=(
            "PostgreSQL databases: "
            + (", ".join(databases.names) or "none yet")
            + ". Look at the tables with list_objects and get_object_details before you write SQL. "
            "For slow ones: get_top_queries, explain_query, suggest_indexes."
        ),
        tools=[
            reads(catalog.list_schemas),
            reads(catalog.list_objects),
            reads(catalog.get_object_details),
            reads(queries.execute_sql),
            destroys(queries.execute_write),
            reads(queries.explain_query),
            reads(workload.get_top_queries),
            reads(workload.suggest_indexes),
            reads(health.analyze_db_health),
        ],
        lifespan=lifespan,
        check=databases.check,
    )
