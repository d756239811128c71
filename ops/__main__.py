"""`python -m ops up|down|purge|status|logs SERVICE|ssh NODE`."""

from __future__ import annotations

import argparse
import sys

from ops import inspect, platform
from ops.processes import end_on_sigterm
from ops.progress import say
from ops.stack import StackError
from simulator.exceptions import SimulatorError
from toolchain import ToolchainError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down")
    commands.add_parser("purge")
    commands.add_parser("status")
    commands.add_parser("logs").add_argument("service")
    commands.add_parser("ssh").add_argument("node")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "up":
                end_on_sigterm()
                platform.up()
            case "down":
                end_on_sigterm()
                platform.down()
            case "purge":
                end_on_sigterm()
                platform.purge()
            case "status":
                inspect.status()
            case "logs":
                inspect.logs(arguments.service)
            case "ssh":
                inspect.shell(arguments.node)
    except (StackError, SimulatorError, ToolchainError, inspect.NotUp) as failure:
        say(f"error: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make up` continues from here, `make down` removes it")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
