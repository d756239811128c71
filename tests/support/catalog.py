"""The catalog of this checkout."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from components.catalog import loader
from components.catalog.loader import Catalog

FOLDER = Path(__file__).parents[2] / "mcp_catalog"


@cache
def whole() -> Catalog:
    """All its servers, read once a process."""
    return loader.load(FOLDER)


def place_for_jira(catalog: Path) -> Path:
    """The folder in a copy of the catalog of the server that documents tell readers to make, and
    tests make: empty, though a reader may have one."""
    folder = catalog / "jira"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
