"""`python -m ai_memory`: one replica."""

from sophia_mcp.runtime import main

from .server import build

main("ai_memory", build)
