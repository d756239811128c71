"""The postgres server on a real PostgreSQL: what it reads, and what it prevents."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import jsonschema
import psycopg
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from psycopg.sql import SQL, Identifier
from sophia_mcp.settings import Credential, read_settings

from mcp_catalog.postgres.database import Database, Databases
from mcp_catalog.postgres.server import build
from tests.support.docker import docker
from tests.support.mcp_process import free_port
from tests.support.polling import eventually
from tests.support.tool_calls import Tools, tools_of

pytestmark = [pytest.mark.containers, pytest.mark.slow]

SEED = """
    CREATE EXTENSION dblink; CREATE EXTENSION tablefunc;
    CREATE TABLE customers (id serial PRIMARY KEY, email text UNIQUE, name text);
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers,
                         total numeric(10,2), created_at timestamptz DEFAULT now());
    COMMENT ON COLUMN orders.total IS 'in EUR';
    INSERT INTO customers (email, name) SELECT 'u' || i || '@x', 'n' || i
        FROM generate_series(1, 2000) i;
    INSERT INTO orders (customer_id, total) SELECT 1 + i % 2000, i / 7.0
        FROM generate_series(1, 40000) i;
    CREATE INDEX orders_newest ON orders (created_at);
    CREATE INDEX orders_newest_again ON orders (created_at);
    CREATE VIEW large_orders AS SELECT * FROM orders WHERE total > 100;
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO customers (name) VALUES ('evil'); RETURN 1; END $$;
    CREATE FUNCTION sneaky(customers) RETURNS int LANGUAGE sql AS
        $$ INSERT INTO customers (name) VALUES ('evil') RETURNING 1 $$;
    CREATE FUNCTION lying() RETURNS int LANGUAGE plpgsql STABLE AS
        $$ BEGIN EXECUTE 'INSERT INTO customers (name) VALUES (''evil'')'; RETURN 1; END $$;
    CREATE FUNCTION double(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * i';
    ANALYZE;
"""


@dataclass(frozen=True)
class Shop:
    """url: as a superuser. reader: as a role that can only read."""

    url: str
    reader: str


@pytest.fixture(scope="module")
def shop(postgres) -> Iterator[Shop]:
    """A database of the module's own."""
    number = uuid4().hex[:8]
    name, owner = f"shop_{number}", f"owner_{number}"
    parts = urlsplit(postgres.url)

    def address(role: str, password: str, database: str = name) -> str:
        netloc = f"{role}:{password}@{parts.hostname}:{parts.port}"
        return urlunsplit(parts._replace(path=f"/{database}", netloc=netloc))

    def as_postgres(statement: str) -> None:
        """Inside, where alone the platform's database has a superuser."""
        psql = ("psql", "--quiet", "--username=postgres", "--dbname=postgres", "--command")
        docker("exec", postgres.container, *psql, statement)

    as_postgres(f"CREATE ROLE {owner} SUPERUSER LOGIN PASSWORD 'all'")
    with psycopg.connect(address(owner, "all", "postgres"), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'read'").format(Identifier(name)))
        grant = SQL("GRANT pg_read_all_data, pg_read_all_stats TO {}")
        connection.execute(grant.format(Identifier(name)))
        try:
            with psycopg.connect(address(owner, "all"), autocommit=True) as seeding:
                seeding.execute(SEED)
            yield Shop(address(owner, "all"), address(name, "read"))
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))
    as_postgres(f"DROP ROLE {owner}")


@asynccontextmanager
async def connected(url: str, **environment: str) -> AsyncIterator[Tools]:
    """The tools, all of them, of a server on these databases."""
    allowed = {"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": "execute_write"}
    settings = {**allowed, "DATABASE_URL": url, **environment}
    async with tools_of(build(read_settings("postgres", settings))) as tools:
        yield tools


def state(shop: Shop) -> list[Any]:
    """The state that a write would change."""
    queries = [
        "SELECT count(*), max(id), md5(string_agg(c::text, '' ORDER BY id)) FROM customers c",
        "SELECT count(*), max(id) FROM orders",
        "SELECT last_value FROM customers_id_seq",
        "SELECT count(*) FROM pg_class",
        "SELECT count(*) FROM pg_proc",
        "SELECT count(*), bool_or(rolsuper AND rolname ~ '^shop') FROM pg_roles",
        "SELECT count(*) FROM pg_largeobject_metadata",
        "SELECT count(*) FROM pg_replication_slots",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
        "SELECT current_setting('work_mem'), current_setting('default_transaction_read_only')",
    ]
    with psycopg.connect(shop.url) as connection:
        return [connection.execute(query).fetchall() for query in queries]


ATTEMPTS = [
    # another kind of statement
    "INSERT INTO customers (name) VALUES ('evil')",
    "UPDATE customers SET name = 'evil'",
    "DELETE FROM orders",
    "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN DELETE",
    "TRUNCATE orders",
    "DROP TABLE orders",
    "CREATE TABLE evil (id int)",
    "CREATE TEMP TABLE evil (id int)",
    "ALTER TABLE orders DROP COLUMN total",
    "COPY customers FROM PROGRAM 'echo 1'",
    "COPY customers TO PROGRAM 'cat > /tmp/evil'",
    "COPY (SELECT 1) TO '/tmp/evil'",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "CALL sneaky()",
    "SET default_transaction_read_only = off",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "CREATE ROLE evil SUPERUSER",
    "GRANT ALL ON customers TO PUBLIC",
    "LOCK TABLE orders",
    "VACUUM FULL orders",
    "REFRESH MATERIALIZED VIEW large_orders",
    "NOTIFY evil",
    "PREPARE evil AS DELETE FROM orders",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "LOAD 'evil'",
    "IMPORT FOREIGN SCHEMA public FROM SERVER x INTO public",
    # more than one
    "SELECT 1; DELETE FROM orders",
    "COMMIT; DELETE FROM orders",
    "ROLLBACK; BEGIN READ WRITE; DELETE FROM orders; COMMIT",
    "SELECT 1) AS result; DELETE FROM orders; --",
    "SELECT 'a\\'; DELETE FROM orders; --'",
    "SELECT 1 /* */; /* */ DELETE FROM orders",
    # inside a SELECT
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    "SELECT * FROM (WITH a AS (INSERT INTO customers (name) VALUES ('x') RETURNING 1) TABLE a) b",
    "SELECT * INTO evil FROM orders",
    "SELECT * FROM orders FOR UPDATE",
    "SELECT * FROM (SELECT * FROM orders FOR SHARE) AS locked",
    # functions
    "SELECT sneaky()",
    "SELECT public.sneaky(c) FROM customers c",
    "SELECT c.sneaky FROM customers c",
    "SELECT (c).sneaky FROM customers c",
    "SELECT lying()",
    "SELECT nextval('customers_id_seq')",
    "SELECT setval('customers_id_seq', 1)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT pg_catalog . set_config('work_mem', '1GB', false)",
    'SELECT "pg_sleep"(100)',
    "SELECT (100).pg_sleep",
    "SELECT 1 FROM pg_sleep(100)",
    "SELECT 1 WHERE EXISTS (SELECT pg_sleep(100))",
    "SELECT count(*) OVER (ORDER BY pg_sleep(100)) FROM orders",
    'SELECT U&"pg\\005fsleep"(100)',
    "SELECT 1 LIMIT (SELECT 1 FROM pg_sleep(100))",
    "VALUES (pg_sleep(100))",
    "SELECT * FROM ROWS FROM (pg_sleep(100), generate_series(1, 2)) AS x",
    "SELECT sum(1) FILTER (WHERE pg_sleep(100) IS NULL) FROM orders",
    "SELECT (SELECT 100).pg_sleep",
    "SELECT (ARRAY['/etc/passwd'])[1].pg_read_file",
    "SELECT ((ARRAY['/etc/passwd'])[1]).pg_read_file",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT ('/etc/passwd').pg_read_file",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/evil')",
    "SELECT lo_from_bytea(0, 'evil')",
    "SELECT dblink('dbname=' || current_database(), 'DELETE FROM orders')",
    "SELECT * FROM dblink_exec('dbname=shop', 'DELETE FROM orders') AS x",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_notify('evil', '')",
    "SELECT pg_stat_reset()",
    "SELECT pg_create_physical_replication_slot('evil')",
    "SELECT pg_logical_emit_message(false, 'evil', '')",
    "SELECT query_to_xml('SELECT sneaky()', true, false, '')",
    "SELECT * FROM crosstab('SELECT 1, 2, sneaky()') AS x (a int, b int)",
    "SELECT ts_stat('SELECT sneaky()::text::tsvector')",
]


@pytest.mark.parametrize("tool", ["execute_sql", "explain_query"])
async def test_no_attempt_to_write_or_to_reach_out_succeeds(shop: Shop, tool: str):
    """As a superuser, whom the database itself would refuse nothing."""
    assert len(ATTEMPTS) > 40
    before = state(shop)
    analyze = {"analyze": True} if tool == "explain_query" else {}
    async with connected(shop.url, POSTGRES_STATEMENT_SECONDS="2") as tools:
        for sql in ATTEMPTS:
            said = await tools.error(tool, sql=sql, **analyze)
            assert "internal error" not in said, sql
            assert "stopped after" not in said, f"it ran: {sql}"
            assert state(shop) == before, sql


@pytest.mark.parametrize(
    "sql",
    [sql for sql in ATTEMPTS if sql.startswith(("INSERT", "UPDATE", "DELETE", "TRUNC", "DR"))],
)
async def test_without_the_parser_the_session_refuses(shop: Shop, sql: str):
    before = state(shop)
    through_a_pooler = Database("shop", shop.url, 5)
    del through_a_pooler._options["options"]  # which may ignore them
    session = Database("shop", shop.url, 5)
    for database, statements in (
        (through_a_pooler, [sql]),
        (session, [sql]),
        (session, ["COMMIT", sql]),
    ):
        with pytest.raises(ToolError, match="read-only transaction"):
            await ran(database, statements)
    assert state(shop) == before


async def ran(database: Database, statements: list[str]) -> None:
    async with database.reading() as connection:
        for sql in statements:
            await connection.execute(sql.encode())


async def test_without_both_the_role_refuses(shop: Shop):
    before = state(shop)
    async with connected(shop.reader) as tools:
        said = await tools.error("execute_write", sql="DELETE FROM orders WHERE true")
    assert "permission denied for table orders" in said
    assert state(shop) == before


async def test_a_role_that_can_do_more_than_read_is_told_of(shop: Shop, caplog):
    both = Databases(Credential("DATABASE_URL", f"a={shop.url} b={shop.reader}"), 5)
    async with both.opened():
        await both.check()
        await both.check()
    warned = [line for line in caplog.records if "more than read" in line.message]
    assert [line.__dict__["database"] for line in warned] == ["a"]
    async with connected(f"a={shop.url} b={shop.reader}") as tools:
        found = await tools.ok("analyze_db_health", areas=["cache"])
        assert {"is superuser", "may write"} <= set(found["role"])
        assert (await tools.ok("analyze_db_health", areas=["cache"], database="b"))["role"] == []


async def test_one_database_that_is_away_hides_no_other(shop: Shop):
    away = f"postgresql://127.0.0.1:{free_port()}/away"
    both = Databases(Credential("DATABASE_URL", f"a={away} b={shop.reader}"), 5)
    async with both.opened():
        await both.check()


async def test_values_of_all_types_arrive(shop: Shop):
    async with connected(shop.reader) as tools:
        answer = await tools.ok(
            "execute_sql",
            sql="""SELECT 1 AS a, 2 AS a, NULL::int, 'NaN'::float8, 'Infinity'::float8,
            1.10::numeric, 12345678901234567890::numeric, 9007199254740993, '\\xdead'::bytea,
            int4range(1, 5), '1 day 2 h'::interval, 'infinity'::date, ARRAY[1, NULL],
            '{"a": [1]}'::jsonb, row(1, 'x'), 'good'::mood, '192.0.2.1'::inet, true, '100% $1 ö'""",
        )
    assert answer["columns"][:2] == ["a", "a"]
    assert answer["rows"] == [
        [
            1, 2, None, "NaN", "Infinity", 1.1, "12345678901234567890", "9007199254740993",
            "\\xdead", "[1,5)", "1 day 02:00:00", "infinity", "[1,null]", '{"a": [1]}',
            '{"f1":1,"f2":"x"}', "good", "192.0.2.1", True, "100% $1 ö",
        ]
    ]  # fmt: skip


async def test_an_answer_is_bounded_in_rows_bytes_and_values(shop: Shop):
    async with connected(shop.reader) as tools:
        rows = await tools.ok("execute_sql", sql="SELECT id FROM orders ORDER BY id", limit=3)
        assert (rows["rows"], rows["truncated"]) == ([[1], [2], [3]], True)
        exact = await tools.ok("execute_sql", sql="VALUES (1), (2), (3)", limit=3)
        assert (len(exact["rows"]), exact["truncated"]) == (3, False)
        wide = await tools.ok(
            "execute_sql", sql="SELECT repeat('x', 1900) FROM generate_series(1, 900)", limit=1000
        )
        assert wide["truncated"]
        assert 50_000 < len(json.dumps(wide)) < 70_000
        long = await tools.ok("execute_sql", sql="SELECT repeat('ö', 3000000)")
        assert long["rows"][0][0] == "ö" * 2000 + "… [cut: 2000 of 3000000 characters]"
        columns = ", ".join(["repeat('x', 1900)"] * 40)
        wider = await tools.ok("execute_sql", sql=f"SELECT {columns} FROM generate_series(1, 2)")
        assert (len(wider["rows"]), wider["truncated"]) == (1, True)
        none = await tools.ok("execute_sql", sql="SELECT 1 WHERE false")
        assert none == {"columns": [], "rows": [], "truncated": False}


async def test_a_statement_ends_in_time_and_frees_its_connection(shop: Shop):
    endless = "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 1 FROM a) SELECT count(*) FROM a"
    async with connected(shop.reader, POSTGRES_STATEMENT_SECONDS="1") as tools:
        said = await asyncio.gather(*(tools.error("execute_sql", sql=endless) for _ in range(6)))
        assert all("stopped after 1 s" in one for one in said)
        assert (await tools.ok("execute_sql", sql="SELECT 1"))["rows"] == [[1]]

    def left() -> int:
        with psycopg.connect(shop.url) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres_mcp'"
            row = connection.execute(query).fetchone()
            return row[0] if row else -1

    async def counted() -> int:
        return await asyncio.to_thread(left)

    await eventually(counted, lambda count: count == 0, "no connection left open")


async def test_a_harmless_function_runs(shop: Shop):
    sql = "SELECT double(2), random() < 2, pg_table_size('orders') > 0, lower('A'), now() IS NULL"
    async with connected(shop.reader) as tools:
        answer = await tools.ok("execute_sql", sql=sql)
        assert answer["rows"] == [[4, True, True, "a", False]]
        said = await tools.error("execute_sql", sql="SELECT nope FROM orders")
    assert 'column "nope" does not exist' in said


async def test_objects_are_listed_in_pages_and_shown_in_full(shop: Shop):
    async with connected(shop.reader) as tools:
        schemas = (await tools.ok("list_schemas"))["schemas"]
        assert [one["name"] for one in schemas if not one["system"]] == ["public"]
        names, cursor = [], None
        while True:
            page = await tools.ok("list_objects", limit=3, cursor=cursor)
            names += [(one["name"], one["kind"], one["arguments"]) for one in page["objects"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert names == sorted(names)
        assert len(names) == len(set(names))
        assert {("sneaky", "function", ""), ("sneaky", "function", "customers")} <= set(names)
        found = await tools.ok("list_objects", kinds=["table", "view"], name="ORDER")
        assert [one["name"] for one in found["objects"]] == ["large_orders", "orders"]
        orders = await tools.ok("get_object_details", name="orders")
        view = await tools.ok("get_object_details", name="large_orders")
        kind = await tools.ok("get_object_details", name="mood")
        assert "'no \"such'" in await tools.error("get_object_details", name='no "such')
        assert "does not exist" in await tools.error("list_objects", schema='x"; --')
    assert [one["name"] for one in orders["columns"]] == [
        "id",
        "customer_id",
        "total",
        "created_at",
    ]
    assert orders["columns"][2]["comment"] == "in EUR"
    assert "FOREIGN KEY (customer_id) REFERENCES customers(id)" in str(orders["constraints"])
    assert len(orders["indexes"]) == 3
    assert "total > " in view["definition"]
    assert kind["definition"] == "mood: good, bad"


async def test_a_plan_is_shown_for_placeholders_and_for_a_run(shop: Shop):
    async with connected(shop.reader) as tools:
        plan = await tools.ok("explain_query", sql="SELECT * FROM orders WHERE customer_id = $1")
        assert "Filter: (customer_id = $1)" in plan["plan"]
        ran = await tools.ok("explain_query", sql="SELECT count(*) FROM orders", analyze=True)
        assert "actual time" in ran["plan"]
    async with connected(shop.url) as tools:
        write = await tools.ok("explain_query", sql="DELETE FROM orders WHERE id = 1")
        assert "Delete on orders" in write["plan"]


async def test_an_index_is_suggested_where_few_rows_of_many_are_needed(shop: Shop):
    wanted = [
        "SELECT * FROM orders WHERE customer_id = $1",
        "SELECT o.* FROM customers c JOIN orders o ON o.customer_id = c.id WHERE email = 'u7@x'",
        "SELECT * FROM orders WHERE id = 1",
        "SELECT * FROM orders WHERE total > 0",
        # The whole small table customers is read, although there is an index on the id.
        "SELECT name FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.id < 150",
        "DELETE FROM orders",
    ]
    async with connected(shop.reader) as tools:
        answer = await tools.ok("suggest_indexes", queries=wanted)
    indexes = [one["index"] for one in answer["suggestions"]]
    assert indexes == ["CREATE INDEX ON public.orders (customer_id)"] * 2
    assert answer["skipped"] == ["DELETE FROM orders: sql: expected a SELECT, got DELETE"]


async def test_health_finds_what_is_wrong(shop: Shop):
    async with connected(shop.reader) as tools:
        answer = await tools.ok("analyze_db_health")
        listed = await tools.listed()
    schema = listed["analyze_db_health"].output_schema
    assert schema is not None
    jsonschema.validate(answer, schema)
    found = {
        (one["area"], one["object"], one["finding"].split(" (")[0]) for one in answer["findings"]
    }
    assert ("indexes", "orders_newest_again", "the same as orders_newest") in found
    assert ("indexes", "orders", "no index for FOREIGN KEY") in found
    assert answer["not_checked"] == []


async def test_slow_queries_need_an_extension_and_say_which(shop: Shop):
    async with connected(shop.reader) as tools:
        said = await tools.error("get_top_queries")
    assert "CREATE EXTENSION pg_stat_statements" in said


async def test_a_write_is_bounded_and_gives_what_it_returns(shop: Shop):
    async with connected(shop.url) as tools:
        before = state(shop)
        said = await tools.error("execute_write", sql="UPDATE orders SET total = 0 WHERE true")
        assert "would change 40000 rows, more than max_rows (1000)" in said
        assert "VOLATILE" in await tools.error(
            "execute_write", sql="INSERT INTO customers (name) SELECT pg_read_file('/etc/passwd')"
        )
        assert state(shop) == before
        added = await tools.ok(
            "execute_write", sql="INSERT INTO customers (name) VALUES ('new') RETURNING name"
        )
        assert added["rows_changed"] == 1
        assert added["returned"]["rows"] == [["new"]]
        gone = await tools.ok("execute_write", sql="DELETE FROM customers WHERE name = 'new'")
        assert gone["rows_changed"] == 1
