"""Random text from character classes with a minimum of each. Pure except for the randomness."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass

from providers.runtime.declare import Fault, prop

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
"""The vendor's special characters (pulumi-random, RandomPassword.overrideSpecial)."""


@dataclass(frozen=True)
class TextInputs:
    """The inputs of RandomPassword and RandomString; any change makes a new text."""

    length: int = prop(replace=True)
    keepers: dict[str, str] | None = prop(replace=True, default=None)
    lower: bool = prop(replace=True, default=True)
    upper: bool = prop(replace=True, default=True)
    numeric: bool = prop(replace=True, default=True)
    special: bool = prop(replace=True, default=True)
    override_special: str | None = prop(replace=True, default=None)
    min_lower: int = prop(replace=True, default=0)
    min_upper: int = prop(replace=True, default=0)
    min_numeric: int = prop(replace=True, default=0)
    min_special: int = prop(replace=True, default=0)


def classes(inputs: TextInputs) -> dict[str, tuple[str, int]]:
    """The allowed characters, by class, each with its minimum."""
    known = {
        "lower": (inputs.lower, string.ascii_lowercase, inputs.min_lower),
        "upper": (inputs.upper, string.ascii_uppercase, inputs.min_upper),
        "numeric": (inputs.numeric, string.digits, inputs.min_numeric),
        "special": (inputs.special, inputs.override_special or SPECIAL, inputs.min_special),
    }
    return {name: (text, least) for name, (wanted, text, least) in known.items() if wanted}


def faults(inputs: TextInputs) -> list[Fault]:
    """Why no text can be made from these inputs."""
    found = []
    least = inputs.min_lower + inputs.min_upper + inputs.min_numeric + inputs.min_special
    if inputs.length < 1:
        found.append(Fault("length", f"got {inputs.length}, expected at least 1"))
    elif least > inputs.length:
        found.append(Fault("length", f"got {inputs.length}, but the minimums add up to {least}"))
    allowed = classes(inputs)
    if not allowed:
        found.append(Fault("lower", "every class of characters is off, expected at least one"))
    for name in ("lower", "upper", "numeric", "special"):
        number = getattr(inputs, f"min_{name}")
        if number and name not in allowed:
            found.append(Fault(f"min{name.capitalize()}", f"got {number}, but {name} is off"))
    return found


def text(inputs: TextInputs) -> str:
    """A text for these inputs, from the system's source of randomness."""
    allowed = classes(inputs)
    chosen = [
        secrets.choice(characters) for characters, least in allowed.values() for _ in range(least)
    ]
    every = "".join(characters for characters, _ in allowed.values())
    chosen += [secrets.choice(every) for _ in range(inputs.length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
