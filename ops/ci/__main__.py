"""`python -m ops.ci preflight|preview|deploy|verify|drift|drill|destroy --stack prod`, each of
which first checks its environment (`preflight`); `last-good`; `deployments`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime

from ops import backup, inspect, jobs, nodes, orphans
from ops.ci import deployments, drift, drill, engine, github, preflight, preview, summary, verify
from ops.nodes import NotUp
from ops.processes import end_on_sigterm
from ops.progress import say
from ops.stack import Stack, StackError
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import LambdaError
from simulator.exceptions import SimulatorError
from toolchain import ToolchainError, places


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.ci", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--stack", required=True)
    for name in ("preflight", "preview", "deploy", "verify", "drift", "drill", "deployments"):
        commands.add_parser(name, parents=[one])
    commands.add_parser("destroy", parents=[one]).add_argument("--confirmed", required=True)
    commands.add_parser("last-good")
    arguments = parser.parse_args()
    try:
        end_on_sigterm()
        if arguments.command == "last-good":
            _last_good()
            return 0
        if arguments.command == "deployments":
            deployments.write(arguments.stack, places.ROOT)
            return 0
        if arguments.command == "destroy":
            _confirmed(arguments.stack, arguments.confirmed)
        stack = inspect.stack_named(arguments.stack)
        try:
            preflight.check(
                stack,
                account=arguments.command != "verify",
                registry=arguments.command not in ("verify", "destroy"),
            )
        except preflight.NotReady as failure:
            _unable(arguments.command, stack.name, str(failure))
            raise
        match arguments.command:
            case "preview":
                _preview(stack)
            case "deploy":
                _deploy(stack)
            case "verify":
                _verify(stack)
            case "drift":
                _drift(stack)
            case "drill":
                _drill(stack)
            case "destroy":
                engine.changed(stack, "destroy")
    except (StackError, SimulatorError, ToolchainError, LambdaError, NotUp) as failure:
        _report(str(failure))
        return 1
    except KeyboardInterrupt:
        say("cancelled; the next run continues from here")
        return 130
    return 0


def _report(text: str) -> None:
    """In a workflow, also adds a line for each problem to the run's page."""
    say(f"error: {text}")
    if "GITHUB_ACTIONS" in os.environ:
        for line in text.splitlines():
            say(f"::error::{line.strip()}")


def _unable(command: str, stack: str, why: str) -> None:
    """Nobody reads the runs of a schedule: a look that can't begin is an issue as well."""
    if "GITHUB_REPOSITORY" not in os.environ:
        return
    if command == "drift":
        github.of_this_run().report(drift.title(stack), drift.unable(why))
    if command == "drill":
        github.of_this_run().report(drill.title(stack), drill.report(why))


def _preview(stack: Stack) -> None:
    """Shows what an `up` would do; on a pull request, as a comment. Fails if it is refused."""
    found = _previewed(stack)
    text = summary.markdown(found, stack.name, _prices(stack))
    say(text)
    github.summary(text)
    if number := os.environ.get("PULL_REQUEST"):
        github.of_this_run().comment(number, f"preview of {stack.name}", text)
    if found.errors:
        raise StackError("the preview was refused: " + "\n".join(found.errors))


def _deploy(stack: Stack) -> None:
    engine.wanted(stack)
    engine.changed(stack, "up")
    outputs = stack.outputs()
    github.output("manager_ip", str(outputs["manager_ip"]))
    github.output("gateway_urls", json.dumps(outputs["gateway_urls"]))


def _verify(stack: Stack) -> None:
    """GATEWAY_URLS from the previous job, or else from the state."""
    verify.deployed_now(os.environ)
    outputs = stack.outputs()
    urls: list[str] = json.loads(os.environ.get("GATEWAY_URLS") or "[]") or outputs["gateway_urls"]
    if (manager := os.environ.get("MANAGER_IP")) and manager not in outputs["manager_ips"]:
        raise StackError(f"MANAGER_IP is {manager}, but the state has {outputs['manager_ips']}")
    verify.verify(outputs, urls, say)


def _drift(stack: Stack) -> None:
    """Opens, updates or closes the stack's issue; fails if it could not check."""
    outputs, failed = stack.outputs(), False
    seen: preview.Preview | str
    lost: list[orphans.Orphan] | str
    drilled = drill.left(stack)
    try:
        seen = _previewed(stack, "--refresh")
        failed = bool(seen.errors or seen.unseen)
    except StackError as failure:
        seen, failed = str(failure), True
    try:
        lost = orphans.found(stack)
    except (StackError, LambdaError) as failure:
        lost, failed = str(failure), True
    broken: list[str] = []
    try:
        if "nodes" in outputs:
            prefix = inspect.prefix_of(outputs, stack.name)
            broken = jobs.broken(nodes.asked(outputs, jobs.LOOK), prefix)
            broken += backup.untried(outputs, prefix)
    except NotUp as failure:
        broken, failed = [str(failure)], True
    text = drift.report(stack.name, seen, lost, drilled, broken, outputs, datetime.now(UTC))
    say(text or f"stack {stack.name} is as it should be")
    github.summary(text or "All is well.")
    if "GITHUB_REPOSITORY" in os.environ:
        github.of_this_run().report(drift.title(stack.name), text)
    if failed:
        raise StackError("not everything could be checked")


def _drill(stack: Stack) -> None:
    """Restores into a stack of its own; opens, updates or closes the issue. Fails if the backups
    can't be relied on."""
    outcome: drill.Outcome | str
    try:
        outcome = drill.run(stack)
    except (StackError, NotUp) as failure:
        outcome = str(failure)
    text = drill.report(outcome)
    if isinstance(outcome, drill.Outcome):
        say(drill.told(outcome))
    github.summary(text or "The backups were restored and are complete.")
    if "GITHUB_REPOSITORY" in os.environ:
        github.of_this_run().report(drill.title(stack.name), text)
    if text:
        raise StackError(outcome if isinstance(outcome, str) else text)


def _previewed(stack: Stack, *options: str) -> preview.Preview:
    done = stack.tried("preview", "--json", *options, quiet=True)
    try:
        found = preview.parsed(done.stdout)
    except ValueError:
        said = done.stderr.strip() or done.stdout.strip()
        raise StackError(f"`pulumi preview` failed: {said}") from None
    if done.returncode != 0 and not found.errors:
        raise StackError(f"`pulumi preview` failed: {done.stderr.strip()}")
    return found


def _prices(stack: Stack) -> dict[str, int]:
    offers = LambdaClient(*orphans.credentials(stack)).instance_types()
    return {offer.name: offer.price_cents_per_hour for offer in offers}


def _last_good() -> None:
    """The commit of the newest successful run of `deploy` on main."""
    commit = github.of_this_run().last_good("deploy.yml", "main")
    if not commit or commit == os.environ.get("GITHUB_SHA"):
        other = "it is this one" if commit else "there is none"
        raise StackError(f"no last good commit to go back to: {other}; look at the failed job")
    say(commit)
    github.output("commit", commit)


def _confirmed(stack: str, typed: str) -> None:
    if typed != stack:
        raise StackError(f"nothing was destroyed: got {typed!r}, expected the stack's name {stack}")


if __name__ == "__main__":
    sys.exit(main())
