"""`python -m lambda_labs_cli`: one replica."""

from sophia_mcp.runtime import main

from .server import build

main("lambda_labs_cli", build)
