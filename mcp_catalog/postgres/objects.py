"""A database's content: schemas, their objects, and one object in full."""

from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.pages import Cursor, NextCursor

from .database import Databases
from .queries import DatabaseName

Kind = Literal[
    "table", "view", "materialized view", "foreign table", "sequence", "function", "type",
    "extension",
]  # fmt: skip
_Name = Annotated[str, Field(min_length=1, max_length=63)]
_Schema = Annotated[_Name, Field(description="Like public")]
_Part = Annotated[str | None, Field(max_length=63, description="Part of the name")]
_Kinds = Annotated[list[Kind] | None, Field(description="Only these; all if left out")]
_Limit = Annotated[int, Field(ge=1, le=200, description="How many at most")]

_SCHEMAS = """
    SELECT nspname AS name, pg_get_userbyid(nspowner) AS owner,
           nspname ~ '^pg_' OR nspname = 'information_schema' AS system,
           has_schema_privilege(schema.oid, 'USAGE') AS usable,
           count(pg_class.oid) FILTER (WHERE relkind IN ('r', 'p', 'f')) AS tables,
           count(pg_class.oid) FILTER (WHERE relkind IN ('v', 'm')) AS views
    FROM pg_namespace AS schema LEFT JOIN pg_class ON relnamespace = schema.oid
    WHERE nspname !~ '^pg_(toast|temp)' GROUP BY schema.oid ORDER BY system, name LIMIT 500"""

# One name may be of several kinds, and of several functions.
_OBJECTS = """
    SELECT * FROM (
        SELECT relname::text AS name, CASE relkind WHEN 'v' THEN 'view'
                   WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                   WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
               nullif(reltuples, -1)::bigint AS rows_estimated,
               CASE WHEN relkind IN ('r', 'm') THEN pg_total_relation_size(oid) END AS bytes,
               obj_description(oid, 'pg_class') AS comment, '' AS arguments
        FROM pg_class WHERE relnamespace = $1::text::regnamespace
            AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT proname::text, 'function', NULL, NULL, obj_description(oid, 'pg_proc'),
               pg_get_function_identity_arguments(oid)
        FROM pg_proc WHERE pronamespace = $1::text::regnamespace
        UNION ALL
        SELECT typname::text, 'type', NULL, NULL, obj_description(oid, 'pg_type'), ''
        FROM pg_type WHERE typnamespace = $1::text::regnamespace AND typtype IN ('e', 'd', 'r')
        UNION ALL
        SELECT extname::text, 'extension', NULL, NULL, extversion, ''
        FROM pg_extension WHERE extnamespace = $1::text::regnamespace
    ) AS objects
    WHERE ($2::text[] IS NULL OR kind = ANY($2))
      AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0)
      AND (name, kind, arguments) > ($4::text, $5::text, $6::text)
    ORDER BY name, kind, arguments LIMIT $7"""

_RELATION = """
    SELECT pg_class.oid, relkind::text AS letter, nullif(reltuples, -1)::bigint AS rows_estimated,
           CASE WHEN relkind IN ('r', 'm') THEN pg_total_relation_size(pg_class.oid) END AS bytes,
           obj_description(pg_class.oid, 'pg_class') AS comment,
           CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(pg_class.oid) END AS definition,
           greatest(last_analyze, last_autoanalyze)::text AS last_analyzed,
           greatest(last_vacuum, last_autovacuum)::text AS last_vacuumed
    FROM pg_class LEFT JOIN pg_stat_all_tables ON relid = pg_class.oid
    WHERE relnamespace = $1::text::regnamespace AND pg_class.relname = $2
      AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"""
_COLUMNS = """
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
           pg_get_expr(adbin, adrelid) AS default, col_description(attrelid, attnum) AS comment
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_LINES = {
    "constraints": "SELECT conname || ': ' || pg_get_constraintdef(oid) AS line FROM pg_constraint"
    " WHERE conrelid = $1 ORDER BY contype DESC, conname",
    "referenced_by": "SELECT conrelid::regclass || ': ' || pg_get_constraintdef(oid) AS line"
    " FROM pg_constraint WHERE confrelid = $1 ORDER BY 1",
    "indexes": "SELECT pg_get_indexdef(indexrelid) || ' -- ' || pg_size_pretty(pg_relation_size("
    "indexrelid)) || CASE WHEN indisvalid THEN '' ELSE ', invalid' END AS line FROM pg_index"
    " WHERE indrelid = $1 ORDER BY 1",
    "triggers": "SELECT pg_get_triggerdef(oid) AS line FROM pg_trigger"
    " WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY 1",
    "policies": "SELECT polname || ': USING ' || coalesce(pg_get_expr(polqual, polrelid), 'true')"
    " AS line FROM pg_policy WHERE polrelid = $1 ORDER BY 1",
    "partitions": "SELECT inhrelid::regclass || ' ' || coalesce(pg_get_expr(relpartbound, oid), '')"
    " AS line FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = $1 ORDER BY 1",
}
_OTHERS = """
    SELECT 'function' AS kind, CASE prokind WHEN 'a' THEN 'aggregate ' || oid::regprocedure
               ELSE pg_get_functiondef(oid) END AS definition
    FROM pg_proc WHERE pronamespace = $1::text::regnamespace AND proname = $2
    UNION ALL
    SELECT 'type', format('%s: %s', format_type(oid, NULL), coalesce(
               (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder)
                FROM pg_enum WHERE enumtypid = pg_type.oid), format_type(typbasetype, typtypmod)))
    FROM pg_type
    WHERE typnamespace = $1::text::regnamespace AND typname = $2 AND typtype IN ('e', 'd', 'r')
    LIMIT 20"""


class Schema(BaseModel):
    """A schema. usable: whether this server's role may look into it."""

    name: str
    owner: str
    system: bool
    usable: bool
    tables: int
    views: int


class Schemas(BaseModel):
    """Schemas by name, those of Postgres itself last."""

    schemas: list[Schema]


class Object(BaseModel):
    """Something in a schema. comment: of an extension, its version."""

    name: str
    kind: Kind
    arguments: str = Field(description="Of a function")
    rows_estimated: int | None
    bytes: int | None = Field(description="With indexes")
    comment: str | None


class Objects(BaseModel):
    """Objects by name."""

    objects: list[Object]
    next_cursor: NextCursor = None


class Column(BaseModel):
    """A column of a table or view."""

    name: str
    type: str
    nullable: bool
    default: str | None
    comment: str | None


class Details(BaseModel):
    """One object. definition: of a view, function or type."""

    kind: Kind
    definition: str | None = None
    rows_estimated: int | None = None
    bytes: int | None = Field(default=None, description="With indexes")
    comment: str | None = None
    last_analyzed: str | None = None
    last_vacuumed: str | None = None
    columns: list[Column] = Field(default_factory=list)
    constraints: list[str] = Field(default_factory=list)
    referenced_by: list[str] = Field(default_factory=list)
    indexes: list[str] = Field(default_factory=list)
    triggers: list[str] = Field(default_factory=list)
    policies: list[str] = Field(default_factory=list)
    partitions: list[str] = Field(default_factory=list, description="The first 50")


class Catalog:
    """The tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def list_schemas(self, database: DatabaseName = None) -> Schemas:
        """List the schemas with how many tables and views each has."""
        async with self._databases.find(database).reading() as connection:
            found = await (await connection.execute(_SCHEMAS)).fetchall()
        return Schemas(schemas=[Schema.model_validate(row) for row in found])

    async def list_objects(
        self, schema: _Schema = "public", kinds: _Kinds = None, name: _Part = None,
        limit: _Limit = 100, cursor: Cursor = None, database: DatabaseName = None,
    ) -> Objects:  # fmt: skip
        """List what a schema has: tables, views, sequences, functions, types, extensions."""
        after = pages.place(cursor, 3) if cursor else ["-", "-", "-"]
        after = [part.removeprefix("-") for part in after]
        async with self._databases.find(database).reading() as connection:
            rows = await connection.execute(
                _OBJECTS, [_quoted(schema), kinds, name or None, *after, limit + 1]
            )
            found = [Object.model_validate(row) for row in await rows.fetchall()]
        for one in found:
            one.comment = pages.cut(one.comment, 200) if one.comment else None
        shown = pages.that_fit(found[:limit])
        if len(shown) == len(found):
            return Objects(objects=shown)
        last = shown[-1]
        place = pages.cursor(*(f"-{part}" for part in (last.name, last.kind, last.arguments)))
        return Objects(objects=shown, next_cursor=place)

    async def get_object_details(
        self, name: _Name, schema: _Schema = "public", database: DatabaseName = None
    ) -> Details:
        """Get one table, view, sequence, function or type in full: columns with types and
        comments, keys, indexes with sizes, triggers, policies, or its definition."""
        async with self._databases.find(database).reading() as connection:
            where = [_quoted(schema), name]
            relation = await (await connection.execute(_RELATION, where)).fetchone()
            if relation is None:
                others = await (await connection.execute(_OTHERS, where)).fetchall()
                if not others:
                    raise ToolError(f"{schema} has no {name!r}; list_objects finds what it has")
                text = "\n\n".join(str(row["definition"]) for row in others)
                return Details(kind=others[0]["kind"], definition=pages.cut(text, 30_000))
            columns = await (await connection.execute(_COLUMNS, [relation["oid"]])).fetchall()
            lines: dict[str, list[str]] = {}
            for part, query in _LINES.items():
                rows = await connection.execute(query.encode(), [relation["oid"]])
                lines[part] = [pages.cut(row["line"], 1_000) for row in await rows.fetchmany(50)]
        kinds: dict[str, Kind] = {
            "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence",
        }  # fmt: skip
        definition = relation.pop("definition")
        return Details.model_validate(
            relation
            | {"kind": kinds.get(relation["letter"], "table"), "columns": columns}
            | {"definition": pages.cut(definition, 30_000) if definition else None}
            | lines
        )


def _quoted(schema: str) -> str:
    """For a cast to regnamespace, which reads an identifier."""
    return '"' + schema.replace('"', '""') + '"'
