"""`make audit`: checks a stack that is up. Exit status 1 if any check fails, 2 on other errors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ops import backup, inspect, state_backup
from ops.audit import backups, canary, certificates, cis_containers, cis_daemon, nodes, ports, sshd
from ops.audit.findings import (
    ACCEPTED,
    Check,
    Unusable,
    failed,
    judged,
    overdue,
    read_accepted,
    table,
)
from ops.audit.sbom import NAMES
from ops.nodes import NotUp
from ops.platform import STACK
from ops.progress import say
from ops.stack import Stack, StackError
from toolchain import ToolchainError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.audit")
    parser.add_argument("--stack", default=STACK, help="(%(default)s)")
    arguments = parser.parse_args()
    try:
        entries = read_accepted(ACCEPTED.read_text(), arguments.stack)
        accepted = [one for one in entries if one.check not in NAMES]
        rows = judged(_checks(inspect.stack_named(arguments.stack)), accepted)
        rows += overdue(entries, datetime.now(UTC).date())
    except (StackError, ToolchainError, NotUp, Unusable) as failure:
        say(f"error: {failure}")
        return 2
    say(table(rows))
    return 1 if failed(rows) else 0


def _checks(stack: Stack) -> list[Check]:
    """All checks."""
    outputs, now = inspect.outputs_if_up(stack), datetime.now(UTC)
    found, silent = nodes.collected(outputs)
    planned = {name: node["role"] for name, node in outputs["nodes"].items()}
    [user] = {node["user"] for node in outputs["nodes"].values()}
    export = stack.pulumi("stack", "export", "--show-secrets", quiet=True).stdout
    file = stack.configuration_file
    files = {file.name: file.read_text()} if file.exists() else {}
    kept, of_backups = _backups(stack, outputs)
    return [
        nodes.checked(found, silent),
        *cis_daemon.checks(found, planned, user),
        *cis_containers.checks(found, now),
        sshd.settings(found),
        sshd.algorithms(outputs),
        ports.checked(outputs, found),
        canary.checked(json.loads(export), json.dumps(stack.exported()), files | kept, found),
        *of_backups,
        certificates.of_the_gateway(outputs, now),
        certificates.of_nodes(found, now),
    ]


def _backups(stack: Stack, outputs: Mapping[str, Any]) -> tuple[dict[str, str], list[Check]]:
    """The texts to search that are with the backups, and the check of these; none without any."""
    if not backup.are_own(outputs):
        return {}, []
    prefix = inspect.prefix_of(outputs, stack.name)
    with state_backup.of(stack, prefix) as there:
        return backups.texts(there, outputs, prefix), [backups.checked(backups.heads(there))]


if __name__ == "__main__":
    sys.exit(main())
