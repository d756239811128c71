"""What the Engine API takes and gives. Pure."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
"""A JSON object, its keys spelled as the API spells them."""
