"""What a graph of nodes costs the engine and the API: `python -m bench.graph [NODES …]`.

NODES: how many, for each line; 246 at most.

Machines are only entries of the simulated cloud, with an sshd of this process at each address
(port 22 of loopback: needs root). Seconds depend on this machine; comparable are the calls and the
ratio to an empty program with the same plugins, measured right after it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.node_stack import NODES, Stack, stack_of

PROGRAM = f"""\
{NODES}
if wanted["count"]:
    ruleset = lambdalabs.FirewallRuleset("ruleset", name="nodes", region="us-east-1",
        account_key=login.id, opts=through)
for number in range(wanted["count"]):
    gossip = dict(protocol="tcp", port_range=[7946, 7946], source_network=f"192.0.2.{{number}}")
    lambdalabs.FirewallRules(f"rules-{{number}}", ruleset_id=ruleset.id, rules=[gossip],
        opts=through)
"""
"""Nodes, and a firewall that admits each of them."""

COUNTS = (5, 10, 20)
REPEATS = 3
HEAD = (
    *("nodes", "resources", "state KB", "first up s", "preview s", "calls"),
    *("no-op up s", "empty up s", "ratio"),
)


def main() -> None:
    """Prints one line for each number of nodes. Takes a few minutes."""
    print("".join(f"{name:>12}" for name in HEAD), flush=True)
    for count in map(int, sys.argv[1:] or COUNTS):
        print("".join(f"{value:>12}" for value in measured(count)), flush=True)


def measured(count: int) -> tuple[str, ...]:
    """The line for this number of nodes. Times are medians of `REPEATS`, calls a preview's
    maximum."""
    with (
        tempfile.TemporaryDirectory() as nodes_folder,
        tempfile.TemporaryDirectory() as empty_folder,
        stack_of(Path(nodes_folder), PROGRAM) as nodes,
    ):
        nodes.sshds.listen(count)
        nodes.cloud.control(
            "PUT", "/capacity", instance_type="gpu_1x_a10", region="us-east-1", count=count
        )
        nodes.wanted["count"] = count
        first = seconds(nodes, "up", "--yes", "--skip-preview")
        state = nodes("stack", "export")
        nodes.calls()
        previews, calls = [], 0
        for _ in range(REPEATS):
            previews.append(seconds(nodes, "preview", "--expect-no-changes"))
            calls = max(calls, sum(nodes.calls().values()))
        with stack_of(Path(empty_folder), PROGRAM) as empty:
            empty.wanted["count"] = 0
            empty.up()
            ups = [(unchanged(nodes), unchanged(empty)) for _ in range(REPEATS)]
    ours, least = (statistics.median(times) for times in zip(*ups, strict=True))
    preview = statistics.median(previews)
    resources = len(json.loads(state)["deployment"]["resources"])
    return (
        *(str(count), str(resources), f"{len(state) / 1024:.0f}", f"{first:.1f}"),
        *(f"{preview:.1f}", str(calls), f"{ours:.1f}", f"{least:.1f}", f"{ours / least:.2f}"),
    )


def unchanged(stack: Stack) -> float:
    return seconds(stack, "up", "--yes", "--skip-preview", "--expect-no-changes")


def seconds(stack: Stack, *arguments: str) -> float:
    began = time.monotonic()
    stack(*arguments)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
