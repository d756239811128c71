"""Pure: where a node is and how large, in the words of CSS: its auto-layout, its size, and a
position only where no auto-layout gives it one."""

from . import css
from .raw import RawNode

_MODES = {"HORIZONTAL": "row", "VERTICAL": "column", "GRID": "grid"}
_ALIGN = {"CENTER": "center", "MAX": "flex-end", "BASELINE": "baseline"}
_SIZES = {"FILL": "fill", "HUG": "hug"}


def layout(node: RawNode, parent: RawNode | None) -> str | None:
    """Declarations; `fill` and `hug` are Figma's: as large as the parent lets it, as its content.

    parent: None for a node that was requested by itself.
    """
    told = [*_container(node), *_size(node), *_place(node, parent)]
    return "; ".join(filter(None, [*told, css.rotation(node)])) or None


def has_layout(node: RawNode | None) -> bool:
    """Whether it places its children."""
    return node is not None and node.layout_mode in _MODES


def _container(node: RawNode) -> list[str]:
    told = []
    if mode := _MODES.get(node.layout_mode or ""):
        told.append(mode)
        told += _grid(node) if mode == "grid" else _flex(node)
        padding = css.px(
            *(side or 0 for side in (node.padding_top, node.padding_right,
                                     node.padding_bottom, node.padding_left))
        )  # fmt: skip
        told += [f"padding: {padding}"] if padding != "0" else []
    scrolls = node.overflow_direction or ""
    axes = "".join(axis for axis, name in (("x", "HORIZ"), ("y", "VERTI")) if name in scrolls)
    if axes:
        told.append(f"overflow{'' if axes == 'xy' else f'-{axes}'}: scroll")
    return told


def _flex(node: RawNode) -> list[str]:
    wraps = node.layout_wrap == "WRAP"
    between = node.primary_axis_align_items == "SPACE_BETWEEN"
    spread = node.counter_axis_align_content == "SPACE_BETWEEN"
    # Between spread items, Figma keeps a gap that has no effect.
    gap = 0 if between else node.item_spacing or 0
    other = 0 if spread or not wraps else node.counter_axis_spacing or 0
    rows, columns = (other, gap) if node.layout_mode == "HORIZONTAL" else (gap, other)
    justify = "space-between" if between else _ALIGN.get(node.primary_axis_align_items or "")
    align = _ALIGN.get(node.counter_axis_align_items or "")
    return [
        *(["wrap"] if wraps else []),
        *([_gap(rows, columns) if wraps else f"gap: {css.px(gap)}"] if gap or other else []),
        *([f"justify-content: {justify}"] if justify else []),
        *([f"align-items: {align}"] if align else []),
    ]


def _grid(node: RawNode) -> list[str]:
    columns, rows = node.grid_columns_sizing, node.grid_rows_sizing
    gaps = node.grid_row_gap or 0, node.grid_column_gap or 0
    return [
        *([f"grid-template-columns: {columns}"] if columns else []),
        *([f"grid-template-rows: {rows}"] if rows else []),
        *([_gap(*gaps)] if any(gaps) else []),
    ]


def _gap(rows: float, columns: float) -> str:
    return f"gap: {css.px(rows)}" if rows == columns else f"gap: {css.px(rows)} {css.px(columns)}"


def _size(node: RawNode) -> list[str]:
    box, told = node.absolute_bounding_box, []
    for name, sizing, length in (
        ("width", node.layout_sizing_horizontal, box.width if box else None),
        ("height", node.layout_sizing_vertical, box.height if box else None),
    ):
        if sizing in _SIZES:
            told.append(f"{name}: {_SIZES[sizing]}")
        elif length is not None:
            told.append(f"{name}: {css.px(length)}")
    bounds = {
        "min-width": node.min_width, "max-width": node.max_width,
        "min-height": node.min_height, "max-height": node.max_height,
    }  # fmt: skip
    return told + [f"{name}: {css.px(length)}" for name, length in bounds.items() if length]


def _place(node: RawNode, parent: RawNode | None) -> list[str]:
    if parent is None:
        return []
    if has_layout(parent) and node.layout_positioning != "ABSOLUTE":
        return _cell(node) if parent.layout_mode == "GRID" else []
    box, around = node.absolute_bounding_box, parent.absolute_bounding_box
    if box is None or around is None:  # a page has none
        return []
    left, top = css.px(box.x - around.x), css.px(box.y - around.y)
    return ["position: absolute", f"left: {left}", f"top: {top}"]


def _cell(node: RawNode) -> list[str]:
    told = []
    for name, place, span in (
        ("grid-column", node.grid_column_anchor_index, node.grid_column_span),
        ("grid-row", node.grid_row_anchor_index, node.grid_row_span),
    ):
        if place is not None:
            told.append(f"{name}: {place + 1}{f' / span {span}' if span and span > 1 else ''}")
    return told
