"""Tests lie where their code does: `tests/unit/plan/` has the tests of `components/plan/`."""

import re
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

PLACES = ("bench", "components", "docs", "images", "mcp_catalog", "ops")
PLACES += ("providers", "simulator", "toolchain")
SOURCES = [folder for place in PLACES for folder in (ROOT / place, *(ROOT / place).rglob("*/"))]
IMPORTED_FROM = (ROOT, ROOT / "mcp_catalog" / "base")
IMPORTED_FROM += (ROOT / "images" / "backend", ROOT / "images" / "logs")
UNITS = sorted((ROOT / "tests" / "unit").glob("*/**/test_*.py"))
FOLDERS = sorted(
    {file.parent for file in (*UNITS, *(ROOT / "tests" / "provider").rglob("test_*.py"))}
)


def sources_of(folder: Path) -> list[Path]:
    """The folders whose path ends in the names of a folder of tests."""
    _, *end = folder.relative_to(ROOT / "tests").parts
    return [source for source in SOURCES if list(source.parts[-len(end) :]) == end]


def imported(file: Path) -> list[Path]:
    """The sources that a test imports, without their suffix."""
    names = re.findall(r"^ *(?:from|import) ([\w.]+)", file.read_text(), re.M)
    paths = [root / name.replace(".", "/") for name in names for root in IMPORTED_FROM]
    found = [path for path in paths if path.is_dir() or path.with_suffix(".py").is_file()]
    return [path for path in found if path.relative_to(ROOT).parts[0] in PLACES]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_of_tests_has_the_last_names_of_one_path(folder: Path):
    assert len(sources_of(folder)) == 1


@pytest.mark.parametrize("file", UNITS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_test_imports_what_its_folder_stands_for(file: Path):
    (source,) = sources_of(file.parent)
    if (used := imported(file)) and any(source.rglob("*.py")):
        assert any(path.is_relative_to(source) for path in used), f"nothing of {source}"
