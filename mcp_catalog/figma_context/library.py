"""What a file publishes: styles with their values, and components."""

from collections.abc import Sequence
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit, NextCursor

from . import css
from .figma import Figma, File, Line, Query, named, place
from .raw import Parts, RawNode

_Team = Annotated[
    str | None,
    Field(pattern=r"^\d{1,30}$", description="Instead of a file: the number in figma.com/team/…"),
]
_VARIANTS = 100


class Style(BaseModel):
    """A published style. value: CSS, null where Figma does not tell it."""

    name: str
    type: str = at("style_type")
    value: str | None = None
    description: Line = ""
    node_id: str
    key: str


class Styles(BaseModel):
    """Styles of a file. total: of all pages."""

    styles: list[Style]
    total: int
    next_cursor: NextCursor = None


class _Styles(BaseModel):
    styles: list[Style] = at("meta", "styles")


class Variant(BaseModel):
    """One of a set, named by what sets it apart, like Size=Large, State=Hover."""

    name: str
    node_id: str


class Component(BaseModel):
    """A published component, or a set of variants. page, frame: where it stands in its file."""

    name: str
    node_id: str
    file_key: str
    key: str | None = None
    description: Line = ""
    page: str | None = at("containing_frame", "pageName", default=None)
    frame: str | None = at("containing_frame", "name", default=None)
    variants: list[Variant] = Field(default_factory=list)
    variant_count: int = 0


class Components(BaseModel):
    """Published components. total: of all pages; null for a team, which is not counted."""

    components: list[Component]
    total: int | None
    next_cursor: NextCursor = None


class _Published(Component):
    set_name: str | None = at("containing_frame", "containingComponentSet", "name", default=None)
    set_id: str | None = at("containing_frame", "containingComponentSet", "nodeId", default=None)


class _Components(BaseModel):
    components: list[_Published] = at("meta", "components")
    after: int | None = at("meta", "cursor", "after", default=None)


class _Sets(BaseModel):
    sets: list[Component] = at("meta", "component_sets")


class LibraryTools:
    """The tools."""

    def __init__(self, figma: Figma) -> None:
        self._figma = figma

    async def get_styles(
        self, file: File, query: Query = "", limit: Limit = 50, cursor: Cursor = None
    ) -> Styles:
        """List the styles that a file publishes, with colors, texts and effects as CSS. A file
        that publishes none may still have some: get_figma_data names those that its nodes use."""
        key, _ = place(file)
        every = (await self._figma.get(_Styles, "files", key, "styles")).styles
        wanted = sorted(named(every, query), key=lambda one: (one.type, one.name))
        page, following = pages.paged(wanted, cursor, limit)
        if page:
            ids = ",".join(one.node_id for one in page)
            found = await self._figma.get(Parts, "files", key, "nodes", ids=ids, depth=1)
            for one in page:
                part = found.nodes.get(one.node_id)
                one.value = _value(part.document) if part else None
        return Styles(styles=page, total=len(wanted), next_cursor=following)

    async def get_components(
        self, file: File | None = None, team_id: _Team = None, query: Query = "",
        limit: Limit = 50, cursor: Cursor = None,
    ) -> Components:  # fmt: skip
        """List the components that a file or a whole team publishes, variants below their set.
        query: within a team, only on the page. get_node shows one in full."""
        if team_id and not file:
            return await self._of_team(team_id, query, limit, cursor)
        if team_id or not file:
            raise ToolError("file, team_id: expected one of them")
        key, _ = place(file)
        sets = (await self._figma.get(_Sets, "files", key, "component_sets")).sets
        single = (await self._figma.get(_Components, "files", key, "components")).components
        groups = named(_grouped(single, sets), query)
        page, following = pages.paged(groups, cursor, limit)
        return Components(components=page, total=len(groups), next_cursor=following)

    async def _of_team(self, team: str, query: str, limit: int, cursor: str | None) -> Components:
        after = pages.place(cursor, 1)[0] if cursor else None
        found = await self._figma.get(
            _Components, "teams", team, "components", page_size=limit, after=after
        )
        more = found.after if found.components else None
        return Components(
            components=named(_grouped(found.components, []), query),
            total=None,
            next_cursor=None if more is None else pages.cursor(str(more)),
        )


def _value(node: RawNode) -> str | None:
    """Of a style: of its text, its effects, its paints; a grid has none that CSS knows."""
    if node.type == "TEXT" and node.style:
        return css.text_style(node.style)
    return css.effects(node) or css.paints(node.fills, node.absolute_bounding_box)


def _grouped(components: Sequence[_Published], sets: Sequence[Component]) -> list[Component]:
    """Variants below their set, also where only its name is known."""
    groups = {(one.file_key, one.node_id): one for one in sets}
    for one in components:
        if one.set_id is None:
            groups[one.file_key, one.node_id] = one
            continue
        unknown = Component(name=one.set_name or "", node_id=one.set_id, file_key=one.file_key)
        group = groups.setdefault((one.file_key, one.set_id), unknown)
        group.page = group.page or one.page
        group.variant_count += 1
        if group.variant_count <= _VARIANTS:
            group.variants.append(Variant(name=one.name, node_id=one.node_id))
    return sorted(groups.values(), key=lambda one: (one.page or "", one.name))
