"""Schemas, read-only SQL, and the search, text and analyst models of one Snowflake account."""

from sophia_mcp.policy import destroys, reads
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream

from .access import Session
from .account import read_account
from .cortex import Cortex
from .objects import Objects, exact
from .queries import Queries
from .statements import Statements

_CONTEXT = ("warehouse", "database", "schema", "role")


def build(settings: Settings) -> Server:
    """The server, on the account SNOWFLAKE_ACCOUNT.

    Raises SettingError when SNOWFLAKE_PRIVATE_KEY can't be read, or another setting is wrong.
    """
    account = read_account(settings)
    api = Upstream(
        "Snowflake",
        account.address,
        auth=account.auth,
        needs=account.needs,
        limits=Limits(read_s=14),  # the analyst thinks for long
    )
    given = {key: settings.text(f"SNOWFLAKE_{key.upper()}", "") for key in _CONTEXT}
    context = {key: exact(name) for key, name in given.items() if name}
    seconds = settings.number("SNOWFLAKE_STATEMENT_SECONDS", 15, least=1, most=60)
    statements = Statements(api, context, seconds)
    queries = Queries(statements, settings.texts("SNOWFLAKE_FUNCTIONS"))
    objects, session = Objects(statements, context), Session(statements)
    cortex = Cortex(api, statements, objects)
    return Server(
        settings,
        title="Snowflake",
        instructions=(
            "Snowflake: look at the tables with list_databases, list_schemas, list_tables and "
            "get_table_info before you write SQL for execute_query, with whole names. "
            "cortex_analyst writes SQL from a question, semantic_search finds texts."
        ),
        tools=[
            reads(queries.execute_query),
            destroys(queries.execute_write),
            reads(queries.explain_query),
            reads(queries.get_query_history),
            reads(objects.list_databases),
            reads(objects.list_schemas),
            reads(objects.list_tables),
            reads(objects.get_table_info),
            reads(objects.list_warehouses),
            reads(objects.list_semantic_views),
            reads(objects.list_search_services),
            reads(cortex.semantic_search),
            reads(cortex.complete_text),
            reads(cortex.analyze_sentiment),
            reads(cortex.generate_embedding),
            reads(cortex.cortex_analyst),
            reads(session.get_access),
        ],
        upstreams=[api],
    )
