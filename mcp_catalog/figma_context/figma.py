"""Figma's API: names of files and nodes, requests, and the meaning of errors."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, Field
from sophia_mcp import pages
from sophia_mcp.errors import Unusable
from sophia_mcp.fields import Text
from sophia_mcp.upstream import Upstream

T = TypeVar("T")

_ID = re.compile(r"I?\d+[:-]\d+(;\d+[:-]\d+)*")

File = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2_000,
        description="A file's key, like hch8YlkgaUJiuu2eYAsN4a, or the address of a file, a branch "
        "or a node of it: https://www.figma.com/design/KEY/Name?node-id=1-2",
    ),
]
NodeId = Annotated[
    str,
    Field(
        pattern=f"^{_ID.pattern}$",
        max_length=500,
        description="Like 1:2, 1-2 or I5:1;2:3",
    ),
    AfterValidator(lambda given: given.replace("-", ":")),
]
Nodes = Annotated[
    list[NodeId] | None, Field(max_length=50, description="Without, the node of the address")
]

Query = Annotated[str, Field(max_length=200, description="Part of the name; empty: all")]
Line = Annotated[Text, pages.at_most(300)]

_KINDS = frozenset({"file", "design", "board", "proto", "slides", "deck", "buzz", "site", "make"})
_KEY = re.compile(r"[0-9A-Za-z]{5,128}")
_SCOPE = re.compile(r"[a-z_]+:(?:read|write)\b")
_LARGE = "Ask with depth 1 or 2 first, then for single nodes by their ids."
_OTHER_TOKEN = "Ask the operator of this server for another token: FIGMA_API_KEY"
_ADVICE = {
    "not found": "There is no such file or team, or the token's account can't open it: check the "
    "address (a branch has a key of its own), or ask its owner to share it.",
    "request too large": _LARGE,
    "render timeout": "Ask for fewer nodes at once, smaller ones, or a smaller scale.",
    "not exportable": "The file's owner forbids to copy and export it.",
    "file type not supported": "Only design files and FigJam boards are supported here.",
    "token expired": f"{_OTHER_TOKEN} has expired.",
    "invalid token": f"{_OTHER_TOKEN} is wrong, or was revoked.",
}


def explain(body: bytes) -> str:
    """What to do about an error, from its text; of a missing scope its name."""
    given = json.loads(body)
    said = str(given.get("err") or given.get("message") or "")
    if "scope" in said.lower():
        needed = _SCOPE.findall(said.partition("requires")[2])
        return f"{_OTHER_TOKEN} lacks the scope {' or '.join(needed) or 'that this needs'}."
    return next((advice for words, advice in _ADVICE.items() if words in said.lower()), "")


def place(file: str) -> tuple[str, str | None]:
    """The key of a file or branch, and the id of the node that an address names.

    Raises:
        ToolError: it is neither a key nor an address of Figma.
    """
    file = file.strip()
    if _KEY.fullmatch(file):
        return file, None
    try:
        parts = urlsplit(file if "://" in file else f"https://{file}")
        host, query = parts.hostname or "", parse_qs(parts.query)
    except ValueError:
        raise _no_file(file) from None
    kind, key, *below = [*(one for one in parts.path.split("/") if one), "", ""]
    if host != "figma.com" and not host.endswith(".figma.com"):
        raise _no_file(file)
    if kind == "community":
        raise ToolError("file: a file of the Community has to be duplicated before it can be read")
    if below[:1] == ["branch"]:
        key = below[1]
    if kind not in _KINDS or not _KEY.fullmatch(key):
        raise _no_file(file)
    node = query.get("node-id", [""])[0]
    return key, node.replace("-", ":") if _ID.fullmatch(node) else None


def _no_file(given: str) -> ToolError:
    return ToolError(
        "file: expected a key such as hch8YlkgaUJiuu2eYAsN4a or an address such as "
        f"https://www.figma.com/design/KEY/Name, got {given[:100]!r}"
    )


class _Named(Protocol):
    name: str


N = TypeVar("N", bound=_Named)


def named(given: Iterable[N], query: str) -> list[N]:
    """Those with this in their name."""
    return [one for one in given if query.lower() in one.name.lower()]


class Figma:
    """Reads of the API, with errors that suggest what else to request."""

    def __init__(self, api: Upstream) -> None:
        self.api = api

    async def get(self, kind: type[T], *path: str, **params: Any) -> T:
        """GET below /v1. Raises ToolError."""
        try:
            return await self.api.get(kind, "v1", *path, params=params)
        except Unusable as error:
            if error.reason != "too_large":
                raise
            raise ToolError(f"{error} {_LARGE}") from error
