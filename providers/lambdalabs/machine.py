"""Reads a machine by its id, marks it as recorded, terminates it."""

from __future__ import annotations

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import LambdaError, NotFound, NotGone
from providers.lambdalabs.models import GOING, Machine
from providers.runtime.declare import Context


async def look(calls: Calls, id: str) -> Machine | None:
    """The machine, or None when it is gone or terminating."""
    try:
        machine = await calls.machine(id)
    except NotFound:
        return None
    return None if machine.status in GOING else machine


async def recorded(context: Context, account: Account, machine: Machine) -> None:
    """Marks, here and in the machine's name, that its id is in the state: deleting its
    `InstanceName` no longer terminates it."""
    account.recorded.add(machine.id)
    if machine.recorded:
        return
    calls = account.calls(context)
    try:
        await calls(account.client.rename, machine.id, machine.name)
    except LambdaError as error:
        context.warn(
            f"{machine.name}: machine {machine.id} could not be renamed; the next run tries again."
            f" Until then, `pulumi state delete` of it does not keep the machine: {error}"
        )


async def give_back(calls: Calls, id: str) -> None:
    """Terminates a machine and waits until the API agrees. Raises `NotGone` at the deadline."""
    terminated = False
    while True:
        try:
            machine = await calls.machine(id, calls.poll_seconds)
        except NotFound:
            return
        if machine.status == "terminated":
            return
        if machine.status != "terminating" and not terminated:
            await terminate(calls, id)
            terminated = True
            continue
        if calls.left < calls.poll_seconds:
            raise NotGone(
                f"machine {id} ({machine.name}) was terminated and is still {machine.status}",
                suggestion="It may still be billed: check it in Lambda Cloud, then run the command"
                " again",
            )
        await calls.sleep(calls.poll_seconds)


async def terminate(calls: Calls, id: str) -> None:
    """Asks to terminate a machine; one that is already gone is fine."""
    try:
        await calls.terminate(id)
    except LambdaError:
        # In some versions of the API, terminating twice is an error.
        if await look(calls, id) is not None:
            raise
