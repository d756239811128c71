"""Associations between records, and the kinds that there are."""

from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor
from sophia_mcp.upstream import Upstream

from .errors import Batch, Failure, failures
from .fields import Found, Given, Id, ObjectType, Page, listed
from .records import Done, Written

_ASSOCIATIONS = ("crm", "v4", "associations")


def _labels(kinds: object) -> list[str]:
    every = kinds if isinstance(kinds, list) else []
    return [label for kind in every for label in listed(kind, "label")]


class Related(Found):
    """A record on the other side, such as with the label Primary."""

    id: str = at("toObjectId")
    labels: Annotated[list[str], BeforeValidator(_labels)] = at("associationTypes", default=[])


class Relations(Page):
    """What one record is associated with. next_cursor: ask for the rest with this id alone."""

    id: str = at("from", "id")
    related: list[Related] = at("to")


class Associations(BaseModel):
    """Of each record what it is associated with, and which could not be looked up."""

    associations: list[Relations]
    failed: list[Failure]


class Kind(BaseModel):
    """A kind of association; without a label it is the plain one."""

    type_id: int = at("typeId")
    category: str
    label: str | None = None


class Kinds(BaseModel):
    """All between two types, in that direction."""

    kinds: list[Kind] = at("results")


class Pair(Given):
    """Two records to associate."""

    from_id: Id
    to_id: Id


class _Ends(Found):
    from_id: str = Field(validation_alias=AliasChoices("fromObjectId", AliasPath("from", "id")))
    to_id: str = Field(validation_alias=AliasChoices("toObjectId", AliasPath("to", "id")))


class Links:
    """The tools."""

    def __init__(self, api: Upstream) -> None:
        self._api = api

    async def list_associations(
        self, object_type: ObjectType,
        object_ids: Annotated[list[Id], Field(min_length=1, max_length=100)],
        to_object_type: ObjectType, cursor: Cursor = None,
    ) -> Associations:  # fmt: skip
        """List the ids of the records of a type that up to 100 others are associated with;
        batch_read_objects has what they hold."""
        if cursor and len(object_ids) > 1:
            raise ToolError("cursor: expected with one id in object_ids, the one that it came with")
        after = {"after": cursor} if cursor else {}
        answer = await self._api.send(
            Batch[Relations], "POST", *_ASSOCIATIONS, object_type, to_object_type, "batch", "read",
            body={"inputs": [{"id": one, **after} for one in dict.fromkeys(object_ids)]},
            repeatable=True,
        )  # fmt: skip
        none = [one for one in answer.errors or () if "NO_ASSOCIATIONS" in str(one)]
        errors = [one for one in answer.errors or () if one not in none]
        lonely = [key for one in none for key in listed(one.get("context"), "fromObjectId")]
        empty = [Relations.model_validate({"from": {"id": one}, "to": []}) for one in lonely]
        found = [*answer.results, *empty]
        return Associations(associations=found, failed=failures(errors, found))

    async def list_association_types(
        self, from_object_type: ObjectType, to_object_type: ObjectType
    ) -> Kinds:
        """List the kinds of associations from one type to another: labels, ids, categories."""
        path = (*_ASSOCIATIONS, from_object_type, to_object_type, "labels")
        return await self._api.get(Kinds, *path)

    async def batch_create_associations(
        self, from_object_type: ObjectType, to_object_type: ObjectType,
        pairs: Annotated[list[Pair], Field(min_length=1, max_length=100)],
        type_id: Annotated[int | None, Field(description="For one with a label")] = None,
        category: Literal[
            "HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED"
        ] = "HUBSPOT_DEFINED",
    ) -> Written:  # fmt: skip
        """Associate up to 100 pairs of records of two types. For a label, give type_id and category
        as list_association_types has them."""
        kind = {"associationCategory": category, "associationTypeId": type_id}
        types = {} if type_id is None else {"types": [kind]}
        inputs = [{"from": {"id": one.from_id}, "to": {"id": one.to_id}, **types} for one in pairs]
        last = ("create",) if types else ("associate", "default")
        path = (*_ASSOCIATIONS, from_object_type, to_object_type, "batch", *last)
        answer = await self._api.send(Batch[_Ends], "POST", *path, body={"inputs": inputs})
        # The plain one is answered in both directions.
        made = {(one.from_id, one.to_id) for one in answer.results}
        done = [one for one in pairs if (one.from_id, one.to_id) in made]
        return Written(
            not_done=len(pairs) - len(done),
            failed=failures(answer.errors, done),
            done=[Done(item=one.from_id, id=one.to_id) for one in done],
        )
