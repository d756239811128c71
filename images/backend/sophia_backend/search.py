"""Finds tools by words."""

import json
import operator
import re
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing

from .fleet import Fleet
from .tools import Tool
from .watched import Watched

_MOST_WORDS = 32
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
# English stems: "issue" finds "issues". BM25 weighs rare words higher; a name weighs more than a
# # description.
_TABLE = (
    "CREATE VIRTUAL TABLE tools USING fts5(server UNINDEXED, names, title, arguments, description,"
    " tokenize='porter unicode61')"
)
_FIND = (
    "SELECT rowid FROM tools WHERE tools MATCH ? AND server IN (SELECT value FROM json_each(?))"
    " ORDER BY bm25(tools, 0, 8, 4, 2, 1), rowid LIMIT ?"
)


class Search:
    """An index of all tools; rebuilt when they change."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._of: list[dict[str, Tool]] = []
        self._tools: list[Tool] = []
        self._table = sqlite3.connect(":memory:")

    def find(self, query: str, servers: Collection[Watched], limit: int) -> list[Tool]:
        """The best first. For a query without words, the first by name."""
        words = list(dict.fromkeys(_WORD.findall(_spread(query).casefold())))[:_MOST_WORDS]
        if not words:
            return self._fleet.tools(servers)[:limit]
        self._refresh()
        # Match prefixes, too, but not of very short words, which would match everything.
        asked = " OR ".join(f'"{word}"*' if len(word) > 2 else f'"{word}"' for word in words)
        here = json.dumps([one.name for one in servers if one.callable()])
        with closing(self._table.execute(_FIND, (asked, here, limit))) as rows:
            return [self._tools[row] for (row,) in rows]

    def _refresh(self) -> None:
        """Lists of tools are replaced, never changed."""
        now = [one.tools for one in self._fleet.servers.values()]
        if len(now) == len(self._of) and all(map(operator.is_, now, self._of)):
            return
        self._of = now
        self._tools = sorted(
            (tool for tools in now for tool in tools.values()), key=lambda tool: tool.full_name
        )
        self._table.execute("DROP TABLE IF EXISTS tools")
        self._table.execute(_TABLE)
        rows = [(place, tool.server, *_texts(tool)) for place, tool in enumerate(self._tools)]
        self._table.executemany(
            "INSERT INTO tools(rowid, server, names, title, arguments, description)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )


def _texts(tool: Tool) -> Sequence[str]:
    texts = (f"{tool.server} {tool.name}", tool.title or "", " ".join(tool.arguments))
    return [_spread(text) for text in (*texts, tool.description)]


def _spread(text: str) -> str:
    """`getUser` as `get User`, without what isn't valid in UTF-8."""
    return _CAMEL.sub(" ", text).encode("utf-8", "ignore").decode()
