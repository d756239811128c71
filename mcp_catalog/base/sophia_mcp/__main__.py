"""`python -m sophia_mcp <name>`: one replica of the server in `mcp_catalog/<name>/`."""

import sys


def run() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sophia_mcp NAME, the name of a folder in mcp_catalog/")
    from .runtime import main  # it takes a second to load

    main(sys.argv[1])


run()
