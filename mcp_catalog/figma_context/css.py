"""Pure: Figma's paints, effects and texts in the words of CSS, numbers rounded.

Angles of gradients follow from the two handles and the size of the node, as on the canvas.
"""

from collections.abc import Sequence
from math import atan2, cos, degrees, hypot, sin

from .raw import Box, Color, Effect, Paint, RawNode, TypeStyle, Vector

_CASES = {"UPPER": "uppercase", "LOWER": "lowercase", "TITLE": "capitalize"}
_IMAGES = {"FILL": "cover", "FIT": "contain", "TILE": "repeat", "STRETCH": "crop"}
_PLAIN = (None, "NORMAL", "PASS_THROUGH")
_SQUARE = Box(width=1, height=1)


def number(value: float) -> str:
    """With two digits behind the point at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def px(*values: float) -> str:
    """One length, or those of the four sides in the shortest form."""
    texts = [f"{number(value)}px" if round(value, 2) else "0" for value in values]
    if len(texts) == 4:
        if texts[1] == texts[3]:
            texts = texts[:3] if texts[0] != texts[2] else texts[:2]
        if len(set(texts)) == 1:
            texts = texts[:1]
    return " ".join(texts)


def color(given: Color, opacity: float | None = None) -> str:
    """`#RRGGBB`, or `rgba(…)` if it is translucent."""
    parts = [round(min(max(part, 0), 1) * 255) for part in (given.r, given.g, given.b)]
    alpha = given.a * (1 if opacity is None else opacity)
    if round(alpha, 2) >= 1:
        return "#{:02X}{:02X}{:02X}".format(*parts)
    return f"rgba({parts[0]}, {parts[1]}, {parts[2]}, {number(alpha)})"


def paints(given: Sequence[Paint], box: Box | None) -> str | None:
    """Their visible parts, the topmost first, as CSS's `background`."""
    seen = [one for one in given if one.visible is not False and one.opacity != 0]
    return ", ".join(_paint(one, box or _SQUARE) for one in reversed(seen)) or None


def _paint(one: Paint, box: Box) -> str:
    kind = one.type
    blend = "" if one.blend_mode in _PLAIN else f" {_word(one.blend_mode)}"
    if kind == "SOLID" and one.color:
        text = color(one.color, one.opacity)
        variable = one.bound_variables and one.bound_variables.color
        return f"var({variable.id}, {text}){blend}" if variable else f"{text}{blend}"
    if kind == "IMAGE":
        image = f"gif({one.gif_ref})" if one.gif_ref else f"image({one.image_ref})"
        return f"{image} {_IMAGES.get(one.scale_mode or '', '')}".strip() + blend
    if kind.startswith("GRADIENT_") and len(one.gradient_handle_positions) >= 2:
        return f"{_gradient(one, box)}{blend}"
    return _word(kind) + blend


def _gradient(one: Paint, box: Box) -> str:
    start, end, *others = one.gradient_handle_positions
    across, down = (end.x - start.x) * box.width, (end.y - start.y) * box.height
    at = f"{number(start.x * 100)}% {number(start.y * 100)}%"
    if one.type == "GRADIENT_LINEAR":
        angle = atan2(across, -down)
        return f"linear-gradient({_degrees(angle)}, {_stops(one, _along(one, box, angle))})"
    plain = _stops(one, [stop.position for stop in one.gradient_stops])
    if one.type == "GRADIENT_ANGULAR":
        return f"conic-gradient(from {_degrees(atan2(across, -down))} at {at}, {plain})"
    radii = [hypot(end.x - start.x, end.y - start.y)]
    radii += [hypot(other.x - start.x, other.y - start.y) for other in others[:1]]
    size = " ".join(f"{number(radius * 100)}%" for radius in (radii * 2)[:2])
    diamond = " diamond" if one.type == "GRADIENT_DIAMOND" else ""
    return f"radial-gradient({size} at {at}, {plain}){diamond}"


def _along(one: Paint, box: Box, angle: float) -> list[float]:
    """Where the stops are on CSS's line, which goes through the middle, from corner to corner."""
    start, end = one.gradient_handle_positions[:2]
    length = abs(box.width * sin(angle)) + abs(box.height * cos(angle)) or 1.0

    def place(point: Vector) -> float:
        right, below = (point.x - 0.5) * box.width, (point.y - 0.5) * box.height
        return (right * sin(angle) - below * cos(angle)) / length + 0.5

    first, last = place(start), place(end)
    return [first + (last - first) * stop.position for stop in one.gradient_stops]


def _stops(one: Paint, places: Sequence[float]) -> str:
    return ", ".join(
        f"{color(stop.color, one.opacity)} {number(place * 100)}%"
        for stop, place in zip(one.gradient_stops, places, strict=True)
    )


def _degrees(angle: float) -> str:
    return f"{number(degrees(angle) % 360)}deg"


def effects(node: RawNode) -> str | None:
    """Shadows, blurs and the blend mode, as declarations."""
    seen = [one for one in node.effects if one.visible is not False]
    shadow = "text-shadow" if node.type == "TEXT" else "box-shadow"
    shadows = [_shadow(one) for one in seen if one.type in ("DROP_SHADOW", "INNER_SHADOW")]
    told = [f"{shadow}: {', '.join(shadows)}"] if shadows else []
    for one in seen:
        if one.type in ("LAYER_BLUR", "BACKGROUND_BLUR"):
            name = "filter" if one.type == "LAYER_BLUR" else "backdrop-filter"
            told.append(f"{name}: blur({px(one.radius / 2)})")  # Figma's radius is CSS's twice
        elif one.type not in ("DROP_SHADOW", "INNER_SHADOW"):
            told.append(_word(one.type))
    if node.blend_mode not in _PLAIN:
        told.append(f"mix-blend-mode: {_word(node.blend_mode)}")
    return "; ".join(told) or None


def _shadow(one: Effect) -> str:
    at = one.offset or Vector()
    inset = "inset " if one.type == "INNER_SHADOW" else ""
    lengths = " ".join(px(length) for length in (at.x, at.y, one.radius, one.spread or 0))
    return f"{inset}{lengths} {color(one.color) if one.color else ''}".rstrip()


def stroke(node: RawNode) -> str | None:
    """As CSS's `border`, with its position on the edge unless inside."""
    paint = paints(node.strokes, node.absolute_bounding_box)
    sides = node.individual_stroke_weights
    if not paint or (node.stroke_weight == 0 and not sides):
        return None
    weight = 1 if node.stroke_weight is None else node.stroke_weight
    width = px(sides.top, sides.right, sides.bottom, sides.left) if sides else px(weight)
    line = "dashed" if node.stroke_dashes else "solid"
    align = "" if node.stroke_align in (None, "INSIDE") else f" {_word(node.stroke_align)}"
    return f"{width} {line} {paint}{align}"


def radius(node: RawNode) -> str | None:
    """Of the corners."""
    corners = node.rectangle_corner_radii
    if corners and len(corners) == 4 and any(corners):
        return px(*corners)
    return px(node.corner_radius) if node.corner_radius else None


def rotation(node: RawNode) -> str | None:
    """Clockwise; Figma counts in radians, and the other way."""
    turned = -degrees(node.rotation or 0)
    return f"rotate: {number(turned)}deg" if round(turned, 2) else None


def text_style(style: TypeStyle) -> str | None:
    """As CSS's `font`, with what else differs from a plain text."""
    line = ""
    if style.line_height_px and style.line_height_unit != "INTRINSIC_%":
        line = f"/{px(style.line_height_px)}"
    font = [
        "italic" if style.italic else "",
        number(style.font_weight) if style.font_weight else "",
        f"{px(style.font_size)}{line}" if style.font_size else "",
        style.font_family or "",
    ]
    told = [" ".join(filter(None, font))]
    if style.letter_spacing and round(style.letter_spacing, 2):
        told.append(f"letter-spacing: {px(style.letter_spacing)}")
    if style.text_case in _CASES:
        told.append(f"text-transform: {_CASES[style.text_case]}")
    elif style.text_case not in (None, "ORIGINAL"):
        told.append("font-variant: small-caps")
    if style.text_decoration not in (None, "NONE"):
        lined = "line-through" if style.text_decoration == "STRIKETHROUGH" else "underline"
        told.append(f"text-decoration: {lined}")
    if style.text_align_horizontal not in (None, "LEFT"):
        align = style.text_align_horizontal.lower().replace("justified", "justify")
        told.append(f"text-align: {align}")
    return "; ".join(filter(None, told)) or None


def _word(name: str | None) -> str:
    return (name or "").lower().replace("_", "-")
