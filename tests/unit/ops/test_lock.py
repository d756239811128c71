"""The packages of the program and its tests, locked by hash: whether `make lock` was run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LISTS = ("requirements.txt", "requirements-dev.txt")
ENTRY = re.compile(
    r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]+)? \\((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)"
)


def locked() -> dict[str, str]:
    """Versions by name; fails where an entry has no hash."""
    text = (ROOT / "requirements-lock.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.partition("make lock\n")[2].strip())
    found = {}
    for entry in entries:
        match = ENTRY.match(entry)
        assert match, entry
        assert match[0] == entry, entry
        found[match[1]] = match[2]
    return found


def listed() -> Iterator[Requirement]:
    for name in LISTS:
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                yield Requirement(line)


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return locked()


def test_every_package_is_locked_in_the_version_that_its_list_names(lock):
    for one in listed():
        version = lock.get(canonicalize_name(one.name), "")
        assert one.specifier.contains(version), f"{one}: run `make lock`"


def test_all_that_they_need_is_locked_too(lock):
    """As far as this environment knows it: its own Python, on this system."""
    waiting, seen = [*listed()], set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if (name, *one.extras) in seen:
            continue
        seen.add((name, *one.extras))
        assert name in lock, f"{one}: run `make lock`"
        assert one.specifier.contains(lock[name], prereleases=True), one
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        for text in needed:
            need = Requirement(text)
            extras = one.extras or {""}
            if not need.marker or any(need.marker.evaluate({"extra": x}) for x in extras):
                waiting.append(need)
    assert len(seen) > len([*listed()]) * 3, "most of it is needed by something else"


def test_the_environment_is_installed_from_it_by_hash():
    text = (ROOT / "ops" / "make-venv").read_text().replace("\\\n", "")
    (install,) = [line for line in text.splitlines() if "pip install" in line]
    for option in ("--require-hashes", "--only-binary :all:", "-r requirements-lock.txt"):
        assert option in install
