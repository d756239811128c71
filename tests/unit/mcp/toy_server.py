"""A server for tests of the runtime; `python toy_server.py` serves it."""

import asyncio
import os

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.errors import DependencyError
from sophia_mcp.runtime import main
from sophia_mcp.server import READ_ONLY, Server
from sophia_mcp.settings import Settings


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def refuse() -> str:
    """Fail as a tool may."""
    raise ToolError("expected a better day, got this one; try again tomorrow")


async def crash() -> str:
    """Fail as a tool may not."""
    raise KeyError("inner detail")


async def slow(seconds: float) -> str:
    """Take time."""
    await asyncio.sleep(seconds)
    return "done"


async def check() -> None:
    """The dependency is a file that is there."""
    file = os.environ.get("TOY_DEPENDENCY")
    if file and not os.access(file, os.F_OK):
        raise DependencyError(f"{file} is gone")


def build(settings: Settings) -> Server:
    if "TOY_NEEDS" in settings.environment:
        settings.secret(settings.environment["TOY_NEEDS"])
    tools = [(tool, READ_ONLY) for tool in (add, refuse, crash, slow)]
    return Server("toy", title="Toy", instructions="For tests.", tools=tools, check=check)


if __name__ == "__main__":
    main("toy", build)
