"""Every page is found from docs/README.md, and every decision from docs/adr/README.md."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", re.M)


def linked(page: Path) -> set[Path]:
    found = re.findall(r"\]\(([^)#:\s]+)", page.read_text())
    return {(page.parent / name).resolve() for name in found}


def test_every_page_is_in_the_index():
    index = DOCS / "README.md"
    pages = {page for page in DOCS.rglob("*.md") if page.parent.name != "adr"} - {index}
    assert pages - linked(index) == set()
    assert DOCS / "adr" / "README.md" in linked(index)


def test_every_decision_is_in_its_index_under_its_title():
    titles = [
        (*re.match(r"# (\d+)\. (.+)", file.read_text()).groups(), file.name)
        for file in sorted((DOCS / "adr").glob("0*.md"))
    ]
    assert ROW.findall((DOCS / "adr" / "README.md").read_text()) == titles
