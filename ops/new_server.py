"""`make new-server NAME=jira`: the folder of a new server, from mcp_catalog/_template/."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from components.catalog.loader import NAME, NO_SERVER
from ops import tool_schemas
from ops.progress import say

CATALOG = tool_schemas.CATALOG
TEMPLATE = "_template"

NEXT = """\
mcp_catalog/{name}/ is ready, and works. Next:
  1. server.yaml   its credentials and settings
  2. server.py     its tools; README.md what users should know; test_server.py against a stand-in
  3. .venv/bin/python -m pytest mcp_catalog/{name}
  4. make tool-schemas check
  5. {upper}_API_KEY=… make serve NAME={name}
     .venv/bin/fastmcp call http://127.0.0.1:8000/mcp list_things limit=5
  6. {upper}_API_KEY=… make up; without its key it says "not configured"
Everything is explained in mcp_catalog/README.md"""


class BadName(Exception):
    """A server can't have that name."""


def create(name: str) -> Path:
    """Creates the folder, completely or not at all.

    Raises BadName if the name is invalid or taken.
    """
    if not re.fullmatch(NAME, name) or keyword.iskeyword(name) or name in NO_SERVER:
        raise BadName(
            f"NAME: got {name!r}, expected lower case letters, digits and _, beginning with a "
            "letter (31 at most), and not a Python keyword; run `make new-server NAME=jira`"
        )
    target = CATALOG / name
    if target.exists():
        raise BadName(
            f"NAME: got {name!r}, expected a new name; mcp_catalog/{name}/ exists already"
        )
    with tempfile.TemporaryDirectory(dir=CATALOG, prefix=".new-") as scratch:
        fresh = Path(scratch) / name
        fresh.mkdir()
        for file in sorted((CATALOG / TEMPLATE).iterdir()):
            if file.is_file():
                (fresh / file.name).write_text(_named(file.read_text("utf-8"), name), "utf-8")
        # A long name may change line breaks.
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(fresh)], check=True)
        fresh.rename(target)
    return target


def _named(text: str, name: str) -> str:
    text = text.replace(TEMPLATE, name).replace("TEMPLATE", name.upper())
    return text.replace("Template", name.replace("_", " ").capitalize())


def main() -> int:
    try:
        create(name := " ".join(sys.argv[1:]))
    except BadName as error:
        say(f"error: {error}")
        return 2
    tool_schemas.write(name)
    say(NEXT.format(name=name, upper=name.upper()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
