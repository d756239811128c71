"""`make tool-schemas`: writes what each server shows to a model as its tools.json.

So a reviewer sees every change of a name, an argument or a description.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from ops.progress import say

CATALOG = Path(__file__).parents[1] / "mcp_catalog"
FILE = "tools.json"


def names() -> list[str]:
    """All servers, and the template of new ones."""
    return sorted(path.parent.name for path in CATALOG.glob("*/server.yaml"))


def schemas(name: str) -> str:
    """What the server shows if everything is allowed, as JSON. It needs no credential."""
    return asyncio.run(_shown(name))


async def _shown(name: str) -> str:
    from sophia_mcp.settings import read_settings

    build = importlib.import_module(f"mcp_catalog.{name}.server").build
    declared = build(read_settings(name, {})).declared
    destructive = ",".join(tool.name for tool in declared if tool.kind == "destroy")
    allowed = {"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": destructive}
    server = build(read_settings(name, allowed))
    shown: dict[str, Any] = {
        "title": server.title,
        "instructions": server.instructions,
        "tools": [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in await server.list_tools()
        ],
    }
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def write(name: str) -> bool:
    """Writes the file; whether it changed."""
    file, text = CATALOG / name / FILE, schemas(name)
    changed = not file.is_file() or file.read_text("utf-8") != text
    if changed:
        file.write_text(text, "utf-8")
    return changed


def main() -> int:
    for name in names():
        if write(name):
            say(f"mcp_catalog/{name}/{FILE} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
