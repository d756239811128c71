"""snowflake_unified against a stand-in for Snowflake's REST APIs that speaks real HTTP.

Shapes and errors: docs.snowflake.com/en/developer-guide/sql-api/reference, /submitting-requests,
/handling-responses, /authenticating; user-guide/snowflake-cortex/cortex-search/
query-cortex-search-service, user-guide/snowflake-cortex/cortex-analyst/rest-api;
sql-reference/sql/show-objects, show-warehouses, show-semantic-views, show-grants, desc-table.
"""

import asyncio
import base64
import gzip
import hashlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings

from mcp_catalog.snowflake_unified import account, statements
from mcp_catalog.snowflake_unified.objects import exact, spoken
from mcp_catalog.snowflake_unified.values import read
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

STATEMENTS = "/api/v2/statements"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PASSPHRASE, TOKEN = "a-phrase-never-shown", "pat-never-shown"


def pem(key: Any = KEY, passphrase: str = "") -> str:
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    kind = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, kind, encryption).decode())


def result(types: dict[str, str], *rows: Sequence[str | None], **more: Any) -> dict[str, Any]:
    """As the SQL API gives one: every value a text."""
    columns = [
        {"name": name, "type": kind, "nullable": True, "scale": 0, "database": "", "table": ""}
        for name, kind in types.items()
    ]
    parts = [{"rowCount": len(rows), "uncompressedSize": 100}]
    meta = {"numRows": len(rows), "format": "jsonv2", "rowType": columns, "partitionInfo": parts}
    return {
        "resultSetMetaData": meta,
        "data": rows,
        "code": "090001",
        "message": "Statement executed successfully.",
        "statementHandle": "h",
        **more,
    }


def texts(names: str, *rows: Sequence[str | None]) -> dict[str, Any]:
    return result(dict.fromkeys(names.split(","), "text"), *rows)


COLUMNS = ["ID", "NUMBER(38,0)", "COLUMN", "N", None, "Y", "N", None, None, ""]
BY_STATEMENT = {
    "SHOW DATABASES": texts("name,kind,owner,comment", ["SHOP", "STANDARD", "ADMIN", ""]),
    "SHOW SCHEMAS": texts("name,owner,comment", ["PUBLIC", None, None]),
    "SHOW OBJECTS": texts(
        "name,kind,rows,bytes,comment", ["ORDERS", "TABLE", "12", "2048", "All"],
        ["my view", "VIEW", "", None, None],
    ),
    "DESCRIBE TABLE": texts(
        "name,type,kind,null?,default,primary key,unique key,check,expression,comment", COLUMNS
    ),
    "SELECT GET_DDL": texts("ddl", ["create TABLE SHOP.PUBLIC.ORDERS (ID NUMBER)"]),
    "SHOW WAREHOUSES": texts(
        "name,state,type,size,running,queued,auto_suspend,comment",
        ["MCP_WH", "SUSPENDED", "STANDARD", "X-Small", "0", "0", "60", None],
    ),
    "SHOW SEMANTIC VIEWS": texts(
        "created_on,name,database_name,schema_name,comment", ["", "SALES", "SHOP", "PUBLIC", ""]
    ),
    "SHOW CORTEX SEARCH": texts(
        "name,database_name,schema_name,search_column,attribute_columns,columns,comment",
        ["DOCS", "SHOP", "PUBLIC", "BODY", "REGION", "BODY,REGION", None],
    ),
    "SHOW GRANTS": texts(
        "created_on,privilege,granted_on,name,granted_to", ["", "SELECT", "TABLE", "T", "ROLE"],
        ["", "INSERT", "TABLE", "SHOP.PUBLIC.T", "ROLE"], ["", "USAGE", "ROLE", "OTHER", "ROLE"],
    ),
    "SELECT CURRENT_ACCOUNT": texts(
        "ACCOUNT,USER,ROLE,SECONDARY_ROLES,WAREHOUSE,DATABASE,VERSION",
        ["XY12345", "READER", "READER", '{"roles":"","value":""}', None, "SHOP", "9.1"],
    ),
    "SELECT AI_COMPLETE": result({"a": "variant"}, ['"An answer."']),
    "SELECT SNOWFLAKE.CORTEX.SENTIMENT": result({"a": "real"}, ["-0.25"]),
    "SELECT AI_EMBED": result({"a": "array"}, ["[\n  0.5,\n  -1\n]"]),
    "SELECT query_id": texts(
        "QUERY_ID,QUERY_TEXT,USER_NAME,WAREHOUSE_NAME,EXECUTION_STATUS,ERROR_MESSAGE",
        ["01b", "SELECT " + "x" * 3_000, "READER", None, "SUCCESS", None],
    ),
    "EXPLAIN USING TEXT": texts("content", ["GlobalStats:\n    bytesAssigned=0"]),
    "INSERT": result(
        {"number of rows inserted": "fixed"}, ["2"],
        stats={"numRowsInserted": 2, "numRowsDeleted": 0, "numDuplicateRowsUpdated": 0},
    ),
    "SELECT": result({"N": "fixed", "T": "text"}, ["1", "one"], ["2", None]),
}  # fmt: skip


def submitted(request: Request) -> Reply:
    """Takes a statement, and says under which handle it runs."""
    assert request.query == {"async": ["true"]}
    names = [key for key in BY_STATEMENT if request.body["statement"].strip().startswith(key)]
    return running(list(BY_STATEMENT).index(names[0]))


def running(handle: object) -> Reply:
    body = {"code": "333334", "message": "Asynchronous execution in progress."}
    where = {"statementHandle": f"01b2-{handle}", "statementStatusUrl": f"{STATEMENTS}/{handle}"}
    return replies.ok({**body, **where}, 202)


SEARCH = "/api/v2/databases/SHOP/schemas/PUBLIC/cortex-search-services/DOCS:query"
ANALYST = "/api/v2/cortex/analyst/message"

FOUND = {"BODY": "x" * 3_000, "@scores": {"cosine_similarity": 0.5}}
BLOCKS = [
    {"type": "text", "text": "This is how I read it."},
    {"type": "sql", "statement": "SELECT 1", "confidence": None},
]
ANALYSIS = {
    "request_id": "75d3",
    "message": {"role": "analyst", "content": BLOCKS},
    "warnings": [{"message": "No verified query"}],
    "response_metadata": {},
}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "snowflake_unified",
    "SNOWFLAKE_API_URL",
    {
        "SNOWFLAKE_ACCOUNT": "xy12345.us-east-1",
        "SNOWFLAKE_USER": "reader",
        "SNOWFLAKE_PRIVATE_KEY": pem(),
        "SNOWFLAKE_DATABASE": "shop",
        "SNOWFLAKE_SCHEMA": "PUBLIC",
        "SNOWFLAKE_ROLE": "reader",
        "SNOWFLAKE_FUNCTIONS": "shop.public.net_price",
        "MCP_ALLOW_WRITES": "true",
        "MCP_ALLOW_DESTRUCTIVE": "execute_write",
    },
    {
        f"POST {STATEMENTS}": submitted,
        **{
            f"GET {STATEMENTS}/01b2-{place}": replies.ok(found)
            for place, found in enumerate(BY_STATEMENT.values())
        },
        f"POST {SEARCH}": replies.ok({"results": [FOUND], "request_id": "5d8e"}),
        f"POST {ANALYST}": replies.ok(ANALYSIS),
    },
    {
        "execute_query": {"sql": "SELECT n, t FROM shop.public.t"},
        "list_databases": {"name": "sh"},
        "execute_write": {"sql": "INSERT INTO t VALUES (1), (2)"},
        "explain_query": {"sql": "SELECT 1"},
        "get_query_history": {"slowest_first": True},
        "list_schemas": {},
        "list_tables": {"schema": "public"},
        "get_table_info": {"table": "orders"},
        "list_warehouses": {},
        "list_semantic_views": {},
        "list_search_services": {"database": "SHOP"},
        "semantic_search": {"service": "docs", "query": "refunds"},
        "complete_text": {"prompt": "Say something"},
        "analyze_sentiment": {"text": "Not so good"},
        "generate_embedding": {"text": "A text"},
        "cortex_analyst": {"question": "How much?", "semantic_model": "SHOP.PUBLIC.SALES"},
        "get_access": {},
    },
    hidden=(PASSPHRASE, TOKEN),
)


@pytest.fixture
def snowflake() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def sent(service: Service) -> list[str]:
    """The statements that came."""
    return [one.body["statement"] for one in service.asked if one.path == STATEMENTS]


async def test_a_statement_says_where_and_how_long_it_may_run(snowflake: Service):
    async with STAND_IN.connected(snowflake, SNOWFLAKE_STATEMENT_SECONDS="7") as tools:
        given = await tools.ok("execute_query", sql="SELECT 1 -- secret\n;", limit=5)
    assert given == {"columns": ["N", "T"], "rows": [[1, "one"], [2, None]], "truncated": False}
    assert snowflake.asked[0].body == {
        "statement": "SELECT 1",
        "timeout": 7,
        "database": "SHOP",
        "schema": "PUBLIC",
        "role": "READER",
        "bindings": {},
        "parameters": {
            "MULTI_STATEMENT_COUNT": "1",
            "ROWS_PER_RESULTSET": "6",
            "QUERY_TAG": "sophia_mcp",
        },
    }


ACCOUNTS = {
    "xy12345.us-east-1": ("XY12345", "xy12345.us-east-1"),
    "myorg-my_account": ("MYORG-MY_ACCOUNT", "myorg-my-account"),
    "MYORG-ACC.snowflakecomputing.com": ("MYORG-ACC", "myorg-acc"),
}


@pytest.mark.parametrize("given", ACCOUNTS)
async def test_a_key_pair_signs_in(snowflake: Service, given: str):
    named, host = ACCOUNTS[given]
    there = account.read_account(read_settings("x", {"SNOWFLAKE_ACCOUNT": given})).address
    assert there == f"https://{host}.snowflakecomputing.com"
    async with STAND_IN.connected(snowflake, SNOWFLAKE_ACCOUNT=given) as tools:
        await tools.ok("execute_query", sql="SELECT 1")
    first, second = snowflake.asked[:2]
    assert first.headers["X-Snowflake-Authorization-Token-Type"] == "KEYPAIR_JWT"
    assert first.headers["Authorization"] == second.headers["Authorization"]
    token = first.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, KEY.public_key(), ["RS256"])
    public = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    fingerprint = base64.b64encode(hashlib.sha256(public).digest()).decode()
    assert claims["iss"] == f"{named}.READER.SHA256:{fingerprint}"
    assert claims["sub"] == f"{named}.READER"
    assert 0 < claims["exp"] - claims["iat"] <= 3600


async def test_a_signed_token_is_renewed_before_it_ends(
    snowflake: Service, monkeypatch: pytest.MonkeyPatch
):
    async with STAND_IN.connected(snowflake) as tools:
        for minutes in (0, 39, 41):
            now = time.time() + minutes * 60
            monkeypatch.setattr(account, "time", SimpleNamespace(time=lambda now=now: now))
            await tools.ok("execute_query", sql="SELECT 1")
    first, kept, renewed = (one.headers["Authorization"] for one in snowflake.asked[::2])
    assert first == kept != renewed


async def test_a_token_signs_in_where_there_is_no_key(snowflake: Service):
    changed = {"SNOWFLAKE_PRIVATE_KEY": "", "SNOWFLAKE_USER": "", "SNOWFLAKE_TOKEN": TOKEN}
    async with STAND_IN.connected(snowflake, **changed) as tools:
        await tools.ok("execute_query", sql="SELECT 1")
    headers = snowflake.asked[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["X-Snowflake-Authorization-Token-Type"] == "PROGRAMMATIC_ACCESS_TOKEN"


def with_key(key: str, passphrase: str = "") -> dict[str, str]:
    return {"SNOWFLAKE_PRIVATE_KEY": key, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": passphrase}


async def test_ways_to_write_a_key(snowflake: Service):
    locked = with_key(pem(passphrase=PASSPHRASE), PASSPHRASE)
    for given in (with_key(pem().replace("\n", "\\n")), locked):
        async with STAND_IN.connected(snowflake, **given) as tools:
            await tools.ok("execute_query", sql="SELECT 1")


WRONG_KEYS = {
    "got something else": with_key("never-shown"),
    ", got something else": with_key(pem()[:300]),
    "no SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": with_key(pem(passphrase=PASSPHRASE)),
    "does not open": with_key(pem(passphrase=PASSPHRASE), "wrong"),
    "without a passphrase": with_key(pem(), PASSPHRASE),
    "of another kind": with_key(pem(ec.generate_private_key(ec.SECP256R1()))),
}


@pytest.mark.parametrize("said", WRONG_KEYS)
def test_a_wrong_key_is_one_line_at_the_start(snowflake: Service, said: str):
    with pytest.raises(SettingError) as raised:
        STAND_IN.built(snowflake, **WRONG_KEYS[said])
    told = str(raised.value)
    assert said in told
    assert "\n" not in told
    lines = WRONG_KEYS[said]["SNOWFLAKE_PRIVATE_KEY"].split("\n")[1:-1]
    assert not any(line in told for line in (*lines, "never-shown", PASSPHRASE))


@pytest.mark.parametrize("name", ["https://x.example.com", "my org", "x/../y", "x.snow@evil.com"])
def test_an_account_is_a_name(snowflake: Service, name: str):
    with pytest.raises(SettingError, match="SNOWFLAKE_ACCOUNT"):
        STAND_IN.built(snowflake, SNOWFLAKE_ACCOUNT=name)


async def test_without_credentials_it_starts_and_says_so(snowflake: Service):
    nothing = {"SNOWFLAKE_PRIVATE_KEY": "", "SNOWFLAKE_ACCOUNT": "", "SNOWFLAKE_USER": ""}
    async with STAND_IN.connected(snowflake, **nothing) as tools:
        said = await tools.error("list_databases")
    assert "SNOWFLAKE_PRIVATE_KEY and SNOWFLAKE_ACCOUNT and SNOWFLAKE_USER are not set" in said
    assert snowflake.asked == []


async def test_a_running_statement_is_asked_for_until_it_ends(snowflake: Service):
    snowflake.queue.extend([running(7), running(7), running(7), running(7)])
    snowflake.routes[f"GET {STATEMENTS}/01b2-7"] = replies.ok(texts("A", ["done"]))
    async with STAND_IN.connected(snowflake) as tools:
        assert (await tools.ok("execute_query", sql="SELECT 1"))["rows"] == [["done"]]
    assert [one.method for one in snowflake.asked] == ["POST", "GET", "GET", "GET", "GET"]


async def test_a_statement_that_outlives_its_time_is_cancelled(
    snowflake: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(statements, "_GRACE_S", -0.8)
    snowflake.routes[f"POST {STATEMENTS}"] = running(7)
    snowflake.routes[f"GET {STATEMENTS}/01b2-7"] = running(7)
    async with STAND_IN.connected(snowflake, SNOWFLAKE_STATEMENT_SECONDS="1") as tools:
        assert "stopped after 1 s" in await tools.error("execute_query", sql="SELECT 1")
    assert snowflake.asked[-1].path == f"{STATEMENTS}/01b2-7/cancel"


async def test_a_statement_whose_caller_leaves_is_cancelled(snowflake: Service):
    snowflake.routes[f"POST {STATEMENTS}"] = running(7)
    snowflake.routes[f"GET {STATEMENTS}/01b2-7"] = running(7)
    async with STAND_IN.connected(snowflake, GRACE_SECONDS="1") as tools:
        assert "was stopped" in await tools.error("execute_query", sql="SELECT 1")
    assert snowflake.asked[-1].path == f"{STATEMENTS}/01b2-7/cancel"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, {"code": "002003", "message": "Object 'T' does not exist or not authorized.",
               "sqlState": "42S02", "statementHandle": "01b2-7"}, "Object 'T' does not exist"),
        (408, {"code": "000630", "message": "Statement reached its timeout"}, "stopped after 15 s"),
        (422, {"code": "000630", "message": "Statement reached its timeout"}, "stopped after 15 s"),
    ],
)  # fmt: skip
async def test_what_snowflake_refuses_is_told_and_not_cancelled(
    snowflake: Service, status: int, body: dict[str, str], said: str
):
    snowflake.queue.extend([running(7), replies.refused(status, body)])
    async with STAND_IN.connected(snowflake) as tools:
        assert said in await tools.error("execute_query", sql="SELECT 1")
    assert [one.method for one in snowflake.asked] == ["POST", "GET"]


async def test_parts_of_a_result_are_put_together_up_to_the_limit(snowflake: Service):
    first = texts("A", ["1"], ["2"])
    first["resultSetMetaData"]["partitionInfo"] *= 4
    snowflake.queue.extend([running("parts"), replies.ok({**first, "statementHandle": "01b2-p"})])
    packed = gzip.compress(b'{"data": [["3"], ["4"]]}')  # whatever was accepted
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    snowflake.routes[f"GET {STATEMENTS}/01b2-p"] = Reply(200, packed, kind)
    async with STAND_IN.connected(snowflake) as tools:
        given = await tools.ok("execute_query", sql="SELECT 1", limit=3)
    assert given == {"columns": ["A"], "rows": [["1"], ["2"], ["3"]], "truncated": True}
    assert [one.query.get("partition") for one in snowflake.asked] == [None, None, ["1"]]


async def test_long_values_are_cut_and_a_long_answer_ends_with_a_mark(snowflake: Service):
    rows = [["x" * 2_500] for _ in range(40)]
    snowflake.queue.extend([running(7), replies.ok(texts("A", *rows))])
    async with STAND_IN.connected(snowflake) as tools:
        given = await tools.ok("execute_query", sql="SELECT 1")
    assert given["truncated"]
    assert 20 < len(given["rows"]) < 40
    assert given["rows"][0][0].endswith("… [cut: 2000 of 2500 characters]")


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("fixed", "12", 12),
        ("fixed", "12.50", 12.5),
        ("fixed", "12345678901234567890", "12345678901234567890"),
        ("fixed", "0.12345678901234567890", "0.12345678901234567890"),
        ("real", "1.5e300", 1.5e300),
        ("real", "NaN", "NaN"),
        ("real", "Infinity", "Infinity"),
        ("real", "-inf", "-inf"),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("date", "18262", "2020-01-01"),
        ("date", "-1", "1969-12-31"),
        ("date", "9999999", "9999999"),
        ("time", "82919.000000000", "23:01:59"),
        ("time", "0.100000000", "00:00:00.1"),
        ("timestamp_ntz", "1616173619.000000001", "2021-03-19T17:06:59.000000001"),
        ("timestamp_ntz", "-0.500000000", "1969-12-31T23:59:59.5"),
        ("timestamp_ltz", "1616173619.000000000", "2021-03-19T17:06:59Z"),
        ("timestamp_tz", "1616173619.000000000 960", "2021-03-19T09:06:59-08:00"),
        ("timestamp_tz", "1616173619.500000000 1440", "2021-03-19T17:06:59.5Z"),
        ("timestamp_tz", "1616173619", "1616173619"),
        ("variant", '{"a": 1}', '{"a": 1}'),
        ("something new", "x", "x"),
        ("fixed", None, None),
    ],
)
def test_values_are_what_their_types_say(kind: str, written: str | None, expected: object):
    given = read(written, kind)
    assert (given, type(given)) == (expected, type(expected))


GOOD = """
SELECT 1 UNION ALL (SELECT 2)
VALUES (1), (2)
WITH RECURSIVE c(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM c) SELECT * FROM c
SELECT v:a.b[0]::string, 'it''s; fine', $$; DROP TABLE t$$ FROM d.s.t, LATERAL FLATTEN(INPUT => v)
SELECT SUM(a) OVER (PARTITION BY b), HASH(a), COUNT(DISTINCT a) FROM t QUALIFY COUNT(*) > 1
SELECT * EXCLUDE a FROM t AT (OFFSET => -60) SAMPLE (10)
SELECT * FROM SEMANTIC_VIEW(d.s.v DIMENSIONS a.b METRICS c.d)
SELECT * FROM TABLE(d.INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10))
SELECT shop.public.net_price(a), "select" FROM "t"
SELECT "update", "insert" FROM "delete" -- DROP TABLE t
SELECT DATEADD('day', -1, CURRENT_DATE()), IFF(a, 1, 2), a ILIKE '%@x.com', TRY_TO_DATE(b) FROM t
SHOW TABLES LIKE '%x%' IN SCHEMA d.s
DESC TABLE d.s.t
SELECT a FROM t GROUP\tBY a ORDER  BY a
DESCRIBE SEMANTIC VIEW d.s.v;
""".strip().split("\n")


async def test_what_only_reads_is_run(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        for sql in GOOD:
            snowflake.queue.extend([running(7), replies.ok(texts("A", ["x"]))])
            await tools.ok("execute_query", sql=sql)
    kept = [re.sub(r" --.*|;$", "", sql).replace("$$", "'") for sql in GOOD]
    kept = [" ".join(sql.split()) for sql in kept]
    assert sent(snowflake) == kept


ATTEMPTS = (
    r"""
INSERT INTO t VALUES (1)
UPDATE t SET a = 1 WHERE b = 2
DELETE FROM t WHERE a = 1
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE
CREATE TABLE x AS SELECT 1
CREATE OR REPLACE VIEW v AS SELECT 1
DROP TABLE t
ALTER TABLE t SWAP WITH u
TRUNCATE TABLE t
CALL p()
EXECUTE IMMEDIATE 'DROP TABLE t'
EXECUTE TASK t
BEGIN DELETE FROM t; END
DECLARE x INT; BEGIN RETURN 1; END
USE ROLE ACCOUNTADMIN
SET a = 1
ALTER SESSION SET TIMEZONE = 'UTC'
ALTER USER reader SET RSA_PUBLIC_KEY = 'x'
GRANT ROLE ACCOUNTADMIN TO USER reader
PUT file:///etc/passwd @s
GET @s file:///tmp
COPY INTO t FROM @s
COPY INTO @s FROM t
REMOVE @s
LIST @s
SELECT * FROM @s/x.csv
SELECT * FROM '@s/x.csv'
SELECT * FROM DIRECTORY(@s)
SELECT $1 FROM @~
SELECT GET_PRESIGNED_URL(@s, 'x')
SELECT TO_FILE('@s', 'x')
SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@s'))
SELECT 1; DROP TABLE t
SELECT 1 /* /* */ ; DROP TABLE t -- */
SELECT 'a\'; DROP TABLE t; --'; SELECT 2
SELECT $$a$$; DROP TABLE t; SELECT $$b$$
SELECT 1 ->> DELETE FROM t
SHOW TABLES ->> INSERT INTO t SELECT "name" FROM $1
DESCRIBE TABLE t; DROP TABLE t
WITH a AS (DELETE FROM t) SELECT * FROM a
WITH a AS (DROP TABLE t) SELECT 1
WITH a AS (TRUNCATE TABLE t) SELECT 1
WITH a AS (WITH b AS (INSERT INTO t VALUES (1)) SELECT 1) SELECT * FROM a
WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS $$ BEGIN DROP TABLE t; END $$ CALL p()
SELECT 1 INTO x
SELECT * FROM t FOR UPDATE
SELECT s.NEXTVAL
SELECT d.x.s."NEXTVAL"
SELECT s.NEXTVAL<NUL>
SELECT s.NEXTVAL<ZWSP>FROM t
SELECT x'ab\'; DROP TABLE t; --'
SELECT n'ab\'; DROP TABLE t; --'
SELECT * FROM t, LATERAL d.s.flatten(x)
SELECT * FROM TABLE(f(1) OVER (PARTITION BY 1))
SELECT (SELECT s.nextval)
SELECT a FROM t WHERE b = (SELECT my_function(1))
SELECT SUM(my_function(1)) OVER (ORDER BY SYSTEM$WAIT(1))
SELECT * FROM t ORDER BY system$abort_session(1)
SELECT * FROM TABLE(GETNEXTVAL(s))
SELECT SYSTEM$CANCEL_ALL_QUERIES(1)
SELECT system$send_email('a', 'b@c.d', 'e', 'f')
SELECT SYSTEM$WAIT(100)
SELECT my_external_function(a) FROM t
SELECT d.s.len(a) FROM t
SELECT "abs"(a) FROM t
SELECT "abs" (a) FROM t
SELECT shop.public."net_price"(1)
SELECT "shop".public.net_price(1)
SELECT * FROM TABLE("information_schema".f(1))
SELECT evil.shop.public.net_price(1)
SELECT m!PREDICT(INPUT => 1)
SELECT IDENTIFIER('f')(1)
SELECT * FROM IDENTIFIER('@s')
SELECT * FROM TABLE('x')
SELECT * FROM TABLE(d.s.f(1))
SELECT * FROM d.s.flatten(1)
SELECT * FROM TABLE(RESULT_SCAN('01b2'))
SELECT AI_COMPLETE('a', b) FROM t
SELECT AI_AGG(a, 'b') FROM t
SELECT SNOWFLAKE.CORTEX.COMPLETE('a', b) FROM t
SELECT :a
SELECT ?
EXPLAIN DELETE FROM t
SELECT 'unfinished
SELECT 1 SELECT 2
-- nothing
;
""".replace("<NUL>", "\0")
    .replace("<ZWSP>", "\u200b")
    .strip()
    .split("\n")
)


async def test_what_may_do_more_than_read_is_never_sent(
    snowflake: Service, caplog: pytest.LogCaptureFixture
):
    assert len(ATTEMPTS) > 70
    async with STAND_IN.connected(snowflake) as tools:
        for sql in ATTEMPTS:
            assert "sql: " in await tools.error("execute_query", sql=sql), sql
    assert snowflake.asked == []
    assert "DROP" not in caplog.text


async def test_what_is_sent_is_what_was_understood(snowflake: Service):
    tricks = {
        "SELECT 1 // ; DROP TABLE t": "SELECT 1",
        "SELECT /* ' */ 'a\\'b', $$it's$$ --\r": r"SELECT 'a''b', 'it''s'",
        'SELECT "a\\" FROM t; -- "': 'SELECT "a\\" FROM t',
    }
    async with STAND_IN.connected(snowflake) as tools:
        for sql in tricks:
            await tools.ok("execute_query", sql=sql)
    assert sent(snowflake) == list(tricks.values())


async def test_deep_nesting_is_refused_in_time(snowflake: Service):
    started = time.monotonic()
    async with STAND_IN.connected(snowflake) as tools:
        for piece in ("(", "f(", "CASE WHEN a THEN ", "[", "NOT ", "- ", "(SELECT * FROM "):
            said = await tools.error("execute_query", sql=f"SELECT {piece * 1_000}1")
            assert "sql: " in said, piece
    assert time.monotonic() - started < 10


REFUSED_WRITES = [
    ("DELETE FROM t", "expected a WHERE"),
    ("UPDATE t SET a = 1", "expected a WHERE"),
    ("SELECT 1", "got SELECT"),
    ("DROP DATABASE shop", "got DROP DATABASE"),
    ("DROP ROLE r", "sql: "),
    ("CREATE FUNCTION f() RETURNS INT AS '1'", "got CREATE FUNCTION"),
    ("CREATE TASK t AS SELECT 1", "sql: "),
    ("GRANT SELECT ON t TO ROLE r", "sql: "),
    ("INSERT INTO t SELECT SYSTEM$WAIT(1)", "SYSTEM$WAIT"),
    ("INSERT INTO t SELECT * FROM @s", "stage"),
    ('INSERT INTO t SELECT shop.public."net_price"(1)', "SHOP.PUBLIC.net_price"),
    ("COPY INTO t FROM @s", "stage"),
    ("ALTER USER reader SET PASSWORD = 'x'", "sql: "),
    ("TRUNCATE TABLE t; DROP TABLE t", "got several"),
]


async def test_what_a_write_may_not_do(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        for sql, said in REFUSED_WRITES:
            assert said in await tools.error("execute_write", sql=sql), sql
    assert snowflake.asked == []


async def test_a_write_is_there_only_where_it_is_named_and_is_sent_once(snowflake: Service):
    for changed in ({"MCP_ALLOW_DESTRUCTIVE": ""}, {"MCP_ALLOW_WRITES": "false"}):
        async with STAND_IN.connected(snowflake, **changed) as tools:
            assert "execute_write" not in await tools.listed()
    async with STAND_IN.connected(snowflake) as tools:
        done = await tools.ok("execute_write", sql="INSERT INTO t VALUES (1), (2)")
        assert done == {"rows_changed": 2, "said": "number of rows inserted: 2"}
        snowflake.asked.clear()
        snowflake.queue.append(replies.refused(503, {"message": "later"}))
        said = await tools.error("execute_write", sql="INSERT INTO t VALUES (1)")
        assert "check before you repeat it" in said
        assert len(snowflake.asked) == 1
        snowflake.queue.extend([running(7), replies.refused(403, {"message": "no more"})])
        said = await tools.error("execute_write", sql="INSERT INTO t VALUES (1)")
        assert "check before you repeat it" in said
        assert snowflake.asked[-1].path.endswith("/01b2-7/cancel")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("orders", "ORDERS"), ('"orders"', "orders"), ("my table", "my table"), ('"a""b"', 'a"b')],
)
def test_names_are_as_in_sql(written: str, kept: str):
    assert exact(written) == kept
    assert exact(spoken(kept)) == kept


async def test_names_of_the_caller_stay_names(snowflake: Service):
    evil = 'x"; DROP TABLE t; --'
    async with STAND_IN.connected(snowflake) as tools:
        await tools.ok("list_tables", database=evil, schema='"s"', name="o'_\\")
        await tools.ok("get_table_info", table="orders", schema="a.b")
    assert sent(snowflake)[0] == (
        r"""SHOW OBJECTS LIKE '%o''\\_\\\\%' IN SCHEMA "x""; DROP TABLE t; --"."s" LIMIT 101"""
    )
    assert {one.partition(" ")[2] for one in sent(snowflake)[1:]} == {
        'TABLE "SHOP"."a.b"."ORDERS"',
        """OBJECTS LIKE 'ORDERS' IN SCHEMA "SHOP"."a.b\"""",
        "GET_DDL('TABLE', ?, TRUE)",
    }
    bound = [one.body["bindings"] for one in snowflake.asked if one.path == STATEMENTS]
    assert {"1": {"type": "TEXT", "value": '"SHOP"."a.b"."ORDERS"'}} in bound


async def test_lists_come_in_pages(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        page = await tools.ok("list_tables", limit=1)
        await tools.ok("list_tables", limit=1, cursor=page["next_cursor"])
    assert page["tables"] == [
        {"name": "ORDERS", "kind": "TABLE", "rows": 12, "bytes": 2048, "comment": "All"}
    ]
    assert sent(snowflake)[1].endswith("LIMIT 2 FROM 'ORDERS'")


async def test_a_table_is_told_even_if_its_definition_may_not_be_seen(snowflake: Service):
    def refusing(request: Request) -> Reply:
        if request.body["statement"].startswith("SELECT GET_DDL"):
            return replies.refused(422, {"code": "003001", "message": "Insufficient privileges"})
        return submitted(request)

    snowflake.routes[f"POST {STATEMENTS}"] = refusing
    async with STAND_IN.connected(snowflake) as tools:
        given = await tools.ok("get_table_info", table="orders")
    assert given["definition"] is None
    assert given["rows"] == 12
    assert given["columns"][0] | {"type": "", "default": None, "comment": None} == {
        "name": "ID", "type": "", "nullable": False, "default": None, "primary_key": True,
        "comment": None,
    }  # fmt: skip


async def test_a_wide_table_says_what_is_left_out(snowflake: Service):
    wide = [[f"C{number}", *COLUMNS[1:-1], "x" * 300] for number in range(600)]
    found = {**BY_STATEMENT["DESCRIBE TABLE"], "data": wide}
    place = list(BY_STATEMENT).index("DESCRIBE TABLE")
    snowflake.routes[f"GET {STATEMENTS}/01b2-{place}"] = replies.ok(found)
    async with STAND_IN.connected(snowflake) as tools:
        given = await tools.ok("get_table_info", table="orders")
    assert len(given["columns"]) > 100
    assert len(given["columns"]) + given["columns_left_out"] == 600


async def test_a_missing_place_is_asked_for(snowflake: Service):
    async with STAND_IN.connected(snowflake, SNOWFLAKE_DATABASE="") as tools:
        said = await tools.error("list_schemas")
        search = await tools.error("semantic_search", service="docs", query="x")
    assert "database: expected a name, got none, and SNOWFLAKE_DATABASE is not set" in said
    assert "database: expected a name" in search
    assert snowflake.asked == []


async def test_models_get_bound_texts(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        said = await tools.ok("complete_text", prompt="'); DROP TABLE t; --", model="a-model")
        vector = await tools.ok("generate_embedding", text="x")
        sentiment = await tools.ok("analyze_sentiment", text="x")
    assert said == {"text": "An answer."}
    assert vector == {"dimensions": 2, "vector": [0.5, -1.0]}
    assert sentiment == {"score": -0.25}
    assert snowflake.asked[0].body["bindings"] == {
        "1": {"type": "TEXT", "value": "a-model"},
        "2": {"type": "TEXT", "value": "'); DROP TABLE t; --"},
    }


async def test_a_model_that_says_nothing_is_an_error(snowflake: Service):
    snowflake.queue.extend([running(7), replies.ok(result({"a": "variant"}, [None]))])
    async with STAND_IN.connected(snowflake) as tools:
        assert "gave no answer" in await tools.error("analyze_sentiment", text="x")


async def test_a_search_names_one_service(snowflake: Service):
    path = "/api/v2/databases/SHOP/schemas/%22a%2Fb%22/cortex-search-services/%22..%3F%22:query"
    snowflake.routes[f"POST {path}"] = replies.ok({"results": []})
    wanted = {"@eq": {"REGION": "EU"}}
    async with STAND_IN.connected(snowflake) as tools:
        found = await tools.ok("semantic_search", service="docs", query="x", filter=wanted)
        none = await tools.ok("semantic_search", service="..?", schema="a/b", query="x")
    assert found["results"][0]["BODY"].endswith("[cut: 2000 of 3000 characters]")
    assert list(found["results"][0]) == ["BODY"]
    assert none == {"results": []}
    assert snowflake.asked[0].body == {"query": "x", "limit": 10, "filter": wanted}


async def test_the_analyst_writes_sql_that_is_not_run(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        told = await tools.ok(
            "cortex_analyst", question="How much?", semantic_model="@D.S.X/m.yaml"
        )
    assert told == {
        "text": "This is how I read it.",
        "sql": "SELECT 1",
        "suggestions": [],
        "warnings": ["No verified query"],
    }
    [asked] = snowflake.asked
    assert asked.body["semantic_model_file"] == "@D.S.X/m.yaml"


async def test_it_says_what_its_role_may_do_besides_reading(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        told = await tools.ok("get_access")
    assert told["more_than_reading"] == ["INSERT on TABLE SHOP.PUBLIC.T"]
    assert told["roles_inherited"] == ["OTHER"]


async def test_the_history_is_asked_for_by_bound_values(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        [past] = (await tools.ok("get_query_history", hours=2, slowest_first=True))["queries"]
    assert past["sql"].endswith("[cut: 2000 of 3007 characters]")
    assert [one["value"] for one in snowflake.asked[0].body["bindings"].values()] == [
        "-2",
        "slowest",
    ]


async def test_a_signed_token_that_snowflake_repeats_is_hidden(
    snowflake: Service, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)

    def repeating(request: Request) -> Reply:
        return replies.refused(401, {"code": "390144", "message": request.headers["Authorization"]})

    snowflake.routes[f"POST {STATEMENTS}"] = repeating
    async with STAND_IN.connected(snowflake) as tools:
        said = await tools.error("execute_query", sql="SELECT 1")
    token = snowflake.asked[0].headers["Authorization"].removeprefix("Bearer ")
    assert "390144: Bearer ***" in said
    assert token not in said + caplog.text


async def test_many_statements_at_once_wait_their_turn(snowflake: Service):
    async with STAND_IN.connected(snowflake) as tools:
        asked = [tools.ok("execute_query", sql=f"SELECT {number}") for number in range(20)]
        await asyncio.gather(*asked)
    assert snowflake.most_at_once <= 8
