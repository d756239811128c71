"""`python -m toolchain ensure` provides a working engine; `env` prints a shell's variables for it;
`actionlint` checks workflow files, by default those of this checkout."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

from toolchain import ToolchainError, build, ensure, environment, places


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="find an engine or build one; says which and why")
    commands.add_parser("env", help='for eval "$(python -m toolchain env)"')
    commands.add_parser("actionlint", help="check workflow files").add_argument("files", nargs="*")
    arguments = parser.parse_args()
    command = arguments.command
    try:
        if command == "actionlint":
            # It would also run other tools if they are installed, which differs between machines.
            alone = ("-shellcheck=", "-pyflakes=")
            checker = build.actionlint(lambda line: print(f"toolchain: {line}", file=sys.stderr))
            sys.exit(
                subprocess.run([checker, *alone, *arguments.files], cwd=places.ROOT).returncode
            )
        if command == "ensure":
            ensure()
        else:
            for name, value in environment().items():
                print(f"export {name}={shlex.quote(value)}")
    except ToolchainError as failure:
        sys.exit(f"toolchain: {failure}")


if __name__ == "__main__":
    main()
