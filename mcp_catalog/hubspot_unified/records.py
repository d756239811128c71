"""Records of any type: lists, searches, one, and batches of them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from sophia_mcp import pages
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit
from sophia_mcp.upstream import Upstream

from .errors import Batch, Failure, failures
from .fields import Found, Given, Key, Name, ObjectType, Page, Value, Values, listed, text

REACHED = 10_000
"""Results of a search that HubSpot leads to."""

KeyName = Annotated[Name | None, Field(description="Unique property given in place of the id")]
Names = Annotated[Sequence[Name], Field(max_length=50, description="Properties; a few if empty")]

_OBJECTS = ("crm", "v3", "objects")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.+)?")
_Operator = Literal[
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY",
    "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
]  # fmt: skip
_COUNTS = {"BETWEEN": (2, 2), "IN": (1, 100), "NOT_IN": (1, 100),
           "HAS_PROPERTY": (0, 0), "NOT_HAS_PROPERTY": (0, 0)}  # fmt: skip


def _ids(page: object) -> list[str]:
    """HubSpot lists an id once for each of its labels."""
    ids = (str(key) for one in listed(page, "results") for key in listed(one, "id"))
    return list(dict.fromkeys(ids))


class Record(Found):
    """A record. Of its properties, empty ones are null, and unknown ones missing."""

    id: str
    properties: dict[str, Annotated[str, AfterValidator(lambda t: pages.cut(t, 1_000))] | None]


class Whole(Record):
    """A record, with the ids of those that it is associated with, by type."""

    properties: dict[str, Annotated[str, AfterValidator(lambda t: pages.cut(t, 30_000))] | None]
    associated: dict[str, Annotated[list[str], BeforeValidator(_ids)]] = at(
        "associations", default_factory=dict
    )
    url: str | None = None


class Records(Page):
    """Records. Values above 1,000 characters are cut; get_object has them whole."""

    records: list[Record] = at("results")


class Results(Records):
    """What a search found. total: of all pages."""

    total: int


class Read(BaseModel):
    """Records that were read, and which were not."""

    records: list[Record]
    failed: list[Failure]


class _Saved(Found):
    id: str
    trace: str | None = at("objectWriteTraceId", default=None)


class Done(BaseModel):
    """An item as it was given, and the id of its record. Items without ids are places, from 0."""

    item: str
    id: str


class Written(BaseModel):
    """What a batch did. Unless not_done is 0, repeat what failed only, and changed."""

    not_done: int
    failed: list[Failure]
    done: list[Done]


class Filter(Given):
    """A condition. IN compares texts in lower case; CONTAINS_TOKEN takes * for anything."""

    property: Name
    operator: _Operator
    value: Annotated[
        Value | list[Value] | None,
        Field(description="A list for IN and NOT_IN, two for BETWEEN, none for *HAS_PROPERTY"),
    ] = None


Filters = Annotated[
    Sequence[Annotated[list[Filter], Field(min_length=1, max_length=6)]],
    Field(max_length=5, description="Groups of conditions: all of a group, of any group"),
]


class New(Given):
    """A record to create."""

    properties: Values


class Change(New):
    """What to change of a record."""

    id: Key


class Objects:
    """The tools. search: the part of the API with a separate limit."""

    def __init__(self, api: Upstream, search: Upstream) -> None:
        self._api, self._search = api, search

    async def list_objects(
        self, object_type: ObjectType, properties: Names = (), limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Records:  # fmt: skip
        """List records of a type, the oldest first. To find some, use search_objects."""
        params = {"limit": limit, "after": cursor, "properties": ",".join(properties) or None}
        return await self._api.get(Records, *_OBJECTS, object_type, params=params)

    async def search_objects(
        self, object_type: ObjectType, filter_groups: Filters = (),
        query: Annotated[str, Field(max_length=3_000, description="Words in any text")] = "",
        properties: Names = (), sort_by: Name | None = None, descending: bool = False,
        limit: Annotated[int, Field(ge=1, le=200, description="How many at most")] = 20,
        cursor: Cursor = None,
    ) -> Results:  # fmt: skip
        """Find records, and count them (total), by words and at most 18 conditions, like
        [[{"property": "createdate", "operator": "GTE", "value": "2026-11-01"}]]. Owners, pipelines
        and stages are given by id. What was just written is found after some seconds."""
        if cursor and not cursor.isdecimal():
            raise pages.bad_cursor()
        if int(cursor or 0) + limit > REACHED:
            raise ToolError(
                f"HubSpot gives the first {REACHED:,} results of a search: sort by hs_object_id, "
                "and ask for those GT the last one that you have."
            )
        groups = [{"filters": [_filter(one) for one in group]} for group in filter_groups]
        if sum(len(group["filters"]) for group in groups) > 18:
            raise ToolError("filter_groups: expected at most 18 conditions in all")
        way = "DESCENDING" if descending else "ASCENDING"
        body = {
            "filterGroups": groups, "properties": properties, "limit": limit,
            "sorts": [{"propertyName": sort_by, "direction": way}] if sort_by else [],
            **({"query": query} if query else {}), **({"after": cursor} if cursor else {}),
        }  # fmt: skip
        path = (*_OBJECTS, object_type, "search")
        return await self._search.send(Results, "POST", *path, body=body, repeatable=True)

    async def get_object(
        self, object_type: ObjectType, id: Key, id_property: KeyName = None, properties: Names = (),
        associations: Annotated[
            Sequence[ObjectType], Field(max_length=10, description="Types to give ids of")
        ] = (),
    ) -> Whole:  # fmt: skip
        """Get a record by its id, a contact also by its e-mail address."""
        params = {
            "idProperty": id_property or ("email" if "@" in id else None),
            "properties": ",".join(properties) or None,
            "associations": ",".join(associations) or None,
        }
        return await self._api.get(Whole, *_OBJECTS, object_type, id, params=params)

    async def batch_read_objects(
        self, object_type: ObjectType,
        ids: Annotated[list[Key], Field(min_length=1, max_length=100)],
        id_property: KeyName = None, properties: Names = (),
    ) -> Read:  # fmt: skip
        """Read up to 100 records of a type by their ids, or by a unique property."""
        body = {
            "inputs": [{"id": one} for one in dict.fromkeys(ids)], "properties": properties,
            "propertiesWithHistory": [], **_key(id_property),
        }  # fmt: skip
        path = (*_OBJECTS, object_type, "batch", "read")
        answer = await self._api.send(Batch[Record], "POST", *path, body=body, repeatable=True)
        failed = failures(answer.errors, answer.results)
        return Read(records=answer.results, failed=failed)

    async def batch_create_objects(
        self, object_type: ObjectType,
        records: Annotated[list[New], Field(min_length=1, max_length=100)],
    ) -> Written:  # fmt: skip
        """Create up to 100 records of a type; list_properties says what they may have. Look first
        whether they are there: HubSpot refuses hardly any double but e-mails of contacts."""
        inputs = [{"properties": one.properties, "associations": []} for one in records]
        names = [str(place) for place in range(len(records))]
        return await self._write("create", object_type, inputs, names)

    async def batch_update_objects(
        self, object_type: ObjectType,
        records: Annotated[list[Change], Field(min_length=1, max_length=100)],
        id_property: KeyName = None,
    ) -> Written:  # fmt: skip
        """Change properties of up to 100 records of a type; those not named stay as they are."""
        inputs = [one.model_dump() | _key(id_property) for one in records]
        return await self._write("update", object_type, inputs, [one.id for one in records])

    async def _write(
        self, verb: str, object_type: str, inputs: list[dict[str, Any]], names: list[str]
    ) -> Written:
        # With a trace in each, HubSpot does those that it can, and says which it could not.
        traced = [{**one, "objectWriteTraceId": str(place)} for place, one in enumerate(inputs)]
        answer = await self._api.send(
            Batch[_Saved], "POST", *_OBJECTS, object_type, "batch", verb, body={"inputs": traced},
            repeatable=verb == "update",
        )  # fmt: skip
        failed = failures(answer.errors, answer.results, names)
        traces = {str(place): name for place, name in enumerate(names)}
        done = [Done(item=traces.get(one.trace or "", one.id), id=one.id) for one in answer.results]
        return Written(not_done=len(names) - len(done), failed=failed, done=done)


def _key(id_property: str | None) -> dict[str, str]:
    return {"idProperty": id_property} if id_property else {}


def _filter(one: Filter) -> dict[str, Any]:
    """As HubSpot takes it."""
    given = one.value if isinstance(one.value, list) else [one.value]
    values = [text(value) for value in given if value is not None]
    least, most = _COUNTS.get(one.operator, (1, 1))
    if not least <= len(values) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        raise ToolError(
            f"filter_groups: {one.operator} of {one.property} expects {expected} in value, "
            f"got {len(values)}"
        )
    if one.operator.startswith(("LT", "GT", "BETWEEN")):
        values = [_moment(value) for value in values]
    sent = {"propertyName": one.property, "operator": one.operator}
    if "IN" in one.operator.split("_"):
        return {**sent, "values": values}
    return sent | dict(zip(("value", "highValue"), values, strict=False))


def _moment(given: str) -> str:
    """A date in milliseconds, as searches compare them; in UTC if it has no time zone."""
    if not _DATE.fullmatch(given):
        return given
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ToolError(f"value: expected a date like 2026-11-26, got {given!r}") from None
    return str(round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
