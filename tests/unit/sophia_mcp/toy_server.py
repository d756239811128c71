"""A server for tests of the runtime; `python toy_server.py` serves it."""

import asyncio
import os

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.errors import DependencyError
from sophia_mcp.policy import destroys, reads, writes
from sophia_mcp.runtime import main
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Upstream, bearer


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def refuse() -> str:
    """Fail as a tool may."""
    raise ToolError("expected a better day, got this one; try again tomorrow")


async def crash() -> str:
    """Fail as a tool may not."""
    raise KeyError(f"inner detail {6 * 7}")


async def slow(seconds: float) -> str:
    """Take time."""
    await asyncio.sleep(seconds)
    return "done"


async def flood(size: int) -> str:
    """Answer at length."""
    return "x" * size


async def change(size: int = 1, seconds: float = 0) -> str:
    """Change something."""
    await asyncio.sleep(seconds)
    return "c" * size


async def wipe() -> str:
    """Destroy something."""
    return "wiped"


async def check() -> None:
    """The dependency is an existing file."""
    file = os.environ.get("TOY_DEPENDENCY")
    if file and not os.access(file, os.F_OK):
        raise DependencyError(f"{file} is gone")


def build(settings: Settings) -> Server:
    auth = bearer(settings.credential("TOY_KEY"))
    service = Upstream("Toys", settings.url("TOY_API_URL", "http://127.0.0.1:9"), auth=auth)

    async def ask(thing: str) -> int:
        """Ask the service."""
        return await service.get(int, "things", thing)

    return Server(
        settings,
        title="Toy",
        instructions="For tests.",
        tools=[
            *(reads(tool) for tool in (add, refuse, crash, slow, flood, ask)),
            writes(change),
            destroys(wipe),
        ],
        upstreams=[service] if "TOY_API_URL" in settings.environment else [],
        check=check,
    )


if __name__ == "__main__":
    main("toy", build)
