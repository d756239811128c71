"""Pure: a design as a small tree. What a viewer can't see is left out, drawings are one node, what
several nodes share stands once in a table, and what does not fit is counted."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field
from sophia_mcp.pages import PAGE_BYTES, cut

from . import css
from .layout import has_layout, layout
from .raw import About, Named, Part, Property, RawNode

_DRAWN = frozenset({"VECTOR", "STAR", "REGULAR_POLYGON", "BOOLEAN_OPERATION"})
_SHAPES = frozenset({"RECTANGLE", "ELLIPSE", "LINE", "IMAGE-SVG"})
_GROUPS = frozenset({"FRAME", "GROUP", "INSTANCE", "COMPONENT", "BOOLEAN_OPERATION"})
_PARENTS = _GROUPS | {"DOCUMENT", "CANVAS", "SECTION", "COMPONENT_SET"}
_SHARED = ("layout", "fill", "stroke", "effect", "text_style")
_STYLED = {"fill": "fill", "fills": "fill", "effect": "effect", "text": "text_style"}
_MORE = "Some nodes are left out: get_node with the ids of nodes that have more, or are not here"
_PATTERN = 10
"""From so many drawings in an auto-layout on, they are a pattern; fewer are placed one by one."""
_SHORT = 16
"""Characters of a value that a reference would not make shorter."""
_TEXT, _RUNS = 2_000, 40

_NONE = Field(exclude_if=lambda value: value is None)
Maybe = Annotated[str | None, _NONE]
"""Left out where there is none: of fifteen fields a node has five."""


class Run(BaseModel):
    """A piece of a text. style: what differs from the text's own."""

    text: str
    style: Maybe = None


class Node(BaseModel):
    """A layer. layout, fill (a text's color), stroke, effect and text_style are CSS, or `@name` in
    styles.

    name: left out where it repeats the text. connects: ids, of a connector.
    type: Figma's; IMAGE-SVG is a drawing, to be had as an image.
    component: its id, of an instance. properties: what an instance chose, or a component offers.
    more: which children are left out.
    """

    id: str
    name: Maybe = None
    type: str
    text: Maybe = None
    runs: Annotated[list[Run] | None, _NONE] = None
    layout: Maybe = None
    fill: Maybe = None
    stroke: Maybe = None
    radius: Maybe = None
    effect: Maybe = None
    opacity: Annotated[float | None, _NONE] = None
    text_style: Maybe = None
    connects: Maybe = None
    component: Maybe = None
    properties: Annotated[dict[str, str] | None, _NONE] = None
    more: Maybe = None
    children: Annotated[list["Node"] | None, _NONE] = None


N = TypeVar("N", Node, RawNode)


class Design(BaseModel):
    """Nodes of a file. styles: what several nodes share, and Figma's own styles by their names.
    components: names by id. missing: ids that the file does not have."""

    file: str
    last_modified: str
    editor: Maybe = None
    nodes: list[Node]
    styles: dict[str, str]
    components: dict[str, str]
    missing: Annotated[list[str] | None, _NONE] = None
    note: Maybe = None


def design(about: About, parts: Sequence[Part], depth: int | None) -> Design:
    """The small form of some nodes, at most as large as an answer. depth: as requested."""
    known = Part(document=RawNode(id=""))
    for part in parts:
        known.styles |= part.styles
        known.components |= part.components
        known.component_sets |= part.component_sets
    top = Node(id="", type="", children=[_simple(part.document, None, depth) for part in parts])
    _fit(top)
    nodes = top.children or []
    every = list(_walk(nodes))
    raw = {one.id: one for part in parts for one in _walk([part.document])}
    names = {one.id: _style_names(raw[one.id], known.styles) for one in every}
    used = sorted({one.component for one in every if one.component})
    return Design(
        file=about.name,
        last_modified=about.last_modified,
        editor=about.editor_type,
        nodes=nodes,
        styles=_shared(every, names),
        components={id: _component(id, known) for id in used},
        note=_MORE if any(one.more for one in (top, *every)) else None,
    )


def _simple(node: RawNode, parent: RawNode | None, depth: int | None) -> Node:
    """depth: requested levels below this node, None for all."""
    seen = [child for child in node.children if child.visible is not False]
    below = None if depth is None else depth - 1
    children = [_simple(child, node, below) for child in seen]
    drawing = node.type in _DRAWN or _is_drawing(node, children)
    style = node.style
    return Node(
        id=node.id,
        name=cut(node.name, 100) if node.name != node.characters else None,
        type="IMAGE-SVG" if drawing else node.type,
        text=cut(node.characters, _TEXT) or None,
        runs=_runs(node),
        layout=layout(node, parent),
        fill=css.paints(node.fills, node.absolute_bounding_box),
        stroke=css.stroke(node),
        radius=css.radius(node),
        effect=css.effects(node),
        opacity=None if node.opacity in (None, 1) else round(node.opacity or 0, 2),
        text_style=css.text_style(style) if style else None,
        connects=_connects(node),
        component=node.component_id,
        properties=_properties(node.component_properties or node.component_property_definitions),
        more="below the depth" if depth == 0 and node.type in _PARENTS and not seen else None,
        children=None if drawing else children or None,
    )


def _is_drawing(node: RawNode, children: Sequence[Node]) -> bool:
    """Whether it holds only drawings and shapes, and at least one drawing."""
    if node.type not in _GROUPS or (has_layout(node) and len(children) < _PATTERN):
        return False
    return any(one.type == "IMAGE-SVG" for one in _walk(children)) and all(map(_is_plain, children))


def _is_plain(node: Node) -> bool:
    """Whether a drawing may hold it: a shape without a picture, or a group of such."""
    within = node.children or []
    groups = node.type in _GROUPS and bool(within) and all(map(_is_plain, within))
    pictures = any(word in (node.fill or "") for word in ("image(", "gif("))
    return (node.type in _SHAPES or groups) and not pictures


def _properties(given: Mapping[str, Property] | None) -> dict[str, str] | None:
    """By name without the number that Figma puts behind it."""
    told = {}
    for name, one in (given or {}).items():
        value = one.value if one.value is not None else one.default_value
        text = value if isinstance(value, str) else str(value).lower()
        options = f" ({' | '.join(one.variant_options)})" if one.variant_options else ""
        told[name.rpartition("#")[0] or name] = cut(f"{text}{options}", 300)
    return told or None


def _connects(node: RawNode) -> str | None:
    if node.type != "CONNECTOR":
        return None
    ends = [
        end.endpoint_node_id if end else None for end in (node.connector_start, node.connector_end)
    ]
    return " -> ".join(end or "nothing" for end in ends)


def _runs(node: RawNode) -> list[Run] | None:
    """The pieces of a text in several styles. Figma counts in units of UTF-16."""
    overrides = node.character_style_overrides
    table = node.style_override_table or {}
    if not any(overrides) or len(node.characters) > _TEXT:
        return None
    units = node.characters.encode("utf-16-le")
    overrides = [*overrides, *[0] * (len(units) // 2 - len(overrides))]
    found, at = [], 0
    for key, group in groupby(overrides):
        end = at + 2 * len(list(group))
        style = table.get(str(key))
        told = [css.text_style(style), css.paints(style.fills, None)] if style else []
        told += [f"link: {style.hyperlink.url}"] if style and style.hyperlink else []
        piece = units[at:end].decode("utf-16-le", "replace")
        found.append(Run(text=piece, style="; ".join(filter(None, told)) or None))
        at = end
    return found if len(found) <= _RUNS else None


def _fit(top: Node, budget: int = PAGE_BYTES) -> None:
    """Keeps as many nodes as fit an answer, level by level, so that the overview stays."""
    waiting, known = deque([top]), set[str]()
    while waiting:
        node = waiting.popleft()
        children = node.children or []
        kept = 0
        for child in children:
            budget -= _cost(child, known)
            if budget < 0:
                break
            kept += 1
        if kept < len(children):
            node.more = f"{len(children) - kept} of {len(children)} children"
        node.children = children[:kept] or None
        waiting.extend(children[:kept])


def _cost(node: Node, known: set[str]) -> int:
    """Bytes that it adds to an answer: shared values count once."""
    size = len(node.model_dump_json(exclude={"children"}).encode()) + 20
    for field in (*_SHARED, "component"):
        value = getattr(node, field) or ""
        size -= len(value) if value in known else 0
        known.add(value)
    return size


def _shared(nodes: Sequence[Node], names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Moves values that several nodes share, or that have a name, into a table, with `@`
    references."""
    users = defaultdict[tuple[str, str, str | None], list[Node]](list)
    for node in nodes:
        for kind in _SHARED:
            if value := getattr(node, kind):
                users[kind, value, names[node.id].get(kind)].append(node)
    table: dict[str, str] = {}
    for (kind, value, name), those in users.items():
        if name is None and (len(those) == 1 or len(value) <= _SHORT):
            continue
        key, count = name or f"{kind}-1", 1
        while table.get(key, value) != value:
            count += 1
            key = f"{name} ({count})" if name else f"{kind}-{count}"
        table[key] = value
        for node in those:
            setattr(node, kind, f"@{key}")
    return table


def _style_names(node: RawNode, styles: Mapping[str, Named]) -> dict[str, str]:
    """Those of Figma's styles that it has, by the field that they are of."""
    found = {
        field: styles[id].name
        for kind, id in (node.styles or {}).items()
        if (field := _STYLED.get(kind)) and id in styles
    }
    return {field: name for field, name in found.items() if name}


def _component(id: str, known: Part) -> str:
    found = known.components.get(id, Named(name="unknown"))
    group = known.component_sets.get(found.component_set_id or "")
    name = f"{group.name}: {found.name}" if group else found.name
    return f"{name} (of a library)" if found.remote else name


def _walk(nodes: Iterable[N]) -> Iterator[N]:
    for node in nodes:
        yield node
        yield from _walk(node.children or [])
