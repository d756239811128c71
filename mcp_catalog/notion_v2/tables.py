"""Data sources and databases: their properties, their pages, and values by simple words."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.errors import Refused
from sophia_mcp.pages import Cursor, Limit, cut
from sophia_mcp.upstream import Upstream

from .arguments import DatabaseId, Name, PageId, SourceId, Title
from .models import Database, DataSource, Rows
from .values import Property, built, option, rich

Values = Annotated[
    dict[str, Any] | None,
    Field(
        max_length=100,
        description='By name, such as {"Status": "Done", "Due": "2026-11-27", "Tags": ["a"], '
        '"Owner": ["id of a user"], "Estimate": 3}; null empties one',
    ),
]
_Filter = Annotated[
    dict[str, Any] | None,
    Field(
        description='{"property": "Status", "equals": "Done"} with a condition of Notion\'s for '
        "that kind (contains, greater_than, on_or_after, is_empty: true, …); several of them in "
        '{"and": […]} or {"or": […]}; a time as {"timestamp": "last_edited_time", '
        '"last_edited_time": {"past_week": {}}}'
    ),
]
_Kind = Literal[
    "title", "rich_text", "number", "status", "date", "people", "files", "checkbox", "url",
    "email", "phone_number", "unique_id", "created_time", "last_edited_time",
]  # fmt: skip
_Choice = Annotated[
    dict[Literal["select", "multi_select"], Annotated[list[Name], Field(max_length=100)]],
    Field(min_length=1, max_length=1),
]
_Schema = Annotated[
    dict[Name, _Kind | _Choice],
    Field(
        min_length=1,
        max_length=100,
        description='By name, such as {"Task": "title", "Due": "date", "Tags": {"multi_select": '
        '["home", "work"]}}; one is the title',
    ),
]


class Sort(BaseModel):
    """property: its name, or created_time or last_edited_time."""

    property: Name
    direction: Literal["ascending", "descending"] = "ascending"


class Tables:
    """Data sources: the tables that databases consist of."""

    def __init__(self, notion: Upstream) -> None:
        self._notion = notion

    async def retrieve_data_source(self, data_source_id: SourceId) -> DataSource:
        """Get the properties of a data source, with their types and options."""
        try:
            return await self._notion.get(DataSource, "data_sources", data_source_id)
        except Refused as refused:
            if refused.status not in (400, 404):
                raise
            return await self._only_one_of(data_source_id, refused)

    async def _only_one_of(self, database_id: str, refused: Refused) -> DataSource:
        try:
            sources = (await self.retrieve_database(database_id)).data_sources
        except Refused:
            raise refused from None
        if len(sources) != 1:
            names = ", ".join(f"{one.name} {one.id}" for one in sources) or "it has none"
            raise ToolError(
                f"{database_id} is a database: give the id of one of its data sources: {names}"
            )
        return await self._notion.get(DataSource, "data_sources", sources[0].id)

    async def retrieve_database(self, database_id: DatabaseId) -> Database:
        """Get a database with its data sources, which hold the properties and pages."""
        return await self._notion.get(Database, "databases", database_id)

    async def query_data_source(
        self,
        data_source_id: SourceId,
        filter: _Filter = None,
        sorts: Annotated[list[Sort] | None, Field(max_length=20)] = None,
        properties: Annotated[
            list[Name] | None, Field(max_length=50, description="Tell only these of each page")
        ] = None,
        limit: Limit = 25,
        cursor: Cursor = None,
    ) -> Rows:
        """List pages of a data source with their properties, filtered and sorted."""
        source = await self.retrieve_data_source(data_source_id)
        fields = {field.name: field for field in source.properties}
        body: dict[str, Any] = {"page_size": limit, "result_type": "page"}
        try:
            if filter:
                body["filter"] = filtered(fields, filter)
            if sorts:
                body["sorts"] = [_sort(fields, sort) for sort in sorts]
            told = [known(fields, name).name for name in properties or ()]
        except ValueError as error:
            raise ToolError(str(error)) from None
        if cursor:
            body["start_cursor"] = cursor
        rows = await self._notion.send(
            Rows, "POST", "data_sources", source.id, "query", body=body, repeatable=True
        )
        for row in rows.rows if told else ():
            row.properties = {name: one for name, one in row.properties.items() if name in told}
        return rows.model_copy(update={"data_source_id": source.id})

    async def create_database(
        self,
        parent_page_id: PageId,
        title: Title,
        properties: _Schema,
        inline: Annotated[bool, Field(description="In the page, not as a page of its own")] = False,
    ) -> Database:
        """Create a database with one data source in a page."""
        if list(properties.values()).count("title") != 1:
            raise ToolError("properties: expected exactly one of type title")
        schema: dict[str, Any] = {}
        for name, given in properties.items():
            choices = {given: None} if isinstance(given, str) else given
            for kind, names in choices.items():
                inner = {} if names is None else {"options": [{"name": one} for one in names]}
                schema[name] = {"type": kind, kind: inner}
        body = {
            "parent": {"type": "page_id", "page_id": parent_page_id},
            "title": rich(title),
            "is_inline": inline,
            "initial_data_source": {"properties": schema},
        }
        return await self._notion.send(Database, "POST", "databases", body=body)


def values(
    source: DataSource | None, given: dict[str, Any] | None, title: str | None
) -> dict[str, Any]:
    """Properties of a page in Notion's form. source: the page's data source, if any.

    Raises:
        ToolError: names or values don't fit; it says everything that is wrong.
    """
    fields = {one.name: one for one in source.properties} if source else {}
    told, faults = {}, []
    for name, value in (given or {}).items():
        try:
            told[name] = built(known(fields, name), value)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ToolError("properties: " + "; ".join(faults))
    if title is not None:
        name = next((one.name for one in fields.values() if one.type == "title"), "title")
        told[name] = {"title": rich(title)}
    return told


def known(fields: dict[str, Property], name: object) -> Property:
    """The property that is called so.

    Raises:
        ValueError: there is none.
    """
    if isinstance(name, str) and name in fields:
        return fields[name]
    if not fields:
        raise ValueError(f"property {name!r}: a page outside of data sources has its title only")
    there = cut(", ".join(f"{one.name} ({one.type})" for one in fields.values()), 1_000)
    raise ValueError(f"property {name!r}: there is no such one, expected one of {there}")


def filtered(fields: dict[str, Property], given: Any, levels: int = 2) -> dict[str, Any]:
    """A filter as Notion takes it, which names the type of each property, too.

    Raises:
        ValueError: it names missing properties, or isn't a filter.
    """
    if not isinstance(given, dict):
        raise ValueError(f"filter: expected an object, got {str(given)[:100]!r}")
    for key in ("and", "or"):
        if isinstance(given.get(key), list) and len(given) == 1:
            if not levels:
                raise ValueError("filter: Notion takes and, or in two levels only")
            return {key: [filtered(fields, one, levels - 1) for one in given[key]]}
    if "timestamp" in given:
        return given
    field = known(fields, given.get("property"))
    condition = {key: one for key, one in given.items() if key not in ("property", "type")}
    condition = condition.get(field.type, condition)
    if not isinstance(condition, dict) or len(condition) != 1:
        raise ValueError(
            f"filter: {field.name} is a {field.type}: expected one condition for that, such as "
            f'{{"property": "{field.name}", "is_not_empty": true}}, got {str(given)[:200]}'
        )
    [(word, value)] = condition.items()
    if isinstance(value, str):
        value = option(field, value)
    return {"property": field.name, field.type: {word: value}}


def _sort(fields: dict[str, Property], sort: Sort) -> dict[str, str]:
    times = ("created_time", "last_edited_time")
    if sort.property in times and sort.property not in fields:
        return {"timestamp": sort.property, "direction": sort.direction}
    return {"property": known(fields, sort.property).name, "direction": sort.direction}
