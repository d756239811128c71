"""`InstanceReady`: the wait until a machine can be used, and the verdict that it can't."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import asyncssh

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import (
    NOT_LOOKED_AT,
    UNSEEN,
    LambdaError,
    NotFound,
    NotReached,
    NotReady,
)
from providers.lambdalabs.machine import recorded, terminate
from providers.lambdalabs.models import BROKEN, GOING, Machine
from providers.lambdalabs.ssh import Door, NoAnswer, Unreached, knock, probe_cuda
from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop

PROBE_TRIES = 6
"""Number of probes, `poll_seconds` apart: CUDA may start after sshd (fabric manager)."""

TERMINATE_SECONDS = 60.0
"""Time to terminate a failed machine, even after the deadline."""

REPEAT_SECONDS = 30.0
"""A line of progress is shown when it changes, and again after this time."""


@dataclass(frozen=True)
class InstanceReadyInputs:
    instance_id: str = prop(replace=True, doc="The machine to wait for.")
    user: str = prop(doc="Login user, `ubuntu` on Lambda Cloud's images.")
    private_key: str = prop(
        secret=True,
        doc="OpenSSH private key of that user. Former ones may stand below it, for a machine that"
        " was launched before a rotation.",
    )
    host_key: str = prop(doc="The only host key accepted, one OpenSSH public line.")
    gpu_probe: bool = prop(default=True, doc="Use every GPU once through CUDA, if it has any.")


@dataclass(frozen=True)
class InstanceReadyOutputs:
    address: str = prop(doc="Public IPv4 address.")
    private_address: str = prop(doc="Address within the region; the public one if it has none.")


class InstanceReady(Lifecycle[InstanceReadyInputs, InstanceReadyOutputs]):
    """Ready: active, reachable over SSH with the pinned host key, CUDA usable.

    A machine that is not ready in time is terminated, so that nobody pays for it and the next `up`
    launches another, with two exceptions:

    - One that the API calls active but ssh doesn't reach from here is kept: the way to it may be
      blocked. The next `up` continues to wait for the same machine.
    - One that this run did not launch is never terminated. It may be in service, if this resource
      was created again (`--replace`, a taint, `state delete`, a missing alias). `Instance`
      replaces a machine that the API calls broken.

    Deleting this resource does nothing. Reading it never reports that it is gone: `Instance` does
    that, and its next id replaces this resource.
    """

    token = "lambdalabs:index:InstanceReady"
    Inputs, Outputs = InstanceReadyInputs, InstanceReadyOutputs
    timeout = 1200.0

    def __init__(self, account: Account) -> None:
        self._account = account

    @staticmethod
    def check(inputs: InstanceReadyInputs) -> list[Fault]:
        faults = []
        try:
            asyncssh.import_public_key(inputs.host_key)
        except asyncssh.KeyImportError:
            faults.append(Fault("hostKey", "expected an OpenSSH public key line"))
        try:
            asyncssh.import_private_key(inputs.private_key)
        except asyncssh.KeyImportError:
            faults.append(Fault("privateKey", "expected an unencrypted OpenSSH private key"))
        if not inputs.user:
            faults.append(Fault("user", "got an empty string, expected a user name"))
        return faults

    async def create(
        self, context: Context, inputs: InstanceReadyInputs
    ) -> Created[InstanceReadyOutputs]:
        calls = self._account.calls(context)
        progress = _Progress(context, self._account)
        id = inputs.instance_id
        try:
            machine = await _usable(calls, inputs, progress)
        except NotReached as error:
            raise NotReached(
                f"{context.name}: {error.message}. Machine {id} is kept, and billed",
                suggestion="Check that connections from here to its port 22 are allowed, outgoing"
                " (egress rules, VPN) and incoming (the account's firewall rules), then run"
                " `pulumi up` again: it continues to wait for the same machine",
            ) from error
        except NotReady as error:
            if id in self._account.launched:
                raise await self._terminated(context, id, error) from error
            raise NotReady(
                f"{context.name}: {error.message}. Machine {id} was not terminated, since this run"
                " did not launch it: it may be in service",
                suggestion="Run `pulumi up` again: it replaces what is gone or unhealthy. For"
                " another machine, change its `generation`",
            ) from error
        await recorded(context, self._account, machine)
        if inputs.gpu_probe and machine.gpus is None:
            context.warn(
                f"{context.name}: GPUs were not probed, as the API doesn't say how many {id} has"
            )
        return Created(machine.id, _outputs(machine))

    async def read(
        self,
        context: Context,
        id: str,
        inputs: InstanceReadyInputs,
        outputs: InstanceReadyOutputs,
    ) -> Found[InstanceReadyInputs, InstanceReadyOutputs] | None:
        try:
            listed = await self._account.calls(context).machines()
        except UNSEEN as error:
            context.warn(NOT_LOOKED_AT.format(context.name, error))
            return Found(inputs, outputs)
        for machine in listed:
            if machine.id == inputs.instance_id and machine.ip:
                return Found(inputs, _outputs(machine))
        return Found(inputs, outputs)

    async def update(
        self,
        context: Context,
        id: str,
        old: InstanceReadyInputs,
        outputs: InstanceReadyOutputs,
        new: InstanceReadyInputs,
    ) -> InstanceReadyOutputs:
        # A new key reaches the machine with its next generation, which has its own wait.
        return outputs

    async def delete(
        self,
        context: Context,
        id: str,
        inputs: InstanceReadyInputs,
        outputs: InstanceReadyOutputs,
    ) -> None:
        return

    async def _terminated(self, context: Context, id: str, error: NotReady) -> NotReady:
        """Terminates the machine, although the operation's own time may be over. `Instance` checks
        whether it is gone."""
        try:
            late = dataclasses.replace(context, timeout=TERMINATE_SECONDS)
            await terminate(self._account.calls(late), id)
        except LambdaError as failure:
            return NotReady(
                f"{context.name}: {error.message}. Terminating machine {id} failed as well"
                f" ({failure})",
                suggestion="It is still billed: terminate it in Lambda Cloud",
            )
        return NotReady(
            f"{context.name}: {error.message}. Machine {id} was terminated",
            suggestion="Run `pulumi up` again to launch another one",
        )


async def _usable(calls: Calls, inputs: InstanceReadyInputs, progress: _Progress) -> Machine:
    """Polls until the machine can be used. Raises `NotReady` with the reason why it never will."""
    door = Door(inputs.user, inputs.private_key, inputs.host_key)
    probes = 0
    seen = "nothing"
    unreached = False
    while True:
        try:
            machine = await calls.machine(inputs.instance_id, calls.poll_seconds)
        except NotFound:
            raise NotReady(f"the machine is gone, last seen: {seen}") from None
        if machine.status in BROKEN | GOING:
            broken = machine.status in BROKEN and machine.reasons
            why = f" ({'; '.join(machine.reasons)})" if broken else ""
            raise NotReady(f"the machine became {machine.status}{why}, last seen: {seen}")
        try:
            fault = await calls.unless_interrupted(_fault(machine, door, inputs.gpu_probe))
            if fault is None:
                return machine
            probes, unreached = probes + 1, False
            seen = f"active, but {fault}"
            if probes == PROBE_TRIES:
                raise NotReady(f"the GPU probe failed {probes} times: {fault}")
        except NoAnswer as answer:
            where = f"address {machine.ip}" if machine.ip else "no address yet"
            seen = f"{machine.status}, {where}" + (f", ssh: {answer}" if str(answer) else "")
            unreached = isinstance(answer, Unreached)
        progress.show(seen)
        if calls.left < calls.poll_seconds:
            if unreached:
                raise NotReached(f"not reached from here in {progress.seconds:.0f} s: {seen}")
            raise NotReady(f"the machine was not ready in {progress.seconds:.0f} s: {seen}")
        await calls.sleep(calls.poll_seconds)


async def _fault(machine: Machine, door: Door, gpu_probe: bool) -> str | None:
    """CUDA's error, None if there is none. Raises `NoAnswer`, without a text while it boots."""
    if machine.status != "active" or machine.ip is None:
        raise NoAnswer
    if gpu_probe and machine.gpus:
        return await probe_cuda(machine.ip, door, machine.gpus)
    await knock(machine.ip, door)
    return None


def _outputs(machine: Machine) -> InstanceReadyOutputs:
    address = machine.ip or ""
    return InstanceReadyOutputs(address, machine.private_ip or address)


class _Progress:
    """Shows what is waited for: `booting, no address yet (31 s)`."""

    def __init__(self, context: Context, account: Account) -> None:
        self._context = context
        self._clock = account.pacer.clock
        self._started = self._clock()
        self._last = ("", float("-inf"))

    @property
    def seconds(self) -> float:
        return self._clock() - self._started

    def show(self, text: str) -> None:
        shown, when = self._last
        if text != shown or self.seconds - when >= REPEAT_SECONDS:
            self._last = (text, self.seconds)
            self._context.progress(f"{text} ({self.seconds:.0f} s)")
