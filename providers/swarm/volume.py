"""A directory on one node's disk that outlives every container, with a marker of its owner."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from providers.runtime.declare import Change, Context, Created, Fault, Found, Lifecycle, prop
from providers.swarm.errors import ForeignVolume, SwarmError
from providers.swarm.pool import Pool
from providers.swarm.volume_home import refusal

MARKER = ".volume"
"""File in the directory with the volume's id; owned by root, so its user can't change it."""

LOCK = ".lock"
"""File in the directory that is locked by what uses it."""

READY, MISSING, FOREIGN = "ready", "missing", "foreign"


@dataclass(frozen=True)
class VolumeInputs:
    name: str = prop(doc="The volume's plain name.")
    volume_id: str = prop(replace=True, doc="Its identity, from a `VolumeHome`.")
    node: str = prop(doc="Plain name of the node.")
    instance_id: str = prop(doc="The machine whose disk holds it.")
    address: str = prop(doc="Where the node's sshd is.")
    host_key: str = prop(doc='"ssh-ed25519 AAAA…"')
    path: str = prop(replace=True, doc="Absolute path on the node.")
    uid: int = prop(default=0, doc="Owner's number; the group has the same.")
    mode: str = prop(default="0700", doc="Octal digits.")
    confirm_data_loss: str = prop(default="", doc="Id of a volume that may be lost.")
    is_copy: bool = prop(
        default=False,
        doc="Whether another volume has the same: then a former one's directory is moved aside, to"
        " `<path>.<its id>`, unless something uses it.",
    )


@dataclass(frozen=True)
class VolumeOutputs:
    state: str = prop(volatile=True, doc=f"{READY}, {MISSING} or {FOREIGN}, as last seen.")


class Volume(Lifecycle[VolumeInputs, VolumeOutputs]):
    """Creates the directory over ssh and marks it. Deleting this resource keeps the directory.

    A directory with another volume's marker is never touched, except that of a former copy. One
    without a marker, empty or not, is adopted: earlier programs wrote none.
    """

    token = "swarm:index:Volume"
    Inputs, Outputs = VolumeInputs, VolumeOutputs
    timeout = 120.0

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: VolumeInputs) -> list[Fault]:
        faults = []
        if not inputs.path.startswith("/") or inputs.path.rstrip("/") == "":
            faults.append(Fault("path", f"got {inputs.path!r}, expected an absolute path"))
        if not re.fullmatch("[0-7]{4}", inputs.mode):
            faults.append(Fault("mode", f"got {inputs.mode!r}, expected four octal digits"))
        return faults

    @staticmethod
    def drifted(inputs: VolumeInputs, outputs: VolumeOutputs) -> str | None:
        if outputs.state == READY:
            return None
        return f"{inputs.path} on {inputs.node} is {_DESCRIBED[outputs.state]}"

    @staticmethod
    def refused(change: Change) -> str | None:
        old, new = change.old, change.new
        if "volume_id" in change.unknown or new.volume_id != old.volume_id:
            return None  # the home has allowed it
        if new.confirm_data_loss == old.volume_id:
            return None
        if new.path != old.path:
            why = f"it is in {old.path} and wanted in {new.path}"
        elif change.outputs.state != READY:
            why = f"{old.path} on {old.node} is {_DESCRIBED[change.outputs.state]}"
        elif "instance_id" in change.unknown or old.instance_id != new.instance_id:
            why = f"its machine {old.instance_id} ({old.node}) is gone or to be replaced"
        else:
            return None
        return refusal(new.name, old.volume_id, why)

    async def create(self, context: Context, inputs: VolumeInputs) -> Created[VolumeOutputs]:
        await self._made(inputs)
        return Created(inputs.volume_id, VolumeOutputs(READY))

    async def read(
        self, context: Context, id: str, inputs: VolumeInputs, outputs: VolumeOutputs
    ) -> Found[VolumeInputs, VolumeOutputs]:
        try:
            said = await self._run(inputs, _look(inputs.path))
        except SwarmError as error:
            context.warn(f"{context.name}: not checked, its recorded state is assumed: {error}")
            return Found(inputs, outputs)
        state = READY if said == inputs.volume_id else FOREIGN if said else MISSING
        return Found(inputs, replace(outputs, state=state))

    async def update(
        self,
        context: Context,
        id: str,
        old: VolumeInputs,
        outputs: VolumeOutputs,
        new: VolumeInputs,
    ) -> VolumeOutputs:
        await self._made(new)
        return VolumeOutputs(READY)

    async def delete(
        self, context: Context, id: str, inputs: VolumeInputs, outputs: VolumeOutputs
    ) -> None:
        """The files stay until the machine is terminated, or a person deletes them."""

    async def _run(self, inputs: VolumeInputs, script: str) -> str:
        return await self._pool.node(inputs.address, inputs.host_key).run(script)

    async def _made(self, inputs: VolumeInputs) -> None:
        said = await self._run(inputs, _make(inputs))
        if said != inputs.volume_id:
            raise ForeignVolume(
                f"{inputs.path} on {inputs.node} holds volume {said}, expected"
                f" {inputs.volume_id} or none. Check it over ssh. To use its data, as after a"
                " forced replacement of the volume's home:"
                f" `echo {inputs.volume_id} | sudo tee {inputs.path}/{MARKER}`. To start empty:"
                f" `sudo mv {inputs.path} {inputs.path}.{said}`"
            )


_DESCRIBED = {
    MISSING: "missing or has lost its marker",
    FOREIGN: "another volume's",
}


def _look(path: str) -> str:
    """A script that prints the marker's id, or nothing if there is none. Pure."""
    return f"cat {shlex.quote(f'{path}/{MARKER}')} 2>/dev/null || true"


def _make(inputs: VolumeInputs) -> str:
    """A script that creates the directory unless it exists, marks it unless it is marked, and
    prints the marker's id. Pure."""
    path, owner = shlex.quote(inputs.path), f"{inputs.uid}"
    marker, lock = (shlex.quote(f"{inputs.path}/{file}") for file in (MARKER, LOCK))
    aside = (
        f' former=$(cat {marker} 2>/dev/null || true); case "$former" in {inputs.volume_id}|"") ;;'
        f' *) if flock --nonblock {lock} true; then mv {path} {path}."$former"; fi;; esac;'
    )
    return (
        f"set -eu;{aside if inputs.is_copy else ''} if [ ! -s {marker} ]; then"
        f" install -d -m {inputs.mode} -o {owner} -g {owner} {path};"
        f" echo {shlex.quote(inputs.volume_id)} >{marker}.new; chmod 0644 {marker}.new;"
        f" sync {marker}.new; mv {marker}.new {marker}; fi; cat {marker}"
    )
