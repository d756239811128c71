"""`python -m sophia_mcp <name>`: one replica of the server in `mcp_catalog/<name>/`."""

import sys

from .runtime import main

if len(sys.argv) != 2:
    sys.exit("usage: python -m sophia_mcp NAME, the name of a folder in mcp_catalog/")
main(sys.argv[1])
