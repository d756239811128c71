"""Pure: colours of CSS, how well they contrast, and others that contrast better.

Contrast: WCAG 2.2 (relative luminance, contrast ratio) and APCA as apca-w3 0.1.9 has it (0.98G-4g).
OKLCH: Björn Ottosson, A perceptual color space for image processing.
"""

import math
from dataclasses import dataclass
from typing import Literal

import tinycss2.color4
from mcp.server.mcpserver.exceptions import ToolError

Level = Literal["AA", "AAA"]
Use = Literal["text", "large_text", "ui"]
Triple = tuple[float, float, float]

REQUIRED: dict[tuple[Use, Level], float] = {
    ("text", "AA"): 4.5, ("large_text", "AA"): 3.0, ("ui", "AA"): 3.0,
    ("text", "AAA"): 7.0, ("large_text", "AAA"): 4.5, ("ui", "AAA"): 3.0,
}  # fmt: skip
"""Ratios of WCAG 2.2, success criteria 1.4.3, 1.4.6 and 1.4.11 (which has no level AAA)."""


@dataclass(frozen=True)
class Colour:
    """sRGB within [0, 1], on the grid of 8 bits."""

    rgb: Triple
    alpha: float = 1.0

    @property
    def hex(self) -> str:
        """Like #1a2b3c; with two more digits where it is translucent."""
        parts = self.rgb if self.alpha == 1 else (*self.rgb, self.alpha)
        return "#" + "".join(f"{round(part * 255):02x}" for part in parts)

    def over(self, below: "Colour") -> "Colour":
        """Its visible colour on an opaque colour."""
        mixed = (
            self.alpha * a + (1 - self.alpha) * b for a, b in zip(self.rgb, below.rgb, strict=True)
        )
        return Colour(_on_grid(*mixed))


WHITE, BLACK = Colour((1.0, 1.0, 1.0)), Colour((0.0, 0.0, 0.0))


def parsed(text: str) -> Colour | None:
    """A colour of CSS: hex, a name, rgb(), hsl(), hwb(), oklab(), oklch(), color(srgb …)."""
    try:
        found = tinycss2.color4.parse_color(text.strip())
    except (ValueError, IndexError, AttributeError):
        return None
    if found is None or isinstance(found, str):
        return None
    if found.space in ("hsl", "hwb"):
        found = found.to("srgb")
    values = tuple(one or 0.0 for one in found.coordinates)
    if found.space == "srgb":
        return Colour(_on_grid(*values), found.alpha)
    if found.space == "oklab":
        return Colour(_on_grid(*_from_oklab(*values)), found.alpha)
    if found.space == "oklch":
        return Colour(in_gamut(*values).rgb, found.alpha)
    return None


def needed(name: str, text: str) -> Colour:
    """The colour of an argument.

    Raises:
        ToolError: it is none.
    """
    if (found := parsed(text)) is None:
        raise ToolError(
            f"{name}: got {text[:60]!r}, expected a colour of CSS such as #1a2b3c, rebeccapurple, "
            "rgb(26 43 60 / 50%), hsl(210 40% 17%) or oklch(60% 0.15 250)"
        )
    return found


def ratio(one: Colour, other: Colour) -> float:
    """From 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def shown(value: float) -> float:
    """A ratio with two digits, never more than it is: 4.499 fails 4.5."""
    return math.floor(value * 100 + 1e-9) / 100


def apca(text: Colour, background: Colour) -> float:
    """Lightness contrast Lc: above 0 for dark text on light, below for light on dark."""
    front, back = _apca_luminance(text), _apca_luminance(background)
    if abs(back - front) < 0.0005:
        return 0.0
    if back > front:
        contrast = (back**0.56 - front**0.57) * 1.14
        return 0.0 if contrast < 0.1 else (contrast - 0.027) * 100
    contrast = (back**0.65 - front**0.62) * 1.14
    return 0.0 if contrast > -0.1 else (contrast + 0.027) * 100


def nearest(colour: Colour, against: Colour, least: float) -> Colour | None:
    """The colour of the same hue whose lightness differs least, with that ratio; None: none has."""
    lightness, chroma, hue = oklch(colour)
    for step in range(201):
        for moved in (lightness - step / 200, lightness + step / 200):
            if 0 <= moved <= 1 and ratio(found := in_gamut(moved, chroma, hue), against) >= least:
                return found
    return next((end for end in (BLACK, WHITE) if ratio(end, against) >= least), None)


def oklch(colour: Colour) -> Triple:
    """Lightness within [0, 1], chroma, hue in degrees."""
    r, g, b = (_linear(part) for part in colour.rgb)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    middle = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def in_gamut(lightness: float, chroma: float, hue: float) -> Colour:
    """The colour with the most of that chroma that screens can show."""
    low, high = 0.0, max(chroma, 0.0)
    angle = math.radians(hue)
    lightness = min(1.0, max(0.0, lightness))

    def at(amount: float) -> Triple:
        return _from_oklab(lightness, amount * math.cos(angle), amount * math.sin(angle))

    if not _can_be_shown(at(high)):
        for _ in range(16):
            middle = (low + high) / 2
            low, high = (middle, high) if _can_be_shown(at(middle)) else (low, middle)
        high = low
    return Colour(_on_grid(*at(high)))


def _luminance(colour: Colour) -> float:
    r, g, b = (_linear(part) for part in colour.rgb)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _apca_luminance(colour: Colour) -> float:
    r, g, b = (part**2.4 for part in colour.rgb)
    found = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    return float(found if found >= 0.022 else found + (0.022 - found) ** 1.414)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _curved(part: float) -> float:
    if part <= 0.0031308:
        return part * 12.92
    return float(1.055 * part ** (1 / 2.4) - 0.055)


def _from_oklab(lightness: float, a: float, b: float) -> Triple:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _curved(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _curved(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _curved(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )


def _can_be_shown(rgb: Triple) -> bool:
    return all(-0.0005 <= part <= 1.0005 for part in rgb)


def _on_grid(r: float, g: float, b: float) -> Triple:
    red, green, blue = (round(min(1.0, max(0.0, part)) * 255) / 255 for part in (r, g, b))
    return red, green, blue
