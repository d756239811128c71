"""Pure: classifies a statement by PostgreSQL's own grammar, and decides whether it may run.

pgparse is libpg_query, the parser of PostgreSQL 17 as a library. A parser of another make would
have to agree with it in every detail, and each detail where it doesn't is a way around.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pgparse
from mcp.server.mcpserver.exceptions import ToolError

READS = frozenset({"SelectStmt"})
CHANGES_ROWS = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
INDEX = frozenset({"IndexStmt"})
WRITES = CHANGES_ROWS | INDEX | {
    "CreateStmt", "CreateTableAsStmt", "CreateSchemaStmt", "CreateSeqStmt", "CreateEnumStmt",
    "ViewStmt", "AlterTableStmt", "AlterSeqStmt", "AlterEnumStmt", "RenameStmt", "CommentStmt",
    "DropStmt", "TruncateStmt", "RefreshMatViewStmt",
}  # fmt: skip
"""Of rows, tables and what belongs to them. No COPY, DO, CALL, SET, LOCK, no transactions, roles,
grants; no new functions, triggers or extensions."""

# Volatile functions of pg_catalog that change and wait for nothing.
_HARMLESS = [
    "clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "uuidv4",
    "uuidv7", "pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size",
    "pg_database_size", "pg_tablespace_size", "pg_blocking_pids", "pg_partition_tree",
    "pg_partition_ancestors", "pg_is_in_recovery", "pg_current_wal_lsn", "pg_last_wal_replay_lsn",
    "pg_last_wal_receive_lsn", "pg_last_xact_replay_timestamp", "current_query",
]  # fmt: skip
_SEQUENCES = ["nextval", "setval", "currval", "lastval"]
# Not volatile, but they run a statement that they are given as a text.
_RUN_TEXTS = ["crosstab", "crosstab2", "crosstab3", "crosstab4", "connectby"]

VOLATILE = """
    SELECT DISTINCT format('%I.%I', nspname, proname) AS name
    FROM unnest($1::text[], $2::text[], $3::bool[]) AS called (schema, function, of_row)
    JOIN pg_proc ON proname = called.function
    LEFT JOIN pg_type AS argument ON argument.oid = proargtypes[0]
    JOIN pg_namespace ON pg_namespace.oid = pronamespace AND called.schema IN ('', nspname)
    WHERE (NOT called.of_row OR argument.typtype IN ('c', 'p')) AND (proname = ANY($5) OR (
        provolatile = 'v' AND NOT (nspname = 'pg_catalog' AND proname = ANY($4))))
    ORDER BY 1"""
"""The called functions that may do something: which ones do, only the database knows."""


@dataclass(frozen=True)
class Statement:
    """One statement. text: without what stands around it. kind: its node in PostgreSQL's grammar;
    parts: that node's fields. (Not the tree: a long statement's has tens of megabytes.)

    functions: what it may call, as (schema or "", name, whether its argument is a whole row): t.f
    and (x).f are columns for most, but also how Postgres calls f(t) and f(x).
    placeholders: the highest of $1, $2, …
    """

    text: str
    kind: str
    parts: frozenset[str]
    functions: frozenset[tuple[str, str, bool]]
    placeholders: int

    def asked(self, writing: bool = False) -> list[Any]:
        """The parameters of VOLATILE."""
        called = [list(column) for column in zip(*sorted(self.functions), strict=True)]
        return [*called, _HARMLESS + (_SEQUENCES if writing else []), _RUN_TEXTS]


def statement(
    sql: str, kinds: Collection[str], expected: str, *, open_ended: bool = False
) -> Statement:
    """The only statement of `sql`, of one of `kinds`.

    expected: in words. open_ended: whether it may have placeholders.

    Raises ToolError when it is another, more than one, or does more than its kind says.
    """
    if "\0" in sql or any("\ud800" <= character <= "\udfff" for character in sql):
        raise ToolError("sql: expected Unicode text without NUL")  # C strings end at a NUL
    try:
        parsed = pgparse.parse(sql)
    except pgparse.PGQueryError as error:
        raise ToolError(f"sql: {error}") from None
    except (RecursionError, json.JSONDecodeError):
        raise ToolError("sql: it is nested too deeply to be checked; write it shorter") from None
    if len(parsed) != 1:
        raise ToolError(f"sql: expected one statement, got {len(parsed)}")
    start, length = parsed[0].get("stmt_location", 0), parsed[0].get("stmt_len", 0)
    text = sql.encode()[start:][: length or None].decode().strip()
    (kind, tree), *_ = parsed[0]["stmt"].items()
    if kind not in kinds:
        raise ToolError(f"sql: expected {expected}, got {_spoken(kind)}")
    functions: set[tuple[str, str, bool]] = set()
    placeholders = 0
    for key, value in _nodes(tree):
        if key.endswith("Stmt") and key[0].isupper() and key != "SelectStmt":
            raise ToolError(f"sql: expected {expected}, got one with {_spoken(key)} inside")
        if key == "intoClause":
            raise ToolError(f"sql: expected {expected}, got SELECT INTO, which makes a table")
        if key == "lockingClause":
            raise ToolError(f"sql: expected {expected}, got FOR UPDATE or the like, which locks")
        if key == "FuncCall":
            names = _names(value["funcname"])
            functions.add((names[-2] if len(names) > 1 else "", names[-1], False))
        if key == "A_Indirection":
            functions |= {("", name, False) for name in _names(value["indirection"])}
        if key == "ColumnRef":
            functions |= {("", name, True) for name in _names(value["fields"])[1:]}
        if key == "ParamRef":
            placeholders = max(placeholders, value.get("number", 0), 1)
    if placeholders and not open_ended:
        raise ToolError("sql: placeholders such as $1 have no values here; write the values")
    return Statement(text, kind, frozenset(tree), frozenset(functions), placeholders)


def _nodes(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every key of the tree with what it holds. Names of the caller's are values, never keys."""
    rest = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            yield from node.items()
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)


def _names(parts: list[dict[str, Any]]) -> list[str]:
    return [part["String"]["sval"] for part in parts if "String" in part]


def _spoken(kind: str) -> str:
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in kind)
    return words.removesuffix(" Stmt").strip().upper()
