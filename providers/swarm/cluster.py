"""The identity of one swarm. Its members are separate resources (`member.py`).

A swarm is ours when its own label says so: `sophia.cluster = <project>/<stack>/<resource name>`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop
from providers.swarm import labels, membership, recovery
from providers.swarm.engine import CALL, Endpoint, Engine
from providers.swarm.errors import (
    ConnectionFailed,
    ForeignSwarm,
    NoManager,
    NotFound,
    NotSettled,
    OutOfSequence,
    SwarmError,
    Unanswered,
    WrongHostKey,
)
from providers.swarm.membership import Node
from providers.swarm.pool import ABSENCE, Pool

LABEL = "sophia.cluster"
PORT = 2377
REACHABLE, UNREACHABLE = "reachable", "unreachable"
_INIT = 45.0
_LEAVE = 45.0
_STOP = 60.0
"""Seconds for all services to stop when the cluster ends: the longest stop grace."""


@dataclass(frozen=True)
class Founder:
    """The node on which the swarm begins. Later it is not special: any member may be lost."""

    address: str = prop(doc="Where its sshd is.")
    host_key: str = prop(doc='"ssh-ed25519 AAAA…"')
    advertise_address: str = prop(doc="Where the other nodes reach it.")


@dataclass(frozen=True)
class ClusterInputs:
    founder: Founder = prop(doc="Node on which the Swarm begins.")
    address_pools: list[str] = prop(
        default_factory=list,
        doc="CIDRs for overlay networks, apart from the cloud's own. They can't be changed later.",
    )
    subnet_size: int = prop(default=24, doc="Prefix length of each overlay's subnet.")
    data_path_port: int = prop(default=4789, doc="UDP port of VXLAN traffic.")
    token_generation: str = prop(default="", doc="Another text rotates both join tokens.")
    recover_on: str = prop(
        default="",
        doc="Address of a manager that continues alone when the majority is lost for good.",
    )


@dataclass(frozen=True)
class ClusterOutputs:
    cluster_id: str = prop(doc="Docker's id of the Swarm.")
    manager_token: str = prop(secret=True, doc="Joins managers.")
    worker_token: str = prop(secret=True, doc="Joins workers.")
    contacts: list[Endpoint] = prop(doc="Managers that answered at the last check.")
    status: str = prop(volatile=True, doc=f"{REACHABLE} or {UNREACHABLE}")


class Cluster(Lifecycle[ClusterInputs, ClusterOutputs]):
    """Initialises a swarm only while no id is recorded; never a second one."""

    token = "swarm:index:Cluster"
    Inputs, Outputs = ClusterInputs, ClusterOutputs

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: ClusterInputs) -> list[Fault]:
        faults = []
        for index, pool in enumerate(inputs.address_pools):
            path = f"addressPools[{index}]"
            try:
                network = ipaddress.IPv4Network(pool)
            except ValueError as error:
                faults.append(Fault(path, f"got {pool!r}, expected an IPv4 network: {error}"))
                continue
            if network.prefixlen > inputs.subnet_size:
                faults.append(
                    Fault(path, f"{pool} can't hold a subnet of size /{inputs.subnet_size}")
                )
        if not 8 <= inputs.subnet_size <= 29:
            faults.append(Fault("subnetSize", f"got {inputs.subnet_size}, expected 8 to 29"))
        if not 1024 <= inputs.data_path_port <= 49151:  # Docker's own limits
            faults.append(
                Fault("dataPathPort", f"got {inputs.data_path_port}, expected 1024 to 49151")
            )
        return faults

    @staticmethod
    def drifted(inputs: ClusterInputs, outputs: ClusterOutputs) -> str | None:
        return "none of its managers answers" if outputs.status == UNREACHABLE else None

    async def create(self, context: Context, inputs: ClusterInputs) -> Created[ClusterOutputs]:
        """Adopts our own swarm if an interrupted run left one. Raises `ForeignSwarm`."""
        owner = labels.owner(context.urn, context.name)
        founder = self._pool.node(inputs.founder.address, inputs.founder.host_key)
        self._pool.learn([founder.endpoint])
        cluster = await self._ours(context, owner)
        if cluster is None:
            context.progress(f"initialising the swarm on {founder.address}")
            try:
                await founder.request(
                    "POST", "/swarm/init", body=_init_request(inputs, owner), within=_INIT
                )
            except Unanswered:
                context.progress("the answer is missing: checking whether the swarm exists")
            cluster = await self._ours(context, owner)
        if cluster is None:
            raise NotSettled(f"{founder.address} is in no swarm after `swarm init`: look at Docker")
        contacts = await self._pool.living(cluster["ID"])
        return Created(cluster["ID"], _outputs(cluster, contacts))

    async def read(
        self, context: Context, id: str, inputs: ClusterInputs, outputs: ClusterOutputs
    ) -> Found[ClusterInputs, ClusterOutputs] | None:
        """Reads through any manager. If none answers, the swarm is *not* gone: reporting that would
        create a second swarm. The status says so, and `drifted` makes the next `up` fail; `destroy`
        continues."""
        self._pool.learn(outputs.contacts)
        try:
            cluster = await self._pool.request("GET", "/swarm", cluster_id=id, context=context)
        except NoManager as error:
            if error.dissolved:
                context.warn(f"cluster {id} is gone: its managers answer and are in no swarm")
                return None
            context.warn(str(error))
            return Found(inputs, replace(outputs, status=UNREACHABLE))
        if inputs.recover_on:
            context.warn(f"recoverOn ({inputs.recover_on}) {recovery.DONE}")
        return Found(inputs, _outputs(cluster, await self._pool.living(id)))

    async def update(
        self,
        context: Context,
        id: str,
        old: ClusterInputs,
        outputs: ClusterOutputs,
        new: ClusterInputs,
    ) -> ClusterOutputs:
        """Rotates the tokens on demand, and recovers a lost majority if that is configured. Another
        founder changes nothing in an existing swarm."""
        _refuse_other_pools(context, old, new)
        self._pool.learn(outputs.contacts)
        try:
            if new.recover_on:
                await self._recover(context, id, outputs.contacts, new)
            cluster = await self._pool.request("GET", "/swarm", cluster_id=id, context=context)
            if old.token_generation != new.token_generation:
                cluster = await self._rotate(context, id)
        except NoManager as error:
            raise NoManager(
                f"{error}. If its machines are back soon, run `pulumi up` again. If most managers "
                "are gone for good and one lives, set `recover.on` to its name: it continues "
                "alone, with all services. If none lives, what ran in the cluster is lost: let "
                f"`pulumi state delete --target-dependents '{context.urn}'` remove it from the "
                "state, and the next `pulumi up` forms a new cluster"
            ) from None
        return _outputs(cluster, await self._pool.living(id))

    async def delete(
        self, context: Context, id: str, inputs: ClusterInputs, outputs: ClusterOutputs
    ) -> None:
        """Ends the swarm and everything in it, which the engine deletes with it: services stop,
        then every node leaves, the managers last. Machines that don't answer are skipped."""
        founder = Endpoint(inputs.founder.address, inputs.founder.host_key)
        self._pool.learn([*outputs.contacts, founder])
        nodes: list[Node] = []
        try:
            nodes = await self._pool.request("GET", "/nodes", cluster_id=id, context=context)
            await self._stop_services(context, id)
        except NoManager as error:
            context.warn(f"the nodes leave without the managers' help: {error}")
        self._pool.give_up(id)
        ids = {node["ID"] for node in nodes}
        managers = self._pool.managers
        workers = [place for node in nodes if (place := _place(node)) and place not in managers]

        async def leave(place: Endpoint) -> None:
            node = self._pool.node(place.address, place.host_key)
            try:
                swarm = (await node.request("GET", "/info"))["Swarm"]
                known = (swarm.get("Cluster") or {}).get("ID")
                lost = not known and place in outputs.contacts and swarm["ControlAvailable"]
                if known == id or lost or swarm["NodeID"] in ids:
                    force = {"force": "true"}
                    await node.request("POST", "/swarm/leave", params=force, within=_LEAVE)
            except SwarmError as error:
                context.warn(f"left unchanged: {error}")

        await asyncio.gather(*(leave(place) for place in workers))
        await asyncio.gather(*(leave(place) for place in managers))

    async def _stop_services(self, context: Context, id: str) -> None:
        """Waits for their stop grace, at most `_STOP`; it doesn't wait for tasks on lost nodes."""

        async def ask(method: str, path: str) -> Any:
            return await self._pool.request(method, path, cluster_id=id, context=context)

        async def remove(service: dict[str, Any]) -> None:
            with contextlib.suppress(NotFound):
                await ask("DELETE", f"/services/{service['ID']}")

        await asyncio.gather(*(remove(service) for service in await ask("GET", "/services")))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(_STOP, context.timeout)
        while True:
            tasks, nodes = await asyncio.gather(ask("GET", "/tasks"), ask("GET", "/nodes"))
            lost = {node["ID"] for node in nodes if membership.is_lost(node)}
            left = [
                task
                for task in tasks
                if task["Status"]["State"] in ("starting", "running")
                and task.get("NodeID") not in lost
            ]
            if not left:
                return
            context.progress(f"the cluster ends: {len(left)} tasks are shutting down")
            if loop.time() > deadline:
                context.warn(f"{len(left)} tasks are ended by force")
                return
            await context.sleep(0.5)

    async def _recover(
        self, context: Context, id: str, contacts: list[Endpoint], inputs: ClusterInputs
    ) -> None:
        try:
            await self._pool.request("GET", "/swarm", cluster_id=id, context=context)
        except NoManager as error:
            if error.dissolved:
                raise
            request = _init_request(inputs, labels.owner(context.urn, context.name))
            await recovery.recover(context, self._pool, id, inputs.recover_on, contacts, request)
        else:
            context.warn(
                f"nothing was recovered: the cluster has a leader. recoverOn {recovery.DONE}"
            )

    async def _ours(self, context: Context, owner: str) -> dict[str, Any] | None:
        """The swarm that carries our label, or None when no possible manager is in any swarm.

        All of them must answer: one that doesn't may be in a swarm of ours.
        """
        places = [self._pool.node(m.address, m.host_key) for m in self._pool.managers]
        infos = await asyncio.gather(*(patient_info(context, node) for node in places))
        found: dict[str, Any] | None = None
        for node, info in zip(places, infos, strict=True):
            state = info["Swarm"]["LocalNodeState"]
            if state == "inactive":
                continue
            cluster = await self._labelled(node, info, owner)
            if found is not None and cluster["ID"] != found["ID"]:
                raise ForeignSwarm(
                    f"{node.address} is in cluster {cluster['ID']}, another node in "
                    f"{found['ID']}, and both are labelled {owner}: run `docker swarm leave "
                    "--force` on the nodes of the one that is not wanted"
                )
            found = cluster
        return found

    async def _labelled(self, node: Engine, info: dict[str, Any], owner: str) -> dict[str, Any]:
        state, fault = info["Swarm"]["LocalNodeState"], info["Swarm"].get("Error")
        if info["Swarm"]["ControlAvailable"] and not fault:
            cluster: dict[str, Any] = await node.request("GET", "/swarm")
            label = cluster["Spec"].get("Labels", {}).get(LABEL)
            if label == owner:
                return cluster
            seen = f"a manager of cluster {cluster['ID']}, whose label {LABEL} is {label!r}"
        else:
            but = f" ({fault})" if fault else ""
            seen = f"in a swarm, but not a working manager: its state is {state}{but}"
        raise ForeignSwarm(
            f"{node.address} is {seen}; expected a node in no swarm, or a manager of one with "
            f"{LABEL} = {owner!r}. If nothing of value runs there, run `docker swarm leave "
            "--force` on it and `pulumi up` again"
        )

    async def _rotate(self, context: Context, id: str) -> dict[str, Any]:
        while True:
            cluster = await self._pool.request("GET", "/swarm", cluster_id=id, context=context)
            try:
                await self._pool.request(
                    "POST",
                    "/swarm/update",
                    params={
                        "version": str(cluster["Version"]["Index"]),
                        "rotateManagerToken": "true",
                        "rotateWorkerToken": "true",
                    },
                    body=cluster["Spec"],
                    cluster_id=id,
                    context=context,
                )
            except OutOfSequence:
                continue
            rotated: dict[str, Any] = await self._pool.request("GET", "/swarm", cluster_id=id)
            return rotated


async def patient_info(context: Context, node: Engine) -> dict[str, Any]:
    """`GET /info` of one node, retried for a while if it can't be reached."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ABSENCE
    while True:
        try:
            info: dict[str, Any] = await node.request("GET", "/info", within=CALL)
            return info
        except WrongHostKey:
            raise
        except (ConnectionFailed, Unanswered):
            if loop.time() > deadline:
                raise
        await context.sleep(0.5)


def _place(node: Node) -> Endpoint | None:
    """Where a member's sshd is, according to its labels."""
    carried = membership.labels_of(node)
    if membership.ADDRESS not in carried or membership.HOST_KEY not in carried:
        return None
    return Endpoint(carried[membership.ADDRESS], carried[membership.HOST_KEY])


def _init_request(inputs: ClusterInputs, owner: str) -> dict[str, Any]:
    return {
        "ListenAddr": f"0.0.0.0:{PORT}",
        "AdvertiseAddr": f"{inputs.founder.advertise_address}:{PORT}",
        "DataPathPort": inputs.data_path_port,
        "DefaultAddrPool": inputs.address_pools,
        "SubnetSize": inputs.subnet_size,
        "Spec": {"Name": "default", "Labels": {LABEL: owner}},
    }


def _outputs(cluster: dict[str, Any], contacts: list[Endpoint]) -> ClusterOutputs:
    return ClusterOutputs(
        cluster_id=cluster["ID"],
        manager_token=cluster["JoinTokens"]["Manager"],
        worker_token=cluster["JoinTokens"]["Worker"],
        contacts=contacts,
        status=REACHABLE,
    )


def _refuse_other_pools(context: Context, old: ClusterInputs, new: ClusterInputs) -> None:
    for name in ("address_pools", "subnet_size", "data_path_port"):
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            raise SwarmError(
                f"{context.name}: {name} is fixed when a swarm is initialised: it is {was}, wanted "
                f"is {wanted}. Restore {was}, or run `pulumi destroy` and `pulumi up`, "
                "which ends everything that runs in the cluster"
            )
