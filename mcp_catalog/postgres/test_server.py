"""What of postgres needs no database: what may run, settings, what it says while none is there."""

from collections.abc import Collection

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.errors import DependencyError, NotConfigured, SettingError
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from mcp_catalog.postgres import guard
from mcp_catalog.postgres.queries import _value
from mcp_catalog.postgres.server import build
from mcp_catalog.postgres.workload import _candidates, _compared
from tests.support.mcp_process import free_port
from tests.support.tool_calls import tools_of

CALLS = {
    "list_schemas": {},
    "list_objects": {},
    "get_object_details": {"name": "orders"},
    "execute_sql": {"sql": "SELECT 1"},
    "execute_write": {"sql": "INSERT INTO orders DEFAULT VALUES"},
    "explain_query": {"sql": "SELECT 1"},
    "get_top_queries": {},
    "suggest_indexes": {},
    "analyze_db_health": {},
}


def server(url: str = "", **environment: str) -> Server:
    """With all its tools."""
    allowed = {"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": "execute_write"}
    return build(read_settings("postgres", {**allowed, "DATABASE_URL": url, **environment}))


def read(sql: str, kinds: Collection[str] = guard.READS) -> guard.Statement:
    return guard.statement(sql, kinds, "a SELECT")


async def test_every_tool_says_which_setting_is_missing():
    without = server()
    async with tools_of(without) as tools:
        assert set(await tools.listed()) == set(CALLS)
        for tool, arguments in CALLS.items():
            assert "DATABASE_URL is not set" in await tools.error(tool, **arguments)
    with pytest.raises(NotConfigured):
        await without.check()


async def test_it_writes_only_where_the_tool_is_named():
    async with tools_of(server(MCP_ALLOW_DESTRUCTIVE="")) as tools:
        listed = await tools.listed()
    assert "execute_write" not in listed
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.values())


@pytest.mark.parametrize(
    "secret",
    [
        "mysql://reader:hidden@db/shop",
        "hidden",
        "a=postgresql://db/shop a=postgresql://hidden@db/other",
        "a b=postgresql://hidden@db/shop",
        "=postgresql://hidden@db/shop",
        "a=postgresql://reader:hid@den@db/shop",
        "postgresql://db/shop postgresql://hidden@db/other",
    ],
)
def test_a_wrong_secret_stops_the_start_without_being_shown(secret: str):
    with pytest.raises(SettingError, match=r"^secret DATABASE_URL: expected") as told:
        server(secret)
    assert "hid" not in str(told.value)


async def test_several_databases_are_told_by_name_and_asked_by_name():
    where = f"postgresql://reader:hidden@127.0.0.1:{free_port()}"
    two = server(f"shop={where}/shop\nstock={where}/stock")
    assert two.instructions is not None
    assert "shop, stock" in two.instructions
    async with tools_of(two) as tools:
        first = await tools.error("execute_sql", sql="SELECT 1")
        second = await tools.error("execute_sql", sql="SELECT 1", database="stock")
        other = await tools.error("execute_sql", sql="SELECT 1", database="x")
    assert "shop is unavailable (nothing listens at its address)" in first
    assert "stock is unavailable" in second
    assert "database: expected one of shop, stock, got 'x'" in other
    with pytest.raises(DependencyError, match=r"shop: nothing listens.*stock: nothing") as told:
        await two.check()
    assert "hidden" not in first + second + other + two.instructions + str(told.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1; -- and no more",
        "WITH a AS (SELECT 1) TABLE a",
        "VALUES (1), (2)",
        "(SELECT 1 UNION SELECT 2) ORDER BY 1",
        "SELECT 'DROP TABLE x; --' AS \"insert into\"",
        "SELECT $$;DELETE FROM x$$",
        "-- ö\nSELECT 'ö'",
    ],
)
def test_one_select_is_read(sql: str):
    assert read(sql).kind == "SelectStmt"


def test_it_is_taken_out_of_what_stands_around_it():
    assert read("; /* ö */ SELECT 'ß' ;; -- é").text == "/* ö */ SELECT 'ß'"
    assert read("SELECT 'ß'; ;").text == "SELECT 'ß'"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "expected one statement, got 0"),
        ("SELECT 1; SELECT 2", "expected one statement, got 2"),
        ("SELECT 1) AS x; DROP TABLE y; --", "syntax error"),
        ("INSERT INTO x VALUES (1)", "expected a SELECT, got INSERT"),
        ("WITH a AS (DELETE FROM x RETURNING *) SELECT * FROM a", "got one with DELETE inside"),
        ("SELECT * INTO y FROM x", "SELECT INTO"),
        ("SELECT 1 UNION SELECT * FROM (SELECT 1 FOR UPDATE) AS a", "FOR UPDATE"),
        ("EXPLAIN ANALYZE DELETE FROM x", "got EXPLAIN"),
        ("COPY x TO PROGRAM 'id'", "got COPY"),
        ("SET ROLE postgres", "got VARIABLE SET"),
        ("BEGIN", "got TRANSACTION"),
        ("SELECT $1", "placeholders"),
        ("SELECT " + "1+" * 20_000 + "1", "nested too deeply"),
        ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "memory exhausted"),
        ("SELECT '\ud800'", "without NUL"),
        ("SELECT 1 \0; DROP TABLE x", "without NUL"),
    ],
)
def test_anything_else_is_refused_before_the_database(sql: str, said: str):
    with pytest.raises(ToolError, match=r"^sql: ") as told:
        read(sql)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        ("SELECT lower(a), Pg_Catalog.Abs(1) FROM x", {("", "lower"), ("pg_catalog", "abs")}),
        ("SELECT db.a.f(1)", {("a", "f")}),
        ("SELECT (1).pg_sleep, t.a", {("", "pg_sleep"), ("", "a")}),
        ("SELECT 1 FROM f(2) ORDER BY g(3)", {("", "f"), ("", "g")}),
        ('SELECT "F"(1)', {("", "F")}),
    ],
)
def test_what_it_may_call_is_found(sql: str, called: set[tuple[str, str]]):
    assert {(schema, name) for schema, name, _ in read(sql).functions} == called


@pytest.mark.parametrize(
    "sql",
    [
        "COPY x FROM STDIN", "DO $$ BEGIN END $$", "CALL f()", "SET work_mem = '1GB'", "COMMIT",
        "CREATE ROLE x", "GRANT ALL ON x TO y", "CREATE EXTENSION dblink", "ALTER SYSTEM RESET ALL",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "LOCK TABLE x", "VACUUM",
        "DROP DATABASE x", "INSERT INTO x SELECT 1; DROP TABLE x",
        "WITH a AS (DELETE FROM x RETURNING *) INSERT INTO y SELECT * FROM a",
    ],
)  # fmt: skip
async def test_what_writes_changes_rows_or_tables_and_nothing_else(sql: str):
    async with tools_of(server(f"postgresql://127.0.0.1:{free_port()}/shop")) as tools:
        assert "sql: expected" in await tools.error("execute_write", sql=sql)


@pytest.mark.parametrize("sql", ["UPDATE x SET a = 1", "DELETE FROM x"])
async def test_what_changes_all_rows_has_to_say_so(sql: str):
    async with tools_of(server(f"postgresql://127.0.0.1:{free_port()}/shop")) as tools:
        assert "write WHERE true" in await tools.error("execute_write", sql=sql)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1), ("1.10", 1.1), ("true", True), ("null", None), ('"a"', "a"),
        ("9007199254740992", 2**53), ("9007199254740993", "9007199254740993"),
        ("0.1234567890123456789", "0.1234567890123456789"), ("1e400", "1e400"),
        ("0.30000000000000004", 0.30000000000000004),
    ],
)  # fmt: skip
def test_a_number_that_json_would_round_is_a_text(written: str, value: object):
    assert _value(written) == value


def test_columns_that_a_plan_looks_for_are_found():
    plan = {
        "Node Type": "Hash Join", "Hash Cond": "(o.customer_id = c.id)", "Plan Rows": 3,
        "Plans": [
            {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "orders", "Alias": "o",
             "Plan Rows": 9, "Filter": "((o.total > '5'::numeric) AND (o.state = 'new'::text))"},
            {"Node Type": "Index Scan", "Schema": "public", "Relation Name": "customers",
             "Alias": "c", "Plan Rows": 1},
        ],
    }  # fmt: skip
    found = [(one.table, one.columns, one.rows) for one in _candidates(plan)]
    assert found == [("orders", ("state", "total"), 9), ("orders", ("customer_id",), 3)]
    assert _compared("((o.a = 1) OR (o.b = 2))", "o") == ((), ())
    assert _compared("(lower(o.a) = 'x'::text)", "o") == ((), ())
