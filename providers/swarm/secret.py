"""`Secret`: a value that Swarm keeps encrypted and gives to tasks as a file below /run/secrets."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop
from providers.swarm.content import LARGEST, Content
from providers.swarm.naming import hashed_name, name_faults
from providers.swarm.pool import Pool


@dataclass(frozen=True)
class SecretInputs:
    """New data means a new secret: services converge on it before the old one is deleted."""

    name_prefix: str = prop(replace=True, doc="The physical name is <prefix>-<10 hex digits>.")
    data: str = prop(replace=True, secret=True, doc="The content.")
    labels: dict[str, str] = prop(default_factory=dict, doc="Docker's labels.")


@dataclass(frozen=True)
class SecretOutputs:
    secret_id: str = prop(doc="Docker's id.")
    secret_name: str = prop(doc="Physical name.")


class Secret(Lifecycle[SecretInputs, SecretOutputs]):
    """A Swarm secret."""

    token = "swarm:index:Secret"
    Inputs, Outputs = SecretInputs, SecretOutputs
    timeout = 120.0

    def __init__(self, pool: Pool) -> None:
        self._content = Content(pool, "Secret")

    @staticmethod
    def check(inputs: SecretInputs) -> list[Fault]:
        faults = name_faults("namePrefix", inputs.name_prefix)
        if not 0 < len(inputs.data.encode()) <= LARGEST:
            faults.append(Fault("data", f"expected 1 to {LARGEST} bytes"))
        return faults

    async def create(self, context: Context, inputs: SecretInputs) -> Created[SecretOutputs]:
        name = await asyncio.to_thread(secret_name, inputs.name_prefix, inputs.data)
        id = await self._content.create(context, name, inputs.data, inputs.labels)
        return Created(id, SecretOutputs(id, name))

    async def read(
        self, context: Context, id: str, inputs: SecretInputs, outputs: SecretOutputs
    ) -> Found[SecretInputs, SecretOutputs] | None:
        labels = await self._content.labels(context, id, inputs.labels)
        if labels is None:
            return None
        return Found(SecretInputs(inputs.name_prefix, inputs.data, labels), outputs)

    async def update(
        self,
        context: Context,
        id: str,
        old: SecretInputs,
        outputs: SecretOutputs,
        new: SecretInputs,
    ) -> SecretOutputs:
        await self._content.relabel(context, id, new.labels)
        return outputs

    async def delete(
        self, context: Context, id: str, inputs: SecretInputs, outputs: SecretOutputs
    ) -> None:
        await self._content.delete(context, id, outputs.secret_name)


def secret_name(prefix: str, data: str) -> str:
    """Names are public: a slow hash prevents guessing a short secret from its name."""
    digest = hashlib.scrypt(data.encode(), salt=prefix.encode(), n=2**14, r=8, p=1, dklen=8)
    return hashed_name(prefix, digest.hex())
