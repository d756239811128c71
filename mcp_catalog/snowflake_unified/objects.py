"""Existing objects: databases, schemas, tables, warehouses, semantic views, search services."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, Field
from sophia_mcp import pages
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import Cursor, NextCursor

from .guard import identifier, literal
from .statements import Statements

Name = Annotated[
    str,
    Field(
        min_length=1, max_length=255,
        description='As in SQL: orders is ORDERS; one in small letters stands in quotes: "orders"',
    ),
]  # fmt: skip
_Where = Annotated[Name | None, Field(description="The server's own, if left out")]
_Part = Annotated[str | None, Field(max_length=255, description="Part of the name")]
_Limit = Annotated[int, Field(ge=1, le=200, description="How many at most")]
_Shown = Annotated[str, BeforeValidator(lambda given: spoken(given))]
_Comment = Annotated[str | None, BeforeValidator(lambda given: pages.cut(given or "", 200) or None)]
_Count = Annotated[int | None, BeforeValidator(lambda given: None if given == "" else given)]

_COLUMN_BYTES = 50_000
_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*")

T = TypeVar("T", bound=BaseModel)


def exact(name: str) -> str:
    """A name as Snowflake keeps it, from what SQL has: `orders` is ORDERS, `"orders"` is orders."""
    if len(name) > 2 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name.upper() if _PLAIN.fullmatch(name.upper()) else name


def spoken(name: str) -> str:
    """The other way round, for SQL and for `exact`."""
    return name if _PLAIN.fullmatch(name) else identifier(name)


class Database(BaseModel):
    """A database. kind: STANDARD, or APPLICATION and IMPORTED DATABASE, which others share."""

    name: _Shown
    kind: str | None = None
    owner: Text = ""
    comment: _Comment = None


class Schema(BaseModel):
    """A schema."""

    name: _Shown
    owner: Text = ""
    comment: _Comment = None


class Table(BaseModel):
    """A table or view."""

    name: _Shown
    kind: Text = Field(default="", description="TABLE, VIEW, MATERIALIZED VIEW, …")
    rows: _Count = None
    bytes: _Count = None
    comment: _Comment = None


class Warehouse(BaseModel):
    """What computes. running, queued: statements."""

    name: _Shown
    state: Text = ""
    size: Text = ""
    running: _Count = None
    queued: _Count = None
    auto_suspend_seconds: _Count = at("auto_suspend", default=None)
    comment: _Comment = None


class SemanticView(BaseModel):
    """What cortex_analyst asks; DESCRIBE SEMANTIC VIEW shows its dimensions and metrics."""

    name: _Shown
    database: _Shown = at("database_name")
    schema_name: _Shown
    comment: _Comment = None


class SearchService(SemanticView):
    """What semantic_search asks. attribute_columns: those that it can filter by."""

    search_column: Text = ""
    attribute_columns: Text = ""
    columns: Text = ""


class Databases(BaseModel):
    """Databases by name."""

    databases: list[Database]
    next_cursor: NextCursor = None


class Schemas(BaseModel):
    """Schemas by name."""

    schemas: list[Schema]
    next_cursor: NextCursor = None


class Tables(BaseModel):
    """Tables and views by name."""

    tables: list[Table]
    next_cursor: NextCursor = None


class Warehouses(BaseModel):
    """Warehouses that the role may see."""

    warehouses: list[Warehouse]


class SemanticViews(BaseModel):
    """Semantic views that the role may see."""

    semantic_views: list[SemanticView]


class SearchServices(BaseModel):
    """Cortex Search services that the role may see."""

    search_services: list[SearchService]


class Column(BaseModel):
    """A column of a table or view."""

    name: _Shown
    type: str
    nullable: bool = at("null?", default=True)
    default: str | None = None
    primary_key: bool = at("primary key", default=False)
    comment: _Comment = None


class TableInfo(Table):
    """A table or view in full. definition: the DDL, with keys and clustering, where it may be
    seen."""

    columns: list[Column]
    columns_left_out: int = Field(description="INFORMATION_SCHEMA.COLUMNS has them all")
    definition: str | None


class Objects:
    """The tools. context: the server's own database and schema, where they are set."""

    def __init__(self, statements: Statements, context: Mapping[str, str]) -> None:
        self._statements, self._context = statements, context

    async def list_databases(
        self, name: _Part = None, limit: _Limit = 100, cursor: Cursor = None
    ) -> Databases:
        """List the databases that the role may see."""
        found, place = await self._page("DATABASES", Database, "", name, limit, cursor)
        return Databases(databases=found, next_cursor=place)

    async def list_schemas(
        self, database: _Where = None, name: _Part = None, limit: _Limit = 100,
        cursor: Cursor = None,
    ) -> Schemas:  # fmt: skip
        """List the schemas of a database."""
        where = f" IN DATABASE {self._in(database=database)}"
        found, place = await self._page("SCHEMAS", Schema, where, name, limit, cursor)
        return Schemas(schemas=found, next_cursor=place)

    async def list_tables(
        self, database: _Where = None, schema: _Where = None, name: _Part = None,
        limit: _Limit = 100, cursor: Cursor = None,
    ) -> Tables:  # fmt: skip
        """List the tables and views of a schema, with rows and bytes."""
        where = f" IN SCHEMA {self._in(database=database, schema=schema)}"
        found, place = await self._page("OBJECTS", Table, where, name, limit, cursor)
        return Tables(tables=found, next_cursor=place)

    async def get_table_info(
        self, table: Name, database: _Where = None, schema: _Where = None
    ) -> TableInfo:
        """Get one table or view in full: columns with types and comments, rows, bytes, and its
        definition with keys and clustering, or the SELECT of a view."""
        where = self._in(database=database, schema=schema)
        whole = f"{where}.{identifier(exact(table))}"
        like = _pattern(exact(table))
        columns, objects, definition = await asyncio.gather(
            self._shown(Column, f"DESCRIBE TABLE {whole}"),
            self._shown(Table, f"SHOW OBJECTS LIKE {like} IN SCHEMA {where}"),
            self._ddl(whole),
        )
        found = next((one for one in objects if one.name == spoken(exact(table))), None)
        about = (found or Table(name=exact(table))).model_dump(exclude={"name"})
        shown = pages.that_fit(columns, _COLUMN_BYTES)
        return TableInfo(
            name=exact(table), **about, columns=shown, columns_left_out=len(columns) - len(shown),
            definition=definition,
        )  # fmt: skip

    async def list_warehouses(self) -> Warehouses:
        """List the warehouses with their size, state and load."""
        return Warehouses(warehouses=await self._shown(Warehouse, "SHOW WAREHOUSES"))

    async def list_semantic_views(self, database: _Where = None) -> SemanticViews:
        """List the semantic views of a database, which cortex_analyst answers questions from."""
        sql = f"SHOW SEMANTIC VIEWS IN DATABASE {self._in(database=database)}"
        return SemanticViews(semantic_views=await self._shown(SemanticView, sql))

    async def list_search_services(self, database: _Where = None) -> SearchServices:
        """List the Cortex Search services of a database, which semantic_search asks."""
        sql = f"SHOW CORTEX SEARCH SERVICES IN DATABASE {self._in(database=database)}"
        return SearchServices(search_services=await self._shown(SearchService, sql))

    def _in(self, **names: str | None) -> str:
        return ".".join(map(identifier, self.place(**names)))

    def place(self, **names: str | None) -> list[str]:
        """The names as Snowflake keeps them, the server's own where they are left out.

        Raises ToolError where it has none.
        """
        found = [
            (key, exact(name) if name else self._context.get(key)) for key, name in names.items()
        ]
        for key, name in found:
            if not name:
                raise ToolError(
                    f"{key}: expected a name, got none, and SNOWFLAKE_{key.upper()} is not set"
                )
        return [name for _, name in found if name]

    async def _page(
        self, what: str, kind: type[T], where: str, name: str | None, limit: int, cursor: str | None
    ) -> tuple[list[T], str | None]:
        like = f" LIKE {_pattern(name, anywhere=True)}" if name else ""
        after = f" FROM {literal(pages.place(cursor, 1)[0])}" if cursor else ""
        found = await self._shown(kind, f"SHOW {what}{like}{where} LIMIT {limit + 1}{after}")
        shown = pages.that_fit(found[:limit])
        if len(shown) == len(found):
            return shown, None
        return shown, pages.cursor(exact(str(shown[-1].model_dump()["name"])))

    async def _shown(self, kind: type[T], sql: str) -> list[T]:
        found = await self._statements.run(sql, limit=2_000)
        return [kind.model_validate(row) for row in found.named()]

    async def _ddl(self, table: str) -> str | None:
        with suppress(ToolError):  # a right that a reader need not have
            found = await self._statements.run("SELECT GET_DDL('TABLE', ?, TRUE)", table)
            return pages.cut(str(found.rows[0][0]), 20_000) if found.rows else None
        return None


def _pattern(name: str, anywhere: bool = False) -> str:
    """For LIKE, which knows _ and %."""
    plain = re.sub(r"([_%\\])", r"\\\1", name)
    return literal(f"%{plain}%" if anywhere else plain)
