"""Physical names. Pure."""

from __future__ import annotations

import re

from providers.runtime.declare import Fault

LONGEST = 63
_HEX = 10
LONGEST_HASHED = LONGEST - 1 - _HEX
"""Characters of a name before the hyphen and its hash."""

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")


def hashed_name(prefix: str, digest: str) -> str:
    """`<prefix>-<10 hex digits>` of a hexadecimal digest."""
    return f"{prefix}-{digest[:_HEX]}"


def name_faults(path: str, name: str, *, hashed: bool = True) -> list[Fault]:
    """Whether it can be a name, with the hash behind it or alone."""
    longest = LONGEST_HASHED if hashed else LONGEST
    if len(name) <= longest and _NAME.fullmatch(name):
        return []
    return [
        Fault(
            path,
            f"got {name!r}, expected 1 to {longest} letters, digits, '-', '_' or '.', "
            "with a letter or digit at both ends",
        )
    ]
