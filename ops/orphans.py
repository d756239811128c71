"""`make orphans`: lists machines with the platform's tags that are in no state. Terminates none.

Lambda Cloud doesn't say when a machine was launched (OpenAPI 1.8.3, schema Instance).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ops.progress import say
from ops.stack import Stack, StackError
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import GOING, Machine

LAMBDA_API_URL = "https://cloud.lambda.ai/api/v1"
INSTANCE, NAME = "lambdalabs:index:Instance", "lambdalabs:index:InstanceName"


@dataclass(frozen=True)
class Recorded:
    """What a stack's state knows: ids of its machines, and the names under which it launches."""

    ids: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True)
class Orphan:
    """A machine that is billed, why it is in no state, and the command that terminates it."""

    machine: Machine
    why: str
    command: str


def show(stack: Stack) -> None:
    """Prints those of the stack's account. Raises StackError, LambdaError."""
    states = _states(stack)
    for line in lines(_compared(stack, states)):
        say(line)
    say(f"compared with the state of {', '.join(states) or 'no stack'}")


def found(stack: Stack) -> list[Orphan]:
    """Those of the stack's account. Raises StackError, LambdaError."""
    return _compared(stack, _states(stack))


def _states(stack: Stack) -> dict[str, Recorded]:
    """What every stack of the backend knows, by the stack's name."""
    return {
        name: recorded(replace(stack, name=name, ours=stack.ours and name == stack.name).exported())
        for name in stack.siblings()
    }


def _compared(stack: Stack, states: Mapping[str, Recorded]) -> list[Orphan]:
    url, key, spare = credentials(stack)
    machines = LambdaClient(url, key, spare).machines()
    for odd in machines.left_out:
        say(f"warning: a machine of the account can't be read, {odd}")
    return list(orphans(machines, stack.project, states, url))


def credentials(stack: Stack) -> tuple[str, str, str]:
    """The API's address, key and spare key, as the program finds them: from the configuration, or
    else from the environment, whose key is sent only to the environment's own address."""
    given = stack.configuration()
    environment = stack.environment
    own = environment.get("LAMBDA_API_URL", "")
    url = given.get("lambdaApiUrl") or own or LAMBDA_API_URL
    shared = environment.get("LAMBDA_API_KEY", "") if own in ("", url) else ""
    key = given.get("lambdaApiKey") or shared
    if not key:
        raise StackError(
            f"stack {stack.name}: no API key for {url}: set LAMBDA_API_KEY,"
            f" or run `pulumi config set --secret lambdaApiKey --stack {stack.name}`"
        )
    return url.rstrip("/"), key, shared


def recorded(state: Mapping[str, Any]) -> Recorded:
    """From an exported state."""
    resources = state.get("resources") or []
    return Recorded(
        frozenset(one["id"] for one in resources if one["type"] == INSTANCE and one.get("id")),
        frozenset(one["outputs"]["name"] for one in resources if one["type"] == NAME),
    )


def orphans(
    machines: Iterable[Machine], project: str, states: Mapping[str, Recorded], url: str
) -> Iterator[Orphan]:
    """Machines of the project that are in no state. states: of all known stacks, by name. Pure."""
    known = {id for state in states.values() for id in state.ids}
    for machine in machines:
        stack = machine.tags.get("stack", "")
        if machine.tags.get("project") != project or not stack or machine.status in GOING:
            continue
        if machine.id in known:
            continue
        command = terminating(machine.id, url)
        launching = [name for name, state in states.items() if machine.name in state.names]
        if launching:
            why = f"its launch was interrupted, or its answer lost: the next run of {launching[0]}"
            why += " adopts or terminates it"
            if machine.recorded:
                why = f"it was removed from the state of {launching[0]}: its next `up` adopts it"
            command = f"pulumi up --stack {launching[0]}"
        elif stack not in states:
            why = (
                f"the backend has no stack {stack}: if its state is in another backend, look there"
                " before you terminate it"
            )
        else:
            why = f"the state of {stack} does not know it"
        yield Orphan(machine, why, command)


def terminating(id: str, url: str) -> str:
    """A shell command that terminates a machine; the key comes from the environment by a pipe."""
    header = """printf 'header = "Authorization: Bearer %s"' "$LAMBDA_API_KEY" """
    body = shlex.quote(json.dumps({"instance_ids": [id]}))
    sent = f"-X POST -H 'Content-Type: application/json' -d {body}"
    return f"{header}| curl -sS -K - {sent} {shlex.quote(url + '/instance-operations/terminate')}"


def lines(found: Iterable[Orphan]) -> Iterator[str]:
    """The list for people, with the total price."""
    count, cents = 0, 0
    for orphan in found:
        machine = orphan.machine
        count, cents = count + 1, cents + (machine.price_cents_per_hour or 0)
        yield (
            f"{machine.name or '(no name)'}  {machine.id}  {machine.instance_type}"
            f"  {machine.region}  {machine.status}  {_price(machine.price_cents_per_hour)}"
        )
        yield f"    {orphan.why}"
        yield f"    {orphan.command}"
    if count:
        yield f"{count} in no state, {_price(cents)}; the commands take the key from LAMBDA_API_KEY"
    else:
        yield "no orphans"


def _price(cents: int | None) -> str:
    if cents is None:
        return "price unknown"
    return f"${cents / 100:.2f} an hour, ${cents * 24 / 100:.2f} a day"
