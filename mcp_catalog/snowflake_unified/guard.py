"""Pure: classifies a statement as sqlglot reads Snowflake's SQL, and decides whether it may run.

sqlglot is not Snowflake's own parser, and each detail where they differ is a way around. So what is
sent is not the caller's text, but what sqlglot understood of it: its words, one after another,
without comments, with every string and quoted name written anew. What it does not know is refused.
"""

import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.pages import cut
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

READS = (exp.Query, exp.Values)
CHANGES_ROWS = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
WRITES = (
    *CHANGES_ROWS, exp.Create, exp.Drop, exp.Undrop, exp.Alter, exp.TruncateTable, exp.Comment,
)  # fmt: skip
_OF = frozenset({"TABLE", "VIEW", "SCHEMA", "COLUMN"})
"""Kinds that may be created, changed and dropped. No functions, tasks, stages, users, grants,
policies."""

_SHOWS = frozenset({"SHOW", "DESC", "DESCRIBE"})
_STATEMENTS = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock)
_TABLES = (exp.Identifier, exp.Func, exp.SemanticView)

# Snowflake's own functions that sqlglot has no class for. Others may call outside of Snowflake,
# read files, cancel queries, send mail (SYSTEM$…) or move a sequence.
_HARMLESS = frozenset({
    "ARRAYS_TO_OBJECT", "AS_ARRAY", "AS_BINARY", "AS_BOOLEAN", "AS_CHAR", "AS_DATE",
    "AS_DECIMAL", "AS_DOUBLE", "AS_INTEGER", "AS_NUMBER", "AS_OBJECT", "AS_REAL", "AS_TIME",
    "AS_TIMESTAMP_LTZ", "AS_TIMESTAMP_NTZ", "AS_TIMESTAMP_TZ", "AS_VARCHAR",
    "CONDITIONAL_CHANGE_EVENT", "CONDITIONAL_TRUE_EVENT", "GET_DDL", "H3_CELL_TO_BOUNDARY",
    "H3_CELL_TO_LATLNG", "H3_CELL_TO_PARENT", "H3_LATLNG_TO_CELL", "H3_LATLNG_TO_CELL_STRING",
    "HASH", "HAVERSINE", "IS_BINARY", "IS_CHAR", "IS_DATE", "IS_DECIMAL", "IS_DOUBLE",
    "IS_INTEGER", "IS_OBJECT", "IS_REAL", "IS_ROLE_IN_SESSION", "IS_TIME", "IS_TIMESTAMP_NTZ",
    "IS_VARCHAR", "OBJECT_DELETE", "OBJECT_PICK", "PARSE_XML", "RATIO_TO_REPORT", "ST_AREA",
    "ST_ASGEOJSON", "ST_ASTEXT", "ST_ASWKT", "ST_BUFFER", "ST_CENTROID", "ST_COLLECT",
    "ST_CONTAINS", "ST_COVERS", "ST_DWITHIN", "ST_GEOGRAPHYFROMWKT", "ST_INTERSECTION",
    "ST_INTERSECTS", "ST_ISVALID", "ST_LENGTH", "ST_MAKELINE", "ST_SIMPLIFY", "ST_UNION",
    "ST_WITHIN", "ST_X", "ST_Y", "TO_GEOGRAPHY", "TO_GEOMETRY", "TO_OBJECT", "TO_XML", "TRUNC",
})  # fmt: skip
# Of files, and those that are paid by the row.
_KEPT_AWAY = ("AI_", "TO_FILE", "TRY_TO_FILE", "GENERATE_EMBEDDING", "READ_")

_DIALECT = Snowflake()
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings quote statements


@dataclass(frozen=True)
class Statement:
    """One statement. text: to be sent. tree: None of SHOW and DESCRIBE."""

    text: str
    tree: exp.Expression | None


def statement(
    sql: str, kinds: tuple[type, ...], expected: str, own: Collection[str] = (), shows: bool = False
) -> Statement:
    """The only statement of `sql`, of one of `kinds`.

    expected: in words. own: functions besides Snowflake's that it may call, as DB.SCHEMA.NAME.
    shows: whether it may be SHOW or DESCRIBE.

    Raises ToolError when it is another, more than one, or does more than its kind says.
    """
    try:
        text, first = _rebuilt(sql)
        if shows and first in _SHOWS:
            return Statement(text, None)
        if first == "EXPLAIN":
            raise ToolError("sql: explain_query shows plans: give it the statement alone")
        parser = _DIALECT.parser(error_level=ErrorLevel.IMMEDIATE)
        tokens = _DIALECT.tokenize(text)
        parsed = parser.parse(tokens, text)
    except SqlglotError as error:
        told = str(error).replace("\033[4m", "").replace("\033[0m", "").split("\n")[0]
        raise ToolError(f"sql: it can't be checked, and so is not run: {told}") from None
    except RecursionError:
        raise ToolError("sql: it is nested too deeply to be checked; write it shorter") from None
    tree = parsed[0] if len(parsed) == 1 else None
    if not isinstance(tree, kinds) or not isinstance(tree, exp.Expression):
        raise ToolError(f"sql: expected {expected}, got {first}")
    if isinstance(tree, (exp.Create, exp.Drop, exp.Undrop, exp.Alter, exp.Comment)):
        kind = str(tree.args.get("kind") or "").upper()
        if kind not in _OF:
            raise ToolError(f"sql: expected one of a table, view or schema, got {first} {kind}")
    pairs = {(one.token_type, next_.token_type) for one, next_ in pairwise(tokens)}
    if isinstance(tree, READS) and (TokenType.IDENTIFIER, TokenType.L_PAREN) in pairs:
        # sqlglot takes "abs"(…), a function of somebody's, for ABS.
        raise ToolError('sql: expected names without quotes before a parenthesis, got "…"(')
    if faults := dict.fromkeys(_faults(tree, expected, {name.upper() for name in own})):
        raise ToolError(cut(f"sql: {'; '.join(faults)}", 1_000))
    return Statement(text, tree)


def _rebuilt(sql: str) -> tuple[str, str]:
    """The statement as sqlglot reads it, and its first word."""
    tokens = _DIALECT.tokenize(sql)
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    parts: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type is TokenType.SEMICOLON:
            raise ToolError("sql: expected one statement, got several")
        if token.token_type is TokenType.DARROW:
            raise ToolError("sql: ->> runs one statement after another; write one with a subquery")
        if token.token_type is TokenType.PARAMETER and token.text == "@":
            raise ToolError("sql: files of a stage (@…) are out of reach here")
        if before is not None and before.end + 1 < token.start:
            parts.append(" ")
        parts.append(_written(token, sql))
    if not parts:
        raise ToolError("sql: expected a statement, got none")
    return "".join(parts), tokens[0].text.upper()


def _written(token: Token, sql: str) -> str:
    if token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
        return literal(token.text)
    if token.token_type is TokenType.IDENTIFIER:
        return identifier(token.text)
    text = re.sub(r"[ \t\r\n]+", " ", sql[token.start : token.end + 1])  # such as GROUP BY
    # Other kinds of blanks, and x'…', could be read in two ways.
    if not text.isprintable() or (text[-1] == "'" and not token.text.isalnum()):
        raise ToolError(f"sql: expected plain words and numbers, got {text!r}")
    return text


def literal(text: str) -> str:
    """A text within SQL, where no value can be bound."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name quoted for SQL, unchanged."""
    return '"' + name.replace('"', '""') + '"'


def _faults(tree: exp.Expression, expected: str, own: set[str]) -> Iterator[str]:
    for node in tree.walk():
        if isinstance(node, _STATEMENTS) and node is not tree:
            yield f"expected {expected}, got one with {type(node).__name__.upper()} inside"
        elif isinstance(node, exp.CTE) and not isinstance(node.this, READS):
            yield f"expected {expected}, got one with another statement in WITH"
        elif isinstance(node, exp.Table) and not isinstance(node.this, (*_TABLES, type(None))):
            yield "expected tables by their names: files of a stage are out of reach here"
        elif isinstance(node, exp.TableFromRows) and not isinstance(node.this, (exp.Func, exp.Dot)):
            yield "expected tables by their names, without TABLE(…)"
        elif isinstance(node, exp.DynamicIdentifier):
            yield "expected names in plain, without IDENTIFIER(…)"
        elif isinstance(node, exp.Placeholder):
            yield "placeholders have no values here; write the values"
        elif isinstance(node, exp.Identifier) and node.name.upper() == "NEXTVAL":
            yield "NEXTVAL moves a sequence"
        elif isinstance(node, exp.Func) and (name := _strange(node, own)):
            yield (
                f"{name} is none of the functions that are known to do nothing but read; the "
                "operator of this server can allow it by SNOWFLAKE_FUNCTIONS"
            )


def _strange(node: exp.Func, own: set[str]) -> str | None:
    """The function's name, if it may do something; None for a harmless one."""
    known = not isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc))
    name = type(node).sql_name() if known else _exact(node)
    before: list[str] = []
    if isinstance(node.parent, exp.Table):
        before = [_exact(part) for part in node.parent.parts[:-1]]
    elif isinstance(node.parent, exp.Dot):
        dotted = node.parent
        while isinstance(dotted.parent, exp.Dot):
            dotted = dotted.parent
        parts = list(dotted.flatten(unnest=False))
        before = [_exact(part) for part in parts[: [*map(id, parts)].index(id(node))]]
    whole = ".".join((*before, name))
    if whole in own or before[-1:] == ["INFORMATION_SCHEMA"]:
        return None
    harmless = name in _HARMLESS or (known and not name.startswith(_KEPT_AWAY))
    return None if harmless and not before else whole


def _exact(part: exp.Expr) -> str:
    named = part.this if isinstance(part.this, exp.Identifier) else part
    return part.name if named.args.get("quoted") else part.name.upper()
