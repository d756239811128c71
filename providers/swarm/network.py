"""`Network`: an overlay between services. It can't be changed, only replaced."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop
from providers.swarm import labels, ownership
from providers.swarm.errors import EngineError, NoManager, NotFound, NotSettled
from providers.swarm.naming import hashed_name, name_faults
from providers.swarm.pool import Pool

_RELEASE = 60.0
"""Seconds for the last endpoints to disappear: tasks end before their network is deleted."""


@dataclass(frozen=True)
class NetworkInputs:
    """The physical name has a hash of all inputs: a new network is created, services switch to it,
    then the old one is deleted."""

    name_prefix: str = prop(replace=True, doc="The physical name is <prefix>-<10 hex digits>.")
    driver: str = prop(replace=True, default="overlay", doc="Docker's network driver.")
    encrypted: bool = prop(replace=True, default=False, doc="IPsec between nodes (ESP).")
    attachable: bool = prop(replace=True, default=False, doc="For containers outside services.")
    internal: bool = prop(
        replace=True, default=False, doc="Containers on internal networks only have no way out."
    )
    subnet: str | None = prop(replace=True, default=None, doc="CIDR; None: from the pools.")
    mtu: int | None = prop(replace=True, default=None, doc="Bytes; None: Docker's own choice.")
    labels: dict[str, str] = prop(replace=True, default_factory=dict, doc="Docker's labels.")


@dataclass(frozen=True)
class NetworkOutputs:
    network_id: str = prop(doc="Docker's id.")
    network_name: str = prop(doc="Physical name.")


class Network(Lifecycle[NetworkInputs, NetworkOutputs]):
    """An overlay network of the cluster."""

    token = "swarm:index:Network"
    Inputs, Outputs = NetworkInputs, NetworkOutputs
    timeout = 120.0

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: NetworkInputs) -> list[Fault]:
        return name_faults("namePrefix", inputs.name_prefix)

    async def create(self, context: Context, inputs: NetworkInputs) -> Created[NetworkOutputs]:
        body = render(inputs, context.urn)
        id, _ = await ownership.create(self._pool, context, "networks", body["Name"], body)
        return Created(id, NetworkOutputs(id, body["Name"]))

    async def read(
        self, context: Context, id: str, inputs: NetworkInputs, outputs: NetworkOutputs
    ) -> Found[NetworkInputs, NetworkOutputs] | None:
        try:
            await self._pool.request("GET", f"/networks/{id}", context=context)
            ownership.hold(self._pool, context, id)
        except NotFound:
            return None
        except NoManager as error:
            ownership.believe(context, error)
        return Found(inputs, outputs)

    async def delete(
        self, context: Context, id: str, inputs: NetworkInputs, outputs: NetworkOutputs
    ) -> None:
        """Waits for endpoints that are disappearing; names the services that still use it."""
        deadline = time.monotonic() + min(context.timeout, _RELEASE)
        while True:
            try:
                await self._pool.request("DELETE", f"/networks/{id}", context=context)
                return
            except NotFound:
                return
            except NoManager as error:
                ownership.forget(context, error)
                return
            except EngineError as error:
                if not _in_use(error):
                    raise
                if time.monotonic() > deadline:
                    names = await ownership.users(self._pool, context, "Network", id)
                    raise NotSettled(
                        f"network {outputs.network_name} is still in use by "
                        f"{', '.join(names) or 'tasks that are shutting down'}: {error.message}"
                    ) from None
            await context.sleep(0.5)


def render(inputs: NetworkInputs, urn: str) -> dict[str, Any]:
    """The body of POST /networks/create."""
    options: dict[str, str] = {}
    if inputs.encrypted:
        options["encrypted"] = ""
    if inputs.mtu is not None:
        options["com.docker.network.driver.mtu"] = str(inputs.mtu)
    settings: dict[str, Any] = {
        "Driver": inputs.driver,
        "Attachable": inputs.attachable,
        "Options": options,
        "Labels": inputs.labels,
        "IPAM": {"Config": [{"Subnet": inputs.subnet}]} if inputs.subnet else {},
    }
    if inputs.internal:  # only then: it must not change other networks' names
        settings["Internal"] = True
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    name = hashed_name(inputs.name_prefix, digest)
    return {
        **settings,
        "Name": name,
        "CheckDuplicate": True,
        "Labels": {**inputs.labels, labels.OWNER: labels.owner(urn, name)},
    }


def _in_use(error: EngineError) -> bool:
    return "in use" in error.message or "active endpoints" in error.message
