"""The catalog of this checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from components.catalog import loader
from components.catalog.loader import Catalog

FOLDER = Path(__file__).parents[2] / "mcp_catalog"


@cache
def whole() -> Catalog:
    """All its servers, read once a process."""
    return loader.load(FOLDER)
