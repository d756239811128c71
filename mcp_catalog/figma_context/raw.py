"""Nodes as Figma's API gives them: of some hundred fields those that matter for a design.

Slots, no models: a design of 20 MB has 20,000 nodes, which take 250 MB while they are read.
"""

from dataclasses import field
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass
from sophia_mcp.fields import Many, Text

_NAMES = ConfigDict(alias_generator=to_camel)


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Vector:
    """A point, between 0 and 1 in a node's own space where it belongs to a gradient."""

    x: float = 0
    y: float = 0


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Box(Vector):
    """Where a node is on the canvas, and how large."""

    width: float = 0
    height: float = 0


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Color:
    """Each from 0 to 1."""

    r: float
    g: float
    b: float
    a: float = 1


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Stop:
    """A color of a gradient."""

    position: float
    color: Color


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Alias:
    """A variable that stands for a value."""

    id: str | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Bound:
    """Which variables a paint has."""

    color: Alias | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Paint:
    """A fill, or a stroke's color."""

    type: str
    visible: bool | None = None
    opacity: float | None = None
    blend_mode: str | None = None
    color: Color | None = None
    gradient_handle_positions: Many[Vector] = field(default_factory=list)
    gradient_stops: Many[Stop] = field(default_factory=list)
    image_ref: str | None = None
    gif_ref: str | None = None
    scale_mode: str | None = None
    bound_variables: Bound | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Effect:
    """A shadow, a blur or something newer."""

    type: str
    visible: bool | None = None
    radius: float = 0
    spread: float | None = None
    offset: Vector | None = None
    color: Color | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Link:
    """Where a text leads."""

    url: str | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class TypeStyle:
    """How a text is set; in an override only what differs."""

    font_family: str | None = None
    font_weight: float | None = None
    font_size: float | None = None
    italic: bool | None = None
    line_height_px: float | None = None
    line_height_unit: str | None = None
    letter_spacing: float | None = None
    text_case: str | None = None
    text_decoration: str | None = None
    text_align_horizontal: str | None = None
    hyperlink: Link | None = None
    fills: Many[Paint] = field(default_factory=list)


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Sides:
    """Widths of strokes."""

    top: float = 0
    right: float = 0
    bottom: float = 0
    left: float = 0


@dataclass(config=_NAMES, slots=True, kw_only=True)
class End:
    """Of a connector on a board, at a node or at none."""

    endpoint_node_id: str | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Property:
    """Of a component: what it may be, or of an instance: what it is."""

    value: Any = None
    default_value: Any = None
    variant_options: list[str] | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class RawNode:
    """A layer, or a page, or the document."""

    id: str
    name: Text = ""
    type: Text = ""
    visible: bool | None = None
    children: Many["RawNode"] = field(default_factory=list)

    absolute_bounding_box: Box | None = None
    rotation: float | None = None
    layout_mode: str | None = None
    layout_wrap: str | None = None
    layout_positioning: str | None = None
    layout_sizing_horizontal: str | None = None
    layout_sizing_vertical: str | None = None
    min_width: float | None = None
    max_width: float | None = None
    min_height: float | None = None
    max_height: float | None = None
    primary_axis_align_items: str | None = None
    counter_axis_align_items: str | None = None
    counter_axis_align_content: str | None = None
    item_spacing: float | None = None
    counter_axis_spacing: float | None = None
    padding_top: float | None = None
    padding_right: float | None = None
    padding_bottom: float | None = None
    padding_left: float | None = None
    grid_columns_sizing: str | None = None
    grid_rows_sizing: str | None = None
    grid_column_gap: float | None = None
    grid_row_gap: float | None = None
    grid_column_anchor_index: int | None = None
    grid_row_anchor_index: int | None = None
    grid_column_span: int | None = None
    grid_row_span: int | None = None
    overflow_direction: str | None = None

    fills: Many[Paint] = field(default_factory=list)
    strokes: Many[Paint] = field(default_factory=list)
    stroke_weight: float | None = None
    individual_stroke_weights: Sides | None = None
    stroke_align: str | None = None
    stroke_dashes: list[float] | None = None
    effects: Many[Effect] = field(default_factory=list)
    opacity: float | None = None
    blend_mode: str | None = None
    corner_radius: float | None = None
    rectangle_corner_radii: list[float] | None = None
    styles: dict[str, str] | None = None

    characters: Text = ""
    style: TypeStyle | None = None
    character_style_overrides: Many[int] = field(default_factory=list)
    style_override_table: dict[str, TypeStyle | None] | None = None

    connector_start: End | None = None
    connector_end: End | None = None

    component_id: str | None = None
    component_properties: dict[str, Property] | None = None
    component_property_definitions: dict[str, Property] | None = None


@dataclass(config=_NAMES, slots=True, kw_only=True)
class Named:
    """A style, a component or a set of components that nodes refer to."""

    name: Text = ""
    component_set_id: str | None = None
    remote: bool | None = None


@dataclass(config=_NAMES, kw_only=True)
class Part:
    """A node with what its subtree refers to."""

    document: RawNode
    components: dict[str, Named] = field(default_factory=dict)
    component_sets: dict[str, Named] = field(default_factory=dict)
    styles: dict[str, Named] = field(default_factory=dict)


@dataclass(config=_NAMES, kw_only=True)
class About:
    """A file."""

    name: Text = ""
    last_modified: Text = ""
    editor_type: str | None = None


@dataclass(config=_NAMES, kw_only=True)
class Whole(About, Part):
    """All of a file, or what depth leaves of it."""


@dataclass(config=_NAMES, kw_only=True)
class Parts(About):
    """Some nodes of a file, null for those that it does not have."""

    nodes: dict[str, Part | None]
