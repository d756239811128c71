"""Several private keys in one text: a key, and below it those that it has followed. Pure."""

from __future__ import annotations

import re

_END = "-----END OPENSSH PRIVATE KEY-----"


def separate(private_keys: str) -> list[str]:
    """The PEM texts in one text, in order; what is none as it is."""
    return re.findall(rf".+?{_END}\n?|.+", private_keys, re.DOTALL)
