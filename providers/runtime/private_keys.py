"""Several private keys in one text: the newest first, its predecessors below it. Pure."""

from __future__ import annotations

import re

_END = "-----END OPENSSH PRIVATE KEY-----"


def separate(private_keys: str) -> list[str]:
    """The PEM texts in one text, in order; anything else is returned unchanged."""
    return re.findall(rf".+?{_END}\n?|.+", private_keys, re.DOTALL)
