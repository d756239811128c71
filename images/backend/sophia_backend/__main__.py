"""`python -m sophia_backend`: one replica."""

from sophia_mcp.runtime import run

from .app import make

run("backend", make)
