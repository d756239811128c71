"""The version is written once, and every release is described."""

import re
from pathlib import Path

from components.version import VERSION

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", re.M)


def test_the_newest_release_in_the_changelog_is_the_version():
    headings = HEADING.findall(CHANGELOG.read_text())
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == VERSION
    assert all(day for _, day in headings[1:]), "a release has a day"
