"""Who calls, and which servers they may use, as the gateway says."""

from collections.abc import Iterable
from dataclasses import dataclass

from sophia_mcp import audit
from starlette.requests import Request

from .fleet import Fleet
from .problems import Problem
from .tools import Tool
from .watched import Watched

SERVERS_HEADER = "x-sophia-servers"


@dataclass(frozen=True)
class Caller:
    """request: its id, for logs and servers. every: may use all servers; otherwise those in
    `names`."""

    request: audit.Request
    every: bool
    names: frozenset[str]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a server about the caller."""
        named = {"X-Sophia-Caller": self.request.caller} if self.request.caller else {}
        return {"X-Request-Id": self.request.request_id, **named}

    def servers(self, fleet: Fleet) -> list[Watched]:
        """The servers that they may use, by name."""
        return [one for one in fleet.servers.values() if self.every or one.name in self.names]

    def server(self, fleet: Fleet, name: str) -> Watched:
        """The server of this name.

        Raises:
            Problem: there is none (404), or they may not use it (403, whether or not it exists).
        """
        theirs = {one.name: one for one in self.servers(fleet)}
        if name in theirs:
            return theirs[name]
        may = f"You may use: {_named(theirs)}."
        if self.every:
            raise Problem(404, "Unknown server", f"There is no server {name[:64]!r}. {may}")
        raise Problem(403, "Not allowed", f"You may not use {name[:64]!r}. {may}")

    def tool(self, fleet: Fleet, full_name: str) -> Tool | None:
        """The tool of this name among all that they may use, even if its server is unreachable."""
        for one in self.servers(fleet):
            for tool in one.tools.values():
                if tool.full_name == full_name:
                    return tool
        return None


def caller_of(request: Request) -> Caller:
    """Without X-Sophia-Servers, or with several, nothing is allowed."""
    said = request.headers.getlist(SERVERS_HEADER)
    text = said[0].strip() if len(said) == 1 else ""
    names = frozenset(name.strip() for name in text.split(","))
    return Caller(audit.request_of(request.scope), text == "*", names - {"", "*"})


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "no server"
