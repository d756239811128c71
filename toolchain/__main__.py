"""`python -m toolchain ensure` makes a working engine; `env` prints what a shell needs for it."""

from __future__ import annotations

import argparse
import shlex
import sys

from toolchain import ToolchainError, ensure, environment


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="find an engine or build one; says which and why")
    commands.add_parser("env", help='for eval "$(python -m toolchain env)"')
    command = parser.parse_args().command
    try:
        if command == "ensure":
            ensure()
        else:
            for name, value in environment().items():
                print(f"export {name}={shlex.quote(value)}")
    except ToolchainError as failure:
        sys.exit(f"toolchain: {failure}")


if __name__ == "__main__":
    main()
