"""`Schedule`: runs a job at set times, by a systemd timer on every manager."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from providers.runtime.declare import Context, Created, Fault, Found, Incomplete, Lifecycle, prop
from providers.swarm import calendar
from providers.swarm.errors import ConnectionFailed, SwarmError, Unanswered
from providers.swarm.naming import name_faults
from providers.swarm.pool import Pool
from providers.swarm.timer import Timer


@dataclass(frozen=True)
class Manager:
    node: str = prop(doc="The node's name, for messages.")
    instance_id: str = prop(doc="The machine: another one has no timer yet.")
    address: str = prop(doc="Where its sshd is.")
    host_key: str = prop(doc='"ssh-ed25519 AAAA…"')


@dataclass(frozen=True)
class ScheduleInputs:
    job: str = prop(replace=True, doc="Name of the `Job`.")
    calendar: str = prop(doc="systemd's calendar expression, in UTC: `*-*-* 03:00`.")
    managers: list[Manager] = prop(doc="All managers of the Swarm. Any living one starts the job.")


@dataclass(frozen=True)
class ScheduleOutputs:
    written: str = prop(default="", volatile=True, doc="Identifies a version of the timer's files.")
    differs: list[str] = prop(
        default_factory=list,
        volatile=True,
        doc="Nodes that were unreachable when their timer was written, or where `pulumi refresh`"
        " found it changed.",
    )


class Schedule(Lifecycle[ScheduleInputs, ScheduleOutputs]):
    """The managers' timers, see `timer`. An unreachable manager is reported, and gets its timer
    from the next `up`; at least one must be reachable."""

    token = "swarm:index:Schedule"
    Inputs, Outputs = ScheduleInputs, ScheduleOutputs
    # Not read before each run, which would need a login to each manager for what hardly ever
    # # changes: `pulumi refresh` finds changes.
    refresh = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: ScheduleInputs) -> list[Fault]:
        faults = name_faults("job", inputs.job, hashed=False)
        if wrong := calendar.fault(inputs.calendar):
            faults.append(Fault("calendar", wrong))
        if not inputs.managers:
            faults.append(Fault("managers", "got none, expected all managers of the Swarm"))
        return faults

    @staticmethod
    def drifted(inputs: ScheduleInputs, outputs: ScheduleOutputs) -> str | None:
        if outputs.differs:
            return f"the timer of {inputs.job} is not as wanted on {', '.join(outputs.differs)}"
        if outputs.written != _timer(inputs).fingerprint:
            return f"the timer of {inputs.job} differs in this version of the program"
        return None

    async def create(self, context: Context, inputs: ScheduleInputs) -> Created[ScheduleOutputs]:
        """Raises `Incomplete` if a manager refuses: others may have it by then."""
        try:
            return Created(inputs.job, await self._write(context, inputs))
        except SwarmError as error:
            nowhere = ScheduleOutputs("", [manager.node for manager in inputs.managers])
            raise Incomplete(inputs.job, nowhere, [str(error)]) from None

    async def read(
        self, context: Context, id: str, inputs: ScheduleInputs, outputs: ScheduleOutputs
    ) -> Found[ScheduleInputs, ScheduleOutputs]:
        """A timer that can't be checked counts as unchanged."""
        said = await self._run(inputs.managers, _timer(inputs).differing())
        for node, failure in _failed(said).items():
            context.warn(
                f"{context.name} on {node}: not checked, its recorded state is assumed: {failure}"
            )
        differs = [
            node
            for node, answer in said.items()
            if (node in outputs.differs if isinstance(answer, SwarmError) else answer)
        ]
        return Found(inputs, replace(outputs, differs=differs))

    async def update(
        self,
        context: Context,
        id: str,
        old: ScheduleInputs,
        outputs: ScheduleOutputs,
        new: ScheduleInputs,
    ) -> ScheduleOutputs:
        kept = {manager.address for manager in new.managers}
        former = [manager for manager in old.managers if manager.address not in kept]
        await self._remove(context, old, former)
        return await self._write(context, new)

    async def delete(
        self, context: Context, id: str, inputs: ScheduleInputs, outputs: ScheduleOutputs
    ) -> None:
        left = await self._remove(context, inputs, inputs.managers)
        if len(left) == len(inputs.managers):
            raise SwarmError(
                f"{context.name} is not deleted: no manager answers. Run it again when one does. If"
                f" they are gone for good: `pulumi state delete '{context.urn}'`"
            )

    async def _write(self, context: Context, inputs: ScheduleInputs) -> ScheduleOutputs:
        """Raises `SwarmError` if a manager refuses, or none is reachable."""
        failed = _failed(await self._run(inputs.managers, _timer(inputs).write()))
        if len(failed) == len(inputs.managers) or not all(map(_is_away, failed.values())):
            told = "; ".join(f"on {node}: {failure}" for node, failure in failed.items())
            raise SwarmError(f"the timer of {inputs.job} is not written {told}")
        for node, failure in failed.items():
            context.warn(
                f"{node} is unreachable, and gets the timer of {inputs.job} from the next"
                f" `pulumi up`; the other managers run it: {failure}"
            )
        return ScheduleOutputs(_timer(inputs).fingerprint, list(failed))

    async def _remove(
        self, context: Context, inputs: ScheduleInputs, managers: Sequence[Manager]
    ) -> list[str]:
        """The names of unreachable managers. Raises `SwarmError` if one refuses."""
        timer = _timer(inputs)
        failed = _failed(await self._run(managers, timer.remove()))
        for node, failure in failed.items():
            if not _is_away(failure):
                raise failure
            context.warn(
                f"{node} is unreachable, and keeps the timer of {inputs.job}. If it comes back:"
                f" `sudo systemctl disable --now {timer.unit}` there. {failure}"
            )
        return list(failed)

    async def _run(self, managers: Sequence[Manager], script: str) -> dict[str, str | SwarmError]:
        """Its output on each, or why there is none, by the nodes' names."""

        async def on(manager: Manager) -> str | SwarmError:
            node = self._pool.node(manager.address, manager.host_key)
            try:
                try:
                    return await node.run(script)
                except Unanswered:  # setting up a node ends connections; the script may run twice
                    return await node.run(script)
            except SwarmError as error:
                return error

        said = await asyncio.gather(*map(on, managers))
        return dict(zip((manager.node for manager in managers), said, strict=True))


def _timer(inputs: ScheduleInputs) -> Timer:
    return Timer(inputs.job, inputs.calendar)


def _failed(said: dict[str, str | SwarmError]) -> dict[str, SwarmError]:
    return {node: answer for node, answer in said.items() if isinstance(answer, SwarmError)}


def _is_away(failure: SwarmError) -> bool:
    return isinstance(failure, (ConnectionFailed, Unanswered))
