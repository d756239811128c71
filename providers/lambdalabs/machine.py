"""A machine by its id: looked at, noted as recorded, ended."""

from __future__ import annotations

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import LambdaError, NotFound, NotGone
from providers.lambdalabs.models import GOING, Machine
from providers.runtime.declare import Context


async def look(calls: Calls, id: str) -> Machine | None:
    """The machine, or None when it is gone or going."""
    try:
        machine = await calls.machine(id)
    except NotFound:
        return None
    return None if machine.status in GOING else machine


async def recorded(context: Context, account: Account, machine: Machine) -> None:
    """Notes, here and in the machine's name, that its id is in the state: the end of its
    `InstanceName` ends it no more."""
    account.recorded.add(machine.id)
    if machine.recorded:
        return
    calls = account.calls(context)
    try:
        await calls(account.client.rename, machine.id, machine.name)
    except LambdaError as error:
        context.warn(
            f"{machine.name}: machine {machine.id} could not be renamed, which the next run tries"
            f" again. Until then it does not outlive a `pulumi state delete`: {error}"
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
                suggestion="It may still be billed: look at it in Lambda Cloud, then run the"
                " command again",
            )
        await calls.sleep(calls.poll_seconds)


async def terminate(calls: Calls, id: str) -> None:
    """Asks for a machine's end, and is content when it has come already."""
    try:
        await calls.terminate(id)
    except LambdaError:
        # Terminating twice is an error in some versions of the API.
        if await look(calls, id) is not None:
            raise
