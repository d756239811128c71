"""`Instance`: one rented machine. Its id is in the state before anything is waited for."""

from __future__ import annotations

import secrets

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import (
    NOT_LOOKED_AT,
    OUTCOME_UNKNOWN,
    UNSEEN,
    InsufficientCapacity,
    LambdaError,
    NoMachine,
    NotFound,
    OtherAccount,
)
from providers.lambdalabs.instance_spec import (
    LAUNCH,
    MARK,
    InstanceInputs,
    InstanceOutputs,
    candidates,
    faults,
    is_listed,
    is_ours,
    mark,
)
from providers.lambdalabs.machine import give_back, look, recorded, terminate
from providers.lambdalabs.models import BROKEN, COMING, GOING, Launch, Machine
from providers.runtime.declare import Change, Context, Created, Fault, Found, Lifecycle

STACK_TAGS = ("project", "stack")
"""Tags that all machines of a stack share."""

LAUNCH_TRIES = 3
"""How often a candidate is launched if the answer is lost and no machine appears."""

SEARCH_LOOKS = 4
"""How often the machines are listed in `Account.search_seconds`."""


class Instance(Lifecycle[InstanceInputs, InstanceOutputs]):
    """Launches a machine and returns at once; see `InstanceReady` for the wait."""

    token = "lambdalabs:index:Instance"
    Inputs, Outputs = InstanceInputs, InstanceOutputs

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = account.client

    @staticmethod
    def check(inputs: InstanceInputs) -> list[Fault]:
        return list(faults(inputs))

    @staticmethod
    def stale(inputs: InstanceInputs, outputs: InstanceOutputs) -> str | None:
        """The lists are only preferences for a launch; the machine is what was chosen."""
        if outputs.status in BROKEN:
            return f"the machine is {outputs.status}"
        for what, live, listed in (
            ("type", outputs.instance_type, inputs.instance_types),
            ("region", outputs.region, inputs.regions),
        ):
            if live and live not in listed:
                return f"its {what} {live} is no longer listed ({', '.join(listed)})"
        return None

    @staticmethod
    def refused(change: Change) -> str | None:
        held = {*change.old.volumes, *change.new.volumes} - {change.new.confirm_data_loss}
        if change.replaced is None or not held:
            return None
        ways = (
            "undo the change, or dump the data and run"
            f" `pulumi config set confirmDataLoss {min(held)}`: the volume then starts empty"
        )
        if change.outputs.status in BROKEN:
            ways = f"restart it in Lambda Cloud, or {ways}"
        return (
            f"{change.old.name} holds the volume {', '.join(sorted(held))} and would be replaced"
            f" ({change.replaced}). Nothing was changed; {ways}"
        )

    @staticmethod
    def notice(old: InstanceInputs, new: InstanceInputs) -> str | None:
        # Keys of running machines are changed over ssh.
        if (old.user_data, old.tags, old.firewall_rulesets) == (
            new.user_data, new.tags, new.firewall_rulesets
        ):  # fmt: skip
            return None
        return (
            f"{new.name}: the running machine keeps its user data, tags and firewall rulesets;"
            " the new ones are used for its next generation (change `generation` to get it now)"
        )

    async def create(self, context: Context, inputs: InstanceInputs) -> Created[InstanceOutputs]:
        calls = self._account.calls(context)
        usable = []
        for machine in await calls.machines():
            if not is_ours(machine, context.urn, inputs) or not is_listed(machine, inputs):
                continue
            if self._account.launched.get(machine.id, context.urn) != context.urn:
                continue  # of another resource that was given the same name
            if machine.status in BROKEN or machine.id in self._account.condemned:
                context.warn(
                    f"{inputs.name}: machine {machine.id} ({machine.status}) failed, terminating it"
                )
                await give_back(calls, machine.id)
            else:
                usable.append(machine)
        if adopted := await self._adopted(context, calls, usable):
            return adopted
        return await self._launched(context, calls, inputs)

    async def read(
        self, context: Context, id: str, inputs: InstanceInputs, outputs: InstanceOutputs
    ) -> Found[InstanceInputs, InstanceOutputs] | None:
        calls = self._account.calls(context)
        try:
            machine = await self._seen(calls, id, inputs)
            if machine is not None:
                await recorded(context, self._account, machine)
                await self._end_surplus(context, calls, machine, inputs)
        except UNSEEN as error:
            context.warn(NOT_LOOKED_AT.format(context.name, error))
            return Found(inputs, outputs)
        if machine is None:
            return None
        if machine.status in BROKEN:
            self._account.condemned.add(id)
        return Found(inputs, _outputs(machine))

    async def update(
        self,
        context: Context,
        id: str,
        old: InstanceInputs,
        outputs: InstanceOutputs,
        new: InstanceInputs,
    ) -> InstanceOutputs:
        # The API can't change a running machine; replacing it is the user's decision, see `notice`.
        return outputs

    async def delete(
        self, context: Context, id: str, inputs: InstanceInputs, outputs: InstanceOutputs
    ) -> None:
        calls = self._account.calls(context)
        if await self._seen(calls, id, inputs):
            await give_back(calls, id)

    async def _seen(self, calls: Calls, id: str, inputs: InstanceInputs) -> Machine | None:
        """The machine, or None when it is certainly gone: from its account, which may be the spare
        key's. Raises `OtherAccount`."""
        stack = {key: inputs.tags[key] for key in STACK_TAGS if key in inputs.tags}
        for another_try in (self._account.use_spare_key, lambda: False):
            if machine := await look(calls, id):
                return machine
            if await self._account.owns(calls, inputs.account_key, stack):
                return None
            if not another_try():
                break
        raise OtherAccount(
            f"{inputs.name}: the account of this API key has neither machine {id} nor the stack's"
            " SSH key nor any other machine of the stack",
            suggestion="Set LAMBDA_API_KEY to a key of the account that has the machines. If they"
            " are gone for good, and the SSH key too, forget them with `pulumi state delete`",
        )

    async def _end_surplus(
        self, context: Context, calls: Calls, machine: Machine, inputs: InstanceInputs
    ) -> None:
        """Terminates a second machine of the recorded machine's launch: an answer was lost, and the
        machine was listed only after the search for it had ended.

        In a preview, too, since it is in no state and costs money. Name and mark don't prove that:
        a machine that is being replaced because its region is no longer listed has the same. Such a
        machine is only reported.
        """
        for other in await calls.machines():
            if other.id == machine.id or other.status in GOING:
                continue
            theirs, ours = (one.tags.get(MARK) for one in (other, machine))
            if other.name != inputs.name or theirs is None or theirs != ours:
                continue
            what = f"{inputs.name}: machine {other.id} ({other.status}{_price(other)})"
            if not other.tags.get(LAUNCH) or other.tags[LAUNCH] != machine.tags.get(LAUNCH):
                context.warn(
                    f"{what} has the name of machine {machine.id}, too. If it is not about to be"
                    " replaced, nobody needs it: terminate it in Lambda Cloud"
                )
                continue
            context.warn(
                f"{what} is a second machine of {machine.id}'s launch, in no state: terminating it"
            )
            try:
                await terminate(calls, other.id)
            except LambdaError as error:
                context.warn(f"{what} was not terminated, and is still billed: {error}")

    async def _launched(
        self, context: Context, calls: Calls, inputs: InstanceInputs
    ) -> Created[InstanceOutputs]:
        """Tries the candidates in order."""
        tags = inputs.tags | {MARK: mark(inputs), LAUNCH: secrets.token_hex(8)}
        tried = []
        without_image: dict[str, str] = {}
        for kind, region, refusal in candidates(inputs, await calls.offers()):
            refusal = refusal or without_image.get(region)
            if refusal is None:
                wanted = Launch(
                    inputs.name,
                    kind,
                    region,
                    inputs.ssh_key_name,
                    inputs.image_family,
                    inputs.user_data,
                    tags,
                    inputs.firewall_rulesets.get(region, ()),
                )
                try:
                    return await self._launch(context, calls, wanted, inputs)
                except NotFound as error:
                    # An image family may be missing in a region; everything else is in all of them.
                    if not inputs.image_family or len(inputs.regions) == 1:
                        raise
                    refusal = without_image[region] = error.message
                    context.progress(f"{kind} in {region}: {refusal}")
                except InsufficientCapacity as error:
                    refusal = error.message
                    context.progress(f"{kind} in {region}: {refusal}")
            tried.append(f"{kind} in {region}: {refusal}")
        raise NoMachine(
            f"{inputs.name}: no machine available; tried " + "; ".join(tried),
            suggestion="Run the command again later, or list more types or regions",
        )

    async def _launch(
        self, context: Context, calls: Calls, wanted: Launch, inputs: InstanceInputs
    ) -> Created[InstanceOutputs]:
        """Launches one machine, never two: a lost answer is followed by a search for it."""
        for attempt in range(1, LAUNCH_TRIES + 1):
            try:
                id = await calls.launch(self._client.launch, wanted)
            except OUTCOME_UNKNOWN as error:
                context.progress(f"{error}: checking whether {wanted.name} was launched")
                found = await self._search(context, calls, inputs)
                if found:
                    return found
                if attempt == LAUNCH_TRIES:
                    raise
            else:
                self._account.launched[id] = context.urn
                return Created(id, InstanceOutputs("booting", wanted.instance_type, wanted.region))
        raise AssertionError("unreachable")

    async def _search(
        self, context: Context, calls: Calls, inputs: InstanceInputs
    ) -> Created[InstanceOutputs] | None:
        """Lists repeatedly, since a launched machine may appear late."""
        for _ in range(SEARCH_LOOKS):
            await calls.sleep(self._account.search_seconds / SEARCH_LOOKS)
            ours = [m for m in await calls.machines() if is_ours(m, context.urn, inputs)]
            if adopted := await self._adopted(context, calls, ours):
                self._account.launched[adopted.id] = context.urn
                return adopted
        return None

    async def _adopted(
        self, context: Context, calls: Calls, machines: list[Machine]
    ) -> Created[InstanceOutputs] | None:
        """The best machine that an earlier try launched; any others are terminated."""
        usable = sorted((m for m in machines if m.status in COMING), key=lambda m: m.status)
        if not usable:
            return None
        best, *surplus = usable
        context.progress(f"adopted machine {best.id} ({best.status}), launched by an earlier try")
        for machine in surplus:
            context.warn(f"{best.name}: machine {machine.id} is surplus, terminating it")
            await give_back(calls, machine.id)
        return Created(best.id, _outputs(best))


def _price(machine: Machine) -> str:
    cents = machine.price_cents_per_hour
    return "" if cents is None else f", {cents / 100:.2f} USD an hour"


def _outputs(machine: Machine) -> InstanceOutputs:
    return InstanceOutputs(machine.status, machine.instance_type, machine.region)
