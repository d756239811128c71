"""`Config`: a file that Swarm gives to tasks. Anybody with access to the API can read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop
from providers.swarm.content import LARGEST, Content
from providers.swarm.naming import hashed_name, name_faults
from providers.swarm.pool import Pool


@dataclass(frozen=True)
class ConfigInputs:
    """New data means a new config: services converge on it before the old one is deleted."""

    name_prefix: str = prop(replace=True, doc="The physical name is <prefix>-<10 hex digits>.")
    data: str = prop(replace=True, doc="The content.")
    labels: dict[str, str] = prop(default_factory=dict, doc="Docker's labels.")


@dataclass(frozen=True)
class ConfigOutputs:
    config_id: str = prop(doc="Docker's id.")
    config_name: str = prop(doc="Physical name.")


class Config(Lifecycle[ConfigInputs, ConfigOutputs]):
    """A Swarm config."""

    token = "swarm:index:Config"
    Inputs, Outputs = ConfigInputs, ConfigOutputs
    timeout = 120.0

    def __init__(self, pool: Pool) -> None:
        self._content = Content(pool, "Config")

    @staticmethod
    def check(inputs: ConfigInputs) -> list[Fault]:
        faults = name_faults("namePrefix", inputs.name_prefix)
        if not 0 < len(inputs.data.encode()) <= LARGEST:
            faults.append(Fault("data", f"expected 1 to {LARGEST} bytes"))
        return faults

    async def create(self, context: Context, inputs: ConfigInputs) -> Created[ConfigOutputs]:
        name = config_name(inputs.name_prefix, inputs.data)
        id = await self._content.create(context, name, inputs.data, inputs.labels)
        return Created(id, ConfigOutputs(id, name))

    async def read(
        self, context: Context, id: str, inputs: ConfigInputs, outputs: ConfigOutputs
    ) -> Found[ConfigInputs, ConfigOutputs] | None:
        labels = await self._content.labels(context, id, inputs.labels)
        if labels is None:
            return None
        return Found(ConfigInputs(inputs.name_prefix, inputs.data, labels), outputs)

    async def update(
        self,
        context: Context,
        id: str,
        old: ConfigInputs,
        outputs: ConfigOutputs,
        new: ConfigInputs,
    ) -> ConfigOutputs:
        await self._content.relabel(context, id, new.labels)
        return outputs

    async def delete(
        self, context: Context, id: str, inputs: ConfigInputs, outputs: ConfigOutputs
    ) -> None:
        await self._content.delete(context, id, outputs.config_name)


def config_name(prefix: str, data: str) -> str:
    """The same content has the same name."""
    return hashed_name(prefix, hashlib.sha256(data.encode()).hexdigest())
