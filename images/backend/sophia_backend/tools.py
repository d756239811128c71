"""A server's tool, and its name among those of all servers."""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import mcp_types
from mcp_types.methods import serialize_server_result
from sophia_mcp.policy import Kind

MOST_NAME = 64
"""Characters that clients and models accept."""
_VERSIONS = ("2025-11-25", "2026-07-28")
_LIST = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Tool:
    """name: at its server. definition: from the server. size: of that, in bytes."""

    server: str
    name: str
    full_name: str
    kind: Kind
    definition: dict[str, Any]
    size: int

    @property
    def title(self) -> str | None:
        """The title for people."""
        annotations = self.definition.get("annotations") or {}
        return self.definition.get("title") or annotations.get("title")

    @property
    def description(self) -> str:
        return self.definition.get("description") or ""

    @property
    def arguments(self) -> list[str]:
        """Their names."""
        properties = self.definition["inputSchema"].get("properties")
        return list(properties) if isinstance(properties, dict) else []


def read_tool(server: str, definition: Any, servers: Collection[str]) -> Tool:
    """The tool of a definition in `tools/list`.

    Raises:
        ValueError: it isn't one.
    """
    seen = mcp_types.Tool.model_validate(definition, by_name=False)
    for version in _VERSIONS:  # an invalid one would break the whole list
        serialize_server_result("tools/list", version, {**_LIST, "tools": [definition]})
    size = len(json.dumps(definition, ensure_ascii=False).encode())  # raises for half a character
    return Tool(
        server,
        seen.name,
        full_name(server, seen.name, servers),
        _kind(seen.annotations),
        definition,
        size,
    )


def full_name(server: str, tool: str, servers: Collection[str]) -> str:
    """`<server>_<tool>`. One that is too long, has other characters, or could be a tool of another
    of `servers` (`a` has `b_c`, and there is an `a_b`) ends with a hash, whichever servers answer
    at the time.
    """
    plain = f"{server}_{tool}"
    ambiguous = any(plain.startswith(f"{other}_") for other in servers if len(other) > len(server))
    if len(plain) <= MOST_NAME and not ambiguous and not _UNFIT.search(plain):
        return plain
    mark = hashlib.sha256(f"{server}/{tool}".encode()).hexdigest()[:8]
    return f"{_UNFIT.sub('-', plain)[: MOST_NAME - 9]}_{mark}"


def _kind(annotations: mcp_types.ToolAnnotations | None) -> Kind:
    """Missing hints count as the worst case, as the protocol says."""
    if annotations is not None and annotations.read_only_hint:
        return "read"
    harmless = annotations is not None and annotations.destructive_hint is False
    return "write" if harmless else "destroy"
