"""Pure: design tokens in CSS, HTML or JSON, as the Design Tokens format 2025.10 writes them."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from . import colours, css

MOST = 150
"""Tokens of an answer, the most used."""

_SPACING = re.compile(r"(margin|padding|scroll-margin|scroll-padding)(-.*)?|(row-|column-)?gap")
_RADIUS = re.compile(r"border(-\w+)*-radius")
_COLOURED = re.compile(r".*(color|background|border|outline|fill|stroke|shadow|decoration).*|--.*")
_LENGTH = re.compile(r"(-?[0-9]*\.?[0-9]+)(px|rem)")
_NEAR_COLOUR, _NEAR_PIXELS = 0.02, 1.0
"""Differences hardly anybody sees: in OKLab, and in CSS pixels."""


class Similar(BaseModel):
    """Two tokens that may be meant to be one."""

    one: str
    other: str
    difference: str


class Extracted(BaseModel):
    """tokens: a file of the Design Tokens format (DTCG, 2025.10)."""

    tokens: dict[str, Any]
    uses: dict[str, int] = Field(description="How often each is used, by its name; most used first")
    similar: list[Similar] = Field(description="Near-duplicates")
    note: str | None


@dataclass
class _Token:
    """path: its groups and its name. value: as the format has it; an alias as {a.b}."""

    path: tuple[str, ...]
    type: str
    value: Any
    uses: int = 0

    @property
    def name(self) -> str:
        return ".".join(self.path)


def extracted(text: str, kind: Literal["css", "html", "json"]) -> Extracted:
    """The tokens of a text.

    Raises:
        ToolError: it can't be read as that kind.
    """
    if kind == "json":
        tokens, strange = _of_json(text)
    else:
        tokens, strange = _of_styles(css.of_html(text) if kind == "html" else css.of_css(text)), 0
    # Stable: as they came, where they are used as often.
    tokens.sort(key=lambda token: -token.uses)
    notes = [f"The {MOST} most used of {len(tokens)}."] if len(tokens) > MOST else []
    if strange:
        notes.append(f"{strange} values were left out: of no type that is known here, or in a unit "
                     "besides px and rem.")  # fmt: skip
    if not tokens:
        notes.append(f"No tokens were found: is it {kind.upper()}?")
    kept = tokens[:MOST]
    return Extracted(
        tokens=_nested(kept),
        uses={token.name: token.uses for token in kept},
        similar=_similar(kept),
        note=" ".join(notes) or None,
    )


def _of_styles(declarations: Sequence[css.Declaration]) -> list[_Token]:
    """Values by use. Those of custom properties keep the property's name."""
    found: dict[tuple[str, str], _Token] = {}
    named: dict[tuple[str, str], str] = {}
    for one in declarations:
        for group, key, kind, value in _values(one):
            token = found.setdefault((group, key), _Token((group, key), kind, value))
            if one.name.startswith("--"):
                named.setdefault((group, key), one.name[2:])
            else:
                token.uses += 1
    variables = {f"--{name}": place for place, name in named.items()}
    for one in declarations:
        for name in re.findall(r"var\(\s*(--[\w-]+)", one.text):
            if name in variables:
                found[variables[name]].uses += 1
    for place, name in named.items():
        found[place].path = (place[0], re.sub(r"[{}.$]", "-", name) or place[1])
    unique: dict[str, _Token] = {}
    for token in found.values():
        while token.name in unique:
            token.path = (token.path[0], f"{token.path[1]}-2")
        unique[token.name] = token
    return list(unique.values())


def _values(one: css.Declaration) -> Iterator[tuple[str, str, str, Any]]:
    """Group, key, type and value of each token in a declaration."""
    custom, name = one.name.startswith("--"), one.name
    parts = [node for node in one.value if node.type not in ("whitespace", "comment")]
    if name == "box-shadow" or (custom and "shadow" in name):
        for shadow in _shadows(parts):
            text = json.dumps(shadow, sort_keys=True)
            yield "shadow", f"shadow-{_short(text)}", "shadow", shadow
        return
    if _COLOURED.fullmatch(name):
        for colour in _colours(one.value):
            yield "color", colour.hex[1:], "color", _colour(colour)
    if name == "font-family":
        families = [part.strip().strip("\"'") for part in one.text.split(",")]
        yield "font-family", _slug(families[0]), "fontFamily", families
    elif name == "font-weight" and len(parts) == 1 and parts[0].type in ("number", "ident"):
        weight = int(parts[0].value) if parts[0].type == "number" else parts[0].lower_value
        if isinstance(weight, int) or weight in ("normal", "bold"):
            yield "font-weight", str(weight), "fontWeight", weight
    else:
        group = _group(name)
        for node in parts if group else []:
            length = css.dimension(node)
            if length and length[0] > 0 and length[1] in ("px", "rem"):
                text = f"{length[0]:g}{length[1]}".replace(".", "-")
                yield group, text, "dimension", {"value": _plain(length[0]), "unit": length[1]}
            if name == "font" and length:
                break


def _group(name: str) -> str:
    if name in ("font-size", "font"):
        return "font-size"
    if _RADIUS.fullmatch(name):
        return "radius"
    if _SPACING.fullmatch(name):
        return "spacing"
    if name.startswith("--"):
        words = {
            "radius": "radius", "rounded": "radius", "space": "spacing", "spacing": "spacing",
            "gap": "spacing", "padding": "spacing", "margin": "spacing", "font": "font-size",
            "text": "font-size",
        }  # fmt: skip
        return next((group for word, group in words.items() if word in name), "")
    return ""


def _colours(nodes: Sequence[Any]) -> Iterator[colours.Colour]:
    for node in nodes:
        if node.type in ("hash", "ident", "function"):
            found = colours.parsed(node.serialize())
            if found is not None and found.alpha > 0:
                yield found
            elif node.type == "function" and node.lower_name != "url":
                yield from _colours(node.arguments)


def _shadows(parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    layers: list[list[Any]] = [[]]
    for node in parts:
        if node == ",":
            layers.append([])
        else:
            layers[-1].append(node)
    for layer in layers:
        lengths = [found for node in layer if (found := css.dimension(node))]
        tint = next(_colours(layer), None)
        if len(lengths) >= 2 and tint and all(unit in ("px", "rem") for _, unit in lengths):
            names = ("offsetX", "offsetY", "blur", "spread")
            sizes = [*lengths, (0.0, "px"), (0.0, "px")][:4]
            shadow: dict[str, Any] = {
                name: {"value": _plain(value), "unit": unit}
                for name, (value, unit) in zip(names, sizes, strict=True)
            }
            inset = any(node.type == "ident" and node.lower_value == "inset" for node in layer)
            yield {"color": _colour(tint), **shadow, **({"inset": True} if inset else {})}


def _of_json(text: str) -> tuple[list[_Token], int]:
    """Tokens of the format, also of its drafts, and of Style Dictionary; and how many are of no
    type that is known here."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"source: expected JSON, got something else: {str(error)[:200]}") from None
    if not isinstance(given, dict):
        raise ToolError("source: expected a JSON object of design tokens")
    found: list[_Token] = []
    strange = 0
    waiting: list[tuple[tuple[str, ...], dict[str, Any], str]] = [((), given, "")]
    while waiting:
        path, group, kind = waiting.pop()
        kind = str(group.get("$type") or group.get("type") or kind)
        value = group.get("$value", group.get("value"))
        if value is not None and path:
            if token := _normal(path, kind, value):
                found.append(token)
            else:
                strange += 1
            continue
        inner = [((*path, _plain_name(name)), one, kind) for name, one in group.items()
                 if isinstance(one, dict) and not name.startswith("$")]  # fmt: skip
        waiting += reversed(inner)
    by_name = {token.name: token for token in found}
    for token in found:
        for name in re.findall(r"\{([^{}]+)\}", json.dumps(token.value)):
            if target := by_name.get(name.removesuffix(".value")):
                target.uses += 1
    return found, strange


def _normal(path: tuple[str, ...], kind: str, value: Any) -> _Token | None:
    """A token as the format has it since 2025.10; None for values of no known type."""
    if isinstance(value, str) and (alias := re.fullmatch(r"\{([^{}]+)\}", value.strip())):
        return _Token(path, kind, "{" + alias[1].removesuffix(".value") + "}")
    if isinstance(value, str) and (colour := colours.parsed(value)):
        return _Token(path, "color", _colour(colour))
    if isinstance(value, str) and (length := _LENGTH.fullmatch(value.strip())):
        size = {"value": _plain(float(length[1])), "unit": length[2]}
        return _Token(path, "dimension", size)
    families = value.split(",") if isinstance(value, str) else value
    named = kind in ("fontFamily", "fontFamilies") or (not kind and "family" in path[-1].lower())
    if named and isinstance(families, list):
        return _Token(path, "fontFamily", [str(one).strip() for one in families])
    if isinstance(value, dict | list) and kind:
        return _Token(path, kind, value)
    if isinstance(value, int | float) and kind in ("number", "fontWeight", "lineHeight", "opacity"):
        return _Token(path, "fontWeight" if kind == "fontWeight" else "number", value)
    return None


def _similar(tokens: Sequence[_Token]) -> list[Similar]:
    found = []
    tints = {token.name: colour for token in tokens if (colour := _tint(token))}
    for (one, a), (other, b) in combinations(tints.items(), 2):
        if (apart := _apart(a, b)) < _NEAR_COLOUR:
            found.append((apart, Similar(one=one, other=other, difference=f"ΔE OK {apart:.3f}")))
    sizes = [(token, size) for token in tokens if (size := _size(token)) is not None]
    for (first, x), (second, y) in combinations(sizes, 2):
        if first.path[:-1] == second.path[:-1] and abs(x - y) <= _NEAR_PIXELS:
            text = f"{abs(x - y):g} px" if x != y else "the same size"
            found.append((0.0, Similar(one=first.name, other=second.name, difference=text)))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])][:40]


def _tint(token: _Token) -> colours.Colour | None:
    if token.type != "color" or not isinstance(token.value, dict):
        return None
    return colours.parsed(str(token.value.get("hex", "")))


def _size(token: _Token) -> float | None:
    if token.type != "dimension" or not isinstance(token.value, dict):
        return None
    value, unit = token.value.get("value"), token.value.get("unit")
    return float(value) * (16 if unit == "rem" else 1) if isinstance(value, int | float) else None


def _apart(one: colours.Colour, other: colours.Colour) -> float:
    (l1, c1, h1), (l2, c2, h2) = colours.oklch(one), colours.oklch(other)
    x = c1 * math.cos(math.radians(h1)) - c2 * math.cos(math.radians(h2))
    y = c1 * math.sin(math.radians(h1)) - c2 * math.sin(math.radians(h2))
    return math.hypot(l1 - l2, x, y)


def _colour(colour: colours.Colour) -> dict[str, Any]:
    value: dict[str, Any] = {
        "colorSpace": "srgb",
        "components": [round(part, 4) for part in colour.rgb],
        "hex": colour.hex[:7],
    }
    return value if colour.alpha == 1 else {**value, "alpha": round(colour.alpha, 3)}


def _nested(tokens: Sequence[_Token]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for token in tokens:
        group = root
        for name in token.path[:-1]:
            group = group.setdefault(name, {})
        kind = {"$type": token.type} if token.type else {}
        group[token.path[-1]] = {**kind, "$value": token.value}
    return root


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else round(number, 4)


def _plain_name(name: str) -> str:
    return re.sub(r"[{}.]", "-", name)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def _short(text: str) -> str:
    return f"{sum(ord(c) * (i + 1) for i, c in enumerate(text)) % 0xFFFF:04x}"
