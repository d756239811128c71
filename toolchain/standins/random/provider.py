"""RandomId, RandomPassword and RandomString as the vendor's SDK pulumi-random 4.21.4 uses them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from providers.runtime.declare import Context, Created, Fault, Lifecycle, Provider, prop
from toolchain.standins.random.characters import TextInputs, faults, text

NO_BCRYPT = "unsupported: this project's stand-in for pulumi-random makes no bcrypt hashes"


@dataclass(frozen=True)
class NoConfig:
    """The provider has no configuration."""


@dataclass(frozen=True)
class IdInputs:
    byte_length: int = prop(replace=True)
    keepers: dict[str, str] | None = prop(replace=True, default=None)
    prefix: str = prop(replace=True, default="")


@dataclass(frozen=True)
class IdOutputs:
    b64_std: str = prop()
    b64_url: str = prop()
    dec: str = prop()
    hex: str = prop()


class RandomId(Lifecycle[IdInputs, IdOutputs]):
    """Random bytes in four encodings, each after the prefix."""

    token = "random:index/randomId:RandomId"
    Inputs, Outputs = IdInputs, IdOutputs
    refresh = False

    def __init__(self, client: object) -> None:
        pass

    @staticmethod
    def check(inputs: IdInputs) -> list[Fault]:
        if inputs.byte_length < 1:
            return [Fault("byteLength", f"got {inputs.byte_length}, expected at least 1")]
        return []

    async def create(self, context: Context, inputs: IdInputs) -> Created[IdOutputs]:
        made = secrets.token_bytes(inputs.byte_length)
        url = base64.urlsafe_b64encode(made).decode().rstrip("=")
        outputs = IdOutputs(
            b64_std=inputs.prefix + base64.b64encode(made).decode(),
            b64_url=inputs.prefix + url,
            dec=inputs.prefix + str(int.from_bytes(made)),
            hex=inputs.prefix + made.hex(),
        )
        return Created(url, outputs)

    async def delete(self, context: Context, id: str, inputs: IdInputs, outputs: IdOutputs) -> None:
        """Nothing exists outside the state."""


@dataclass(frozen=True)
class PasswordOutputs:
    result: str = prop(secret=True)
    bcrypt_hash: str = prop(secret=True)


class RandomPassword(Lifecycle[TextInputs, PasswordOutputs]):
    """A secret text."""

    token = "random:index/randomPassword:RandomPassword"
    Inputs, Outputs = TextInputs, PasswordOutputs
    refresh = False
    check = staticmethod(faults)

    def __init__(self, client: object) -> None:
        pass

    async def create(self, context: Context, inputs: TextInputs) -> Created[PasswordOutputs]:
        return Created("none", PasswordOutputs(text(inputs), NO_BCRYPT))

    async def delete(
        self, context: Context, id: str, inputs: TextInputs, outputs: PasswordOutputs
    ) -> None:
        """Nothing exists outside the state."""


@dataclass(frozen=True)
class StringOutputs:
    result: str = prop()


class RandomString(Lifecycle[TextInputs, StringOutputs]):
    """A text that is not secret; it is its own id."""

    token = "random:index/randomString:RandomString"
    Inputs, Outputs = TextInputs, StringOutputs
    refresh = False
    check = staticmethod(faults)

    def __init__(self, client: object) -> None:
        pass

    async def create(self, context: Context, inputs: TextInputs) -> Created[StringOutputs]:
        result = text(inputs)
        return Created(result, StringOutputs(result))

    async def delete(
        self, context: Context, id: str, inputs: TextInputs, outputs: StringOutputs
    ) -> None:
        """Nothing exists outside the state."""


class Standin(Provider):
    """The part of pulumi-random that this project uses."""

    name = "random"
    version = "4.21.4"
    Config = NoConfig
    lifecycles = (RandomId, RandomPassword, RandomString)

    def configure(self, config: NoConfig) -> object:
        return config
