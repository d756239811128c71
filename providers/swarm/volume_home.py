"""Where a volume lives: one node for the life of the state, chosen before any machine exists."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from providers.runtime.declare import Change, Context, Created, Fault, Lifecycle, prop

ID_BYTES = 4


@dataclass(frozen=True)
class Candidate:
    """A node that may hold the volume. machine: a text that identifies its machine."""

    name: str = prop(doc="Plain name of the node.")
    machine: str = prop(doc="What identifies its machine.")


@dataclass(frozen=True)
class VolumeHomeInputs:
    name: str = prop(replace=True, doc="The volume's plain name.")
    candidates: list[Candidate] = prop(
        doc="Nodes that may hold it. A new volume gets the first one; later their order doesn't"
        " matter."
    )
    node: str = prop(default="", doc="The node that must hold it; another node moves it.")
    confirm_data_loss: str = prop(default="", doc="Id of a volume that may be lost.")


@dataclass(frozen=True)
class VolumeHomeOutputs:
    home: str = prop(doc="The node that holds it.")
    machine: str = prop(doc="The candidate's `machine` when the home was chosen.")
    volume_id: str = prop(doc="Its identity, `<name>-<random>`: a moved volume gets a new one.")


class VolumeHome(Lifecycle[VolumeHomeInputs, VolumeHomeOutputs]):
    """Keeps a volume on its node. A change that would remove it from there is refused in the
    preview.

    Machines are created after it, so a refused change rents and terminates nothing.
    """

    token = "swarm:index:VolumeHome"
    Inputs, Outputs = VolumeHomeInputs, VolumeHomeOutputs
    refresh = False

    def __init__(self, client: object = None) -> None:
        del client

    @staticmethod
    def check(inputs: VolumeHomeInputs) -> list[Fault]:
        names = [candidate.name for candidate in inputs.candidates]
        faults = []
        if not names:
            faults.append(Fault("candidates", "got none, expected at least one node"))
        if inputs.node and inputs.node not in names:
            reason = f"got {inputs.node!r}, expected one of {', '.join(names)}"
            faults.append(Fault("node", reason))
        return faults

    @staticmethod
    def stale(inputs: VolumeHomeInputs, outputs: VolumeHomeOutputs) -> str | None:
        machines = {candidate.name: candidate.machine for candidate in inputs.candidates}
        home = outputs.home
        if home not in machines:
            return f"its node {home} is no longer among {', '.join(machines)}"
        if machines[home] != outputs.machine:
            return f"its node {home} would get another machine"
        if inputs.node not in ("", home):
            return f"it is on {home} and wanted on {inputs.node}"
        return None

    @staticmethod
    def refused(change: Change) -> str | None:
        id = change.outputs.volume_id
        if change.replaced is None or change.new.confirm_data_loss == id:
            return None
        return refusal(change.new.name, id, change.replaced)

    async def create(
        self, context: Context, inputs: VolumeHomeInputs
    ) -> Created[VolumeHomeOutputs]:
        chosen = next(
            candidate for candidate in inputs.candidates if inputs.node in ("", candidate.name)
        )
        id = f"{inputs.name}-{secrets.token_hex(ID_BYTES)}"
        return Created(id, VolumeHomeOutputs(chosen.name, chosen.machine, id))

    async def update(
        self,
        context: Context,
        id: str,
        old: VolumeHomeInputs,
        outputs: VolumeHomeOutputs,
        new: VolumeHomeInputs,
    ) -> VolumeHomeOutputs:
        return replace(outputs)

    async def delete(
        self, context: Context, id: str, inputs: VolumeHomeInputs, outputs: VolumeHomeOutputs
    ) -> None:
        """Only the state holds it."""


def refusal(name: str, id: str, why: str) -> str:
    """The refusal of a change that would lose a volume, with the ways out."""
    return (
        f"volume {name} would be lost: {why}. Nothing was changed. Undo the change, or dump the"
        f" data and run `pulumi config set confirmDataLoss {id}`: the volume then starts empty"
    )
