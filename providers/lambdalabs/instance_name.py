"""`InstanceName`: the name under which a machine is launched, in the state before the launch.

If the engine is killed between a launch and its record, no `Instance` in the state stands for the
machine. The next `up` adopts it by its name; but after `destroy`, or with a changed specification
and so another name, nothing would. Then the name's deletion terminates it.

A machine whose id has been in a state is kept, as with `retain_on_delete` or `pulumi state delete`:
its name in Lambda Cloud shows that (see `models.UNRECORDED`).
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.lambdalabs.account import Account
from providers.lambdalabs.machine import give_back
from providers.lambdalabs.models import GOING
from providers.runtime.declare import Context, Created, Lifecycle, prop


@dataclass(frozen=True)
class InstanceNameInputs:
    name: str = prop(
        replace=True,
        doc="Unique in the account (a nonce). Pass the output `name` on to an `Instance`.",
    )


@dataclass(frozen=True)
class InstanceNameOutputs:
    pass


class InstanceName(Lifecycle[InstanceNameInputs, InstanceNameOutputs]):
    """Claims a name; nothing exists in the account for it.

    Deletion terminates every machine that was launched under it and whose id never reached a state.
    One that an `Instance` has recorded is kept: that resource terminates it.
    """

    token = "lambdalabs:index:InstanceName"
    Inputs, Outputs = InstanceNameInputs, InstanceNameOutputs
    refresh = False

    def __init__(self, account: Account) -> None:
        self._account = account

    async def create(
        self, context: Context, inputs: InstanceNameInputs
    ) -> Created[InstanceNameOutputs]:
        return Created(inputs.name, InstanceNameOutputs())

    async def delete(
        self, context: Context, id: str, inputs: InstanceNameInputs, outputs: InstanceNameOutputs
    ) -> None:
        calls = self._account.calls(context)
        for machine in await calls.machines():
            if machine.name != inputs.name or machine.recorded:
                continue
            if machine.id in self._account.recorded:  # since it was listed
                continue
            if machine.status not in GOING:
                context.warn(f"{machine.name}: machine {machine.id} is in no state, terminating it")
                await give_back(calls, machine.id)
