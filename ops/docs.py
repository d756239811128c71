"""`make docs`: docs/reference/, generated from the code that it describes.

configuration.md from Pulumi.yaml and the rules, outputs.md from components/outputs.py, providers.md
from the declarations in providers/, graph.md from what the program registers. A test compares them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components import settings_rules
from components.catalog import loader
from components.outputs import OUTPUTS
from ops import docs_of_providers
from ops.docs_of_providers import escaped, row
from ops.progress import say

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"

CONFIGURATION = """\
# Configuration

Written by `make docs` from `Pulumi.yaml` and the rules that check it; don't edit it here.

A stack's values are in `Pulumi.<stack>.yaml`; `pulumi config set --path 'gateway.port' 443` writes
one. All errors are reported at once, before anything is created. A key without a default may be
left out unless it is required.
"""
OUTPUT = """\
# Outputs

Written by `make docs` from `components/outputs.py`; don't edit it here.

`pulumi stack output NAME` prints one, `--show-secrets` also a secret one.

| output | what it is |
|---|---|
"""


def pages() -> dict[str, str]:
    """The pages, by the names of their files."""
    return {
        "configuration.md": CONFIGURATION + "".join(map(_section, _keys())),
        "outputs.md": OUTPUT + "".join(row(f"`{name}`", about) for name, about in OUTPUTS.items()),
        "providers.md": docs_of_providers.page(),
        "graph.md": _graph(),
    }


def _graph() -> str:
    """Drawn in a separate process: running a program sets the SDK's state for good."""
    command = [sys.executable, "-m", "ops.docs_of_graph"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


@dataclass
class Key:
    """One key as Pulumi.yaml describes it. path: from the outermost key; inner: those below it."""

    path: tuple[str, ...]
    default: str
    about: str
    inner: list[Key]


ENTRIES = {("nodeGroups",): "[]", ("servers",): "NAME", ("gateway", "callers"): "NAME"}
"""Keys that hold any number of entries, and how a path names one entry."""
LINE = re.compile(r"( *)- (\w+)(?: \((.+)\))?(?::|$)(.*)")


def _keys() -> list[Key]:
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text("utf-8"))["config"]
    return [_key(name, about["default"], about["description"]) for name, about in config.items()]


def _key(name: str, default: object, description: str) -> Key:
    """Splits a description: `- name (default): text` is a key below it, the rest its own text."""
    top = Key((name,), "" if default in ("", {}, []) else str(default).lower(), "", [])
    above = [(-1, top)]
    for line in description.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            latest = above[-1][1]
            latest.about = f"{latest.about} {line.strip()}".strip()
            continue
        depth = len(match[1])
        while above[-1][0] >= depth:
            above.pop()
        parent = above[-1][1]
        entry = (ENTRIES[parent.path],) if parent.path in ENTRIES else ()
        path = (*parent.path, *entry, match[2])
        key = Key(path, match[3] or "", match[4].strip(), [])
        parent.inner.append(key)
        above.append((depth, key))
    return top


def _section(top: Key) -> str:
    rows = "".join(_row(key) for key in _below(top) or [top])
    table = f"\n| key | default | expected | |\n|---|---|---|---|\n{rows}"
    about = f"\n{escaped(top.about)}\n" if top.inner else ""
    return f"\n## {top.path[0]}\n{about}{table}"


def _below(key: Key) -> list[Key]:
    return [found for inner in key.inner for found in (inner, *_below(inner))]


def _row(key: Key) -> str:
    name = ".".join(key.path).replace(".[]", "[]").replace("NAME", "<name>")
    default = f"`{key.default}`" if key.default else "required" if required(key.path) else ""
    return row(f"`{name}`", default, expected(key.path), key.about)


WRONG = object()
"""A value that no key accepts."""


def expected(path: Iterable[str]) -> str:
    """What the rules expect of a key."""
    where = _where(path)
    told = _faults(path, WRONG).get(where, "")
    each = _faults(path, [WRONG]).get(f"{where}[0]", "") if told.startswith("a list") else ""
    told = told.removesuffix(" of keys to values")
    return f"{told}; each: {each}" if each not in ("", "a text") else told


def required(path: Iterable[str]) -> bool:
    """Whether the rules report the key if it is left out of its mapping."""
    *above, _ = path
    return _where(path) in _faults(above, {})


def _faults(path: Iterable[str], value: Any) -> dict[str, str]:
    """What the rules expect, by key, if the configuration has only this value."""
    for word in reversed([*path]):
        value = [value] if word == "[]" else {_named(word): value}
    _, faults = settings_rules.read(
        value, project="sophia", stack="dev", catalog=CATALOG, offers=None
    )
    return {fault.key: fault.expected for fault in faults}


CATALOG = loader.load(ROOT / "mcp_catalog")


def _named(word: str) -> str:
    return CATALOG.names()[0] if word == "NAME" else word


def _where(path: Iterable[str]) -> str:
    return "sophia:" + ".".join(map(_named, path)).replace(".[]", "[0]")


def stale(written: Mapping[str, str]) -> Iterator[str]:
    """The names of the files that are out of date. written: the pages."""
    for name, text in written.items():
        file = REFERENCE / name
        if not file.is_file() or file.read_text("utf-8") != text:
            yield name


def main() -> int:
    REFERENCE.mkdir(exist_ok=True)
    written = pages()
    for name in stale(written):
        (REFERENCE / name).write_text(written[name], "utf-8")
        say(f"docs/reference/{name} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
