"""`python -m ops up|down|purge`, and of any stack `status|logs SERVICE|audit-log|alerts|
ssh NODE|orphans`, `backup|restore AT`."""

from __future__ import annotations

import argparse
import sys

from ops import backup, inspect, members, orphans, platform, state_backup
from ops.nodes import NotUp
from ops.processes import end_on_sigterm
from ops.progress import say
from ops.stack import StackError
from providers.lambdalabs.errors import LambdaError
from simulator.exceptions import SimulatorError
from toolchain import ToolchainError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down")
    commands.add_parser("purge")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--stack", default=platform.STACK, help="(%(default)s)")
    commands.add_parser("status", parents=[one])
    logs = commands.add_parser("logs", parents=[one])
    logs.add_argument("service", nargs="?", default="")
    logs.add_argument("--search", default="")
    audited = commands.add_parser("audit-log", parents=[one])
    audited.add_argument("--caller", default="")
    for command in (logs, audited):
        command.add_argument("--since", default="")
        command.add_argument("--limit", default="")
    commands.add_parser("alerts", parents=[one])
    commands.add_parser("ssh", parents=[one]).add_argument("node")
    commands.add_parser("orphans", parents=[one])
    commands.add_parser("backup", parents=[one])
    commands.add_parser("alone", parents=[one])
    restoring = commands.add_parser("restore", parents=[one])
    restoring.add_argument("at")
    restoring.add_argument("--timeline", default="")
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
                inspect.status(arguments.stack)
            case "logs":
                wanted = (arguments.search, arguments.since, arguments.limit)
                inspect.logs(arguments.stack, arguments.service, *wanted)
            case "audit-log":
                wanted = (arguments.caller, arguments.since, arguments.limit)
                inspect.audit_log(arguments.stack, *wanted)
            case "alerts":
                inspect.alerts(arguments.stack)
            case "ssh":
                return inspect.shell(arguments.stack, arguments.node)
            case "orphans":
                orphans.show(inspect.stack_named(arguments.stack))
            case "backup":
                _backup(arguments.stack)
            case "alone":
                members.alone(*inspect.known(arguments.stack))
            case "restore":
                found = inspect.known(arguments.stack)
                backup.restore(*found, arguments.at, arguments.timeline)
    except (StackError, SimulatorError, ToolchainError, LambdaError, NotUp) as failure:
        say(f"error: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make up` continues from here, `make down` removes it")
        return 130
    return 0


def _backup(name: str) -> None:
    """Of the database, and of the state."""
    outputs, prefix = inspect.known(name)
    backup.make(outputs, prefix)
    try:
        say(f"a copy of the state is in {state_backup.make(inspect.stack_named(name), prefix)}")
    except StackError as failure:
        raise StackError(f"the backup is made, a copy of the state is not: {failure}") from None


if __name__ == "__main__":
    sys.exit(main())
