"""Pure: a scale of tints and shades, and pairs of them that contrast as they must."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from .colours import BLACK, WHITE, Colour, apca, in_gamut, oklch, ratio, shown

_LIGHTNESS = {
    50: 0.975, 100: 0.945, 200: 0.89, 300: 0.82, 400: 0.73, 500: 0.64,
    600: 0.55, 700: 0.47, 800: 0.39, 900: 0.31, 950: 0.23,
}  # fmt: skip
_NEUTRAL_CHROMA = 0.008

_ROLES: dict[str, dict[str, tuple[str, float]]] = {
    "light": {
        "text": ("neutral-900", 7.0), "muted text": ("neutral-600", 4.5),
        "link": ("brand-600", 4.5), "border of inputs": ("neutral-500", 3.0),
        "focus ring": ("brand-500", 3.0),
    },
    "dark": {
        "text": ("neutral-100", 7.0), "muted text": ("neutral-400", 4.5),
        "link": ("brand-300", 4.5), "border of inputs": ("neutral-500", 3.0),
        "focus ring": ("brand-400", 3.0),
    },
}  # fmt: skip
"""What stands on the page: the step that is best, and the ratio that it must have."""
_PAGES = {"light": "neutral-50", "dark": "neutral-950"}


class Pair(BaseModel):
    """Two colours for one use, which pass."""

    use: str
    foreground: str = Field(description="A step, like brand-600, white or black")
    foreground_hex: str
    background: str
    background_hex: str
    ratio: float
    required: float
    apca_lc: float


class Palette(BaseModel):
    """brand: the scale of the base colour, which is one of its steps. neutral: greys that suit."""

    base_step: str
    brand: dict[str, str]
    neutral: dict[str, str]
    light: list[Pair]
    dark: list[Pair]


def palette(base: Colour) -> Palette:
    """Of an opaque colour."""
    lightness, chroma, hue = oklch(base)
    base_step = min(_LIGHTNESS, key=lambda step: abs(_LIGHTNESS[step] - lightness))
    brand = {
        f"brand-{step}": in_gamut(light, chroma * _share(light, lightness), hue)
        for step, light in _LIGHTNESS.items()
    }
    brand[f"brand-{base_step}"] = base
    greys = {
        f"neutral-{step}": in_gamut(light, min(chroma, _NEUTRAL_CHROMA), hue)
        for step, light in _LIGHTNESS.items()
    }
    named = {**brand, **greys, "white": WHITE, "black": BLACK}
    return Palette(
        base_step=f"brand-{base_step}",
        brand={name: colour.hex for name, colour in brand.items()},
        neutral={name: colour.hex for name, colour in greys.items()},
        light=_pairs("light", named, f"brand-{base_step}"),
        dark=_pairs("dark", named, f"brand-{base_step}"),
    )


def _share(light: float, of_base: float) -> float:
    """The share of the base's chroma: all near the base, little where it is nearly white or
    black."""
    room = 1 - of_base if light > of_base else of_base
    return max(0.12, 1 - float((abs(light - of_base) / max(room, 0.05)) ** 1.5))


def _pairs(mode: str, named: Mapping[str, Colour], base_step: str) -> list[Pair]:
    page = _PAGES[mode]
    pairs = [
        _pair(use, _passing(wanted, named[page], least, named), page, least, named)
        for use, (wanted, least) in _ROLES[mode].items()
    ]
    # White or black passes on any colour.
    label = max(("white", "black"), key=lambda one: ratio(named[one], named[base_step]))
    pairs.append(_pair("label on a button", label, base_step, 4.5, named))
    # A button must be distinguishable from the page, too.
    button = _passing(base_step, named[page], 3.0, named)
    if button != base_step:
        pairs.append(_pair("button on the page", button, page, 3.0, named))
        label = max(("white", "black"), key=lambda one: ratio(named[one], named[button]))
        pairs.append(_pair("label on that button", label, button, 4.5, named))
    return pairs


def _passing(wanted: str, page: Colour, least: float, named: Mapping[str, Colour]) -> str:
    """The step with that ratio that is nearest to the wanted one, in its own scale."""
    family, _, _ = wanted.partition("-")
    steps = [name for name in named if name.startswith(f"{family}-")]
    at = steps.index(wanted)
    passing = [name for name in steps if ratio(named[name], page) >= least]
    return min(passing, key=lambda name: abs(steps.index(name) - at))


def _pair(use: str, front: str, back: str, required: float, named: Mapping[str, Colour]) -> Pair:
    a, b = named[front], named[back]
    return Pair(
        use=use,
        foreground=front,
        foreground_hex=a.hex,
        background=back,
        background_hex=b.hex,
        ratio=shown(ratio(a, b)),
        required=required,
        apca_lc=round(apca(a, b), 1),
    )
