"""One node's membership in the swarm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

from providers.runtime.declare import (
    Cancelled,
    Context,
    Created,
    Fault,
    Found,
    Incomplete,
    Lifecycle,
    prop,
)
from providers.swarm import departure, membership
from providers.swarm.entry import SETTLE, Entry, Wanted
from providers.swarm.errors import NoManager, NotFound, NotSettled, SwarmError
from providers.swarm.joining import Joiner, join
from providers.swarm.pool import Pool

ROLES = ("manager", "worker")
AVAILABILITIES = ("active", "pause", "drain")
UNREACHABLE = "unreachable"
_RETURN = 20.0
"""Seconds for a node that is down to come back: it may be booting."""


@dataclass(frozen=True)
class MemberInputs:
    node_name: str = prop(doc=f"Label {membership.NODE} of the node.")
    address: str = prop(replace=True, doc="Where its sshd is.")
    host_key: str = prop(replace=True, doc='"ssh-ed25519 AAAA…"')
    advertise_address: str = prop(replace=True, doc="Where the other nodes reach it.")
    instance_id: str = prop(replace=True, doc="The machine: another machine is another member.")
    cluster_id: str = prop(replace=True, doc="Of the `Cluster` to join.")
    manager_token: str = prop(secret=True, doc="Of the `Cluster`.")
    worker_token: str = prop(secret=True, doc="Of the `Cluster`.")
    role: str = prop(default="worker", doc="manager or worker")
    labels: dict[str, str] = prop(default_factory=dict, doc="Node labels, for placement.")
    availability: str = prop(
        default="active",
        doc="active, pause or drain. With `active`, a node that a person drains or pauses stays so"
        " until a person activates it.",
    )


@dataclass(frozen=True)
class MemberOutputs:
    node_id: str = prop(doc="Docker's id of the node.")
    state: str = prop(volatile=True, doc=f"ready, down, unknown, … or {UNREACHABLE} (the swarm is)")


class Member(Lifecycle[MemberInputs, MemberOutputs]):
    """Joins, changes and leaves through any living manager.

    Managers should form a chain, and workers follow the last one: they join a few at a time. Within
    a provider, one node at a time leaves or changes its role, so that tasks can move to the others.
    A replacing member may be created before or after the replaced one is deleted.
    """

    token = "swarm:index:Member"
    Inputs, Outputs = MemberInputs, MemberOutputs

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: MemberInputs) -> list[Fault]:
        faults = []
        if inputs.role not in ROLES:
            faults.append(Fault("role", f"got {inputs.role!r}, expected one of {ROLES}"))
        if inputs.availability not in AVAILABILITIES:
            reason = f"got {inputs.availability!r}, expected one of {AVAILABILITIES}"
            faults.append(Fault("availability", reason))
        for key in sorted(membership.RESERVED & set(inputs.labels)):
            faults.append(Fault(f"labels.{key}", "is set by the member itself: leave it out"))
        return faults

    @staticmethod
    def drifted(inputs: MemberInputs, outputs: MemberOutputs) -> str | None:
        return f"node {inputs.node_name} is down" if outputs.state == "down" else None

    async def create(self, context: Context, inputs: MemberInputs) -> Created[MemberOutputs]:
        node = self._pool.node(inputs.address, inputs.host_key)
        is_role_manager = inputs.role == "manager"
        joiner = Joiner(
            node_name=inputs.node_name,
            addresses=frozenset({inputs.address, inputs.advertise_address}),
            advertise_address=inputs.advertise_address,
            token=inputs.manager_token if is_role_manager else inputs.worker_token,
            availability=inputs.availability,
        )
        async with nullcontext() if is_role_manager else _turn(context, self._pool.joins):
            id = await join(context, self._pool, node, inputs.cluster_id, joiner)
        entry = Entry(self._pool, inputs.cluster_id, id, inputs.node_name)
        try:
            state = await entry.settle(context, _wanted(inputs))
        except SwarmError as error:
            raise Incomplete(id, MemberOutputs(id, "unknown"), [str(error)]) from None
        return Created(id, MemberOutputs(id, state))

    async def read(
        self, context: Context, id: str, inputs: MemberInputs, outputs: MemberOutputs
    ) -> Found[MemberInputs, MemberOutputs] | None:
        try:
            node = await Entry(self._pool, inputs.cluster_id, id, inputs.node_name).read(context)
        except NotFound:
            return None
        except NoManager as error:
            if error.dissolved:
                return None
            context.warn(str(error))
            return Found(inputs, replace(outputs, state=UNREACHABLE))
        labels = membership.labels_of(node)
        availability = node["Spec"]["Availability"]
        if inputs.availability == "active" != availability and membership.DRAINED not in labels:
            context.warn(
                f"node {inputs.node_name} is set to {availability} by hand, and stays so: nothing"
                f" new starts there. `docker node update --availability active {id}` on a manager"
                " ends that"
            )
            availability = "active"
        live = replace(
            inputs,
            node_name=labels.get(membership.NODE, ""),
            role=node["Spec"]["Role"],
            availability=availability,
            # Labels that others set are not ours.
            labels={key: labels[key] for key in inputs.labels if key in labels},
        )
        return Found(live, replace(outputs, state=node["Status"]["State"]))

    async def update(
        self,
        context: Context,
        id: str,
        old: MemberInputs,
        outputs: MemberOutputs,
        new: MemberInputs,
    ) -> MemberOutputs:
        """A node that is down fails only a change of its role. Otherwise other nodes join and
        services are deployed without it."""
        entry = Entry(self._pool, new.cluster_id, id, new.node_name)
        was_down = outputs.state == "down" and old.role == new.role
        try:
            async with nullcontext() if old.role == new.role else _turn(context, self._pool.turn):
                within = _RETURN if was_down else SETTLE
                state = await entry.settle(context, _wanted(new, old), within)
        except NotSettled as error:
            if not was_down:
                raise
            context.warn(f"continuing without node {new.node_name}: {error}")
            return outputs
        return replace(outputs, state=state)

    async def delete(
        self, context: Context, id: str, inputs: MemberInputs, outputs: MemberOutputs
    ) -> None:
        """The last manager ends the swarm. This doesn't need the node itself to be alive."""
        async with _turn(context, self._pool.turn):
            await departure.depart(
                context,
                Entry(self._pool, inputs.cluster_id, id, inputs.node_name),
                self._pool.node(inputs.address, inputs.host_key),
                inputs.instance_id,
            )


@asynccontextmanager
async def _turn(context: Context, turn: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
    """Waits for it, and holds it. Raises `Cancelled` if the user has interrupted meanwhile."""
    if turn.locked():
        context.progress("waits for other nodes")
    async with turn:
        if context.cancelled.is_set():
            raise Cancelled(f"{context.name}: interrupted")
        yield


def _wanted(inputs: MemberInputs, old: MemberInputs | None = None) -> Wanted:
    own = {
        membership.NODE: inputs.node_name,
        membership.INSTANCE: inputs.instance_id,
        membership.ADDRESS: inputs.address,
        membership.HOST_KEY: inputs.host_key,
    }
    old = old or inputs
    # It joined as active; if a person has changed that, leave it.
    left_alone = old.availability == inputs.availability == "active"
    return Wanted(
        role=inputs.role,
        availability="" if left_alone else inputs.availability,
        labels=inputs.labels | own,
        dropped_labels=frozenset(old.labels) - frozenset(inputs.labels),
    )
