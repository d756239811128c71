"""Variables, Figma's design tokens: their values in each mode."""

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.errors import Refused
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import Cursor, Limit, NextCursor

from . import css
from .figma import Figma, File, Line, Query, named, place
from .raw import Color


class Variable(BaseModel):
    """A design token. values: by the modes of its collection; `{name}` is another variable."""

    id: str
    name: str
    collection: str
    type: str
    values: dict[str, str]
    description: Line = ""
    code: dict[str, str] | None = None


class Collection(BaseModel):
    """Variables that have the same modes."""

    id: str
    name: str
    modes: list[str]
    default_mode: str | None


class Variables(BaseModel):
    """Variables of a file. collections: all of them. total: of variables on all pages."""

    collections: list[Collection]
    variables: list[Variable]
    total: int
    next_cursor: NextCursor = None


class _Mode(BaseModel):
    id: str = at("modeId")
    name: str


class _Collection(BaseModel):
    id: str
    name: str
    modes: Many[_Mode] = Field(default_factory=list)
    default_mode: str | None = at("defaultModeId", default=None)


class _Ref(BaseModel):
    id: str


class _Mixed(BaseModel):
    """A color with an opacity of its own; either may be a variable."""

    color: Color | _Ref
    opacity: float | _Ref | None = None


_Value = bool | float | str | Color | _Mixed | _Ref | dict[str, Any] | None


class _Variable(BaseModel):
    id: str
    name: str
    collection: str = at("variableCollectionId")
    type: str = at("resolvedType", default="")
    values: dict[str, _Value] = at("valuesByMode", default_factory=dict)
    description: Text = ""
    code: dict[str, str] | None = at("codeSyntax", default=None)
    deleted: bool | None = at("deletedButReferenced", default=None)


class _Local(BaseModel):
    variables: dict[str, _Variable] = at("meta", "variables")
    collections: dict[str, _Collection] = at("meta", "variableCollections")


class VariableTools:
    """The tools."""

    def __init__(self, figma: Figma) -> None:
        self._figma = figma

    async def get_variables(
        self, file: File, query: Query = "", collection: Query = "", limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Variables:  # fmt: skip
        """List the variables (design tokens) of a file with their values in each mode, those of
        libraries that it uses, too. Only for organizations with Figma's Enterprise plan."""
        key, _ = place(file)
        try:
            local = await self._figma.get(_Local, "files", key, "variables", "local")
        except Refused as error:
            if error.status != 403:
                raise
            raise ToolError(
                f"{error} Figma gives variables only to full members of an Enterprise organization "
                "whose token has the scope file_variables:read. Without: get_styles, and "
                "get_figma_data, which has the values in use."
            ) from error
        every = [_variable(one, local) for one in local.variables.values() if not one.deleted]
        within = [one for one in every if collection.lower() in one.collection.lower()]
        wanted = named(within, query)
        page, following = pages.paged(wanted, cursor, limit)
        return Variables(
            collections=[_collection(one) for one in local.collections.values()],
            variables=page,
            total=len(wanted),
            next_cursor=following,
        )


def _collection(given: _Collection) -> Collection:
    names = {mode.id: mode.name for mode in given.modes}
    default = names.get(given.default_mode or "")
    return Collection(
        id=given.id, name=given.name, modes=list(names.values()), default_mode=default
    )


def _variable(given: _Variable, local: _Local) -> Variable:
    group = local.collections.get(given.collection)
    modes = {mode.id: mode.name for mode in group.modes} if group else {}
    return Variable(
        id=given.id,
        name=given.name,
        collection=group.name if group else given.collection,
        type=given.type,
        values={modes.get(mode, mode): _said(one, local) for mode, one in given.values.items()},
        description=given.description,
        code=given.code or None,
    )


def _said(value: _Value, local: _Local) -> str:
    if isinstance(value, Color):
        return css.color(value)
    if isinstance(value, _Ref):
        other = local.variables.get(value.id)
        return f"{{{other.name if other else value.id}}}"
    if isinstance(value, _Mixed):
        return f"{_said(value.color, local)} with opacity {_said(value.opacity, local)}"
    if isinstance(value, bool):
        return str(value).lower()
    return css.number(value) if isinstance(value, float) else pages.cut(str(value), 500)
