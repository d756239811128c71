"""An ed25519 key pair in OpenSSH's formats, made once and kept in the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.runtime.declare import Context, Created, Lifecycle, prop

_TRIED = 4
"""Former private keys that are kept: an sshd lets a client try 6 (MaxAuthTries)."""


@dataclass(frozen=True)
class KeyPairInputs:
    generation: str = prop(
        default="",
        doc="Another text makes a new pair, which keeps the former ones.",
    )


@dataclass(frozen=True)
class KeyPairOutputs:
    public_key: str = prop(volatile=True, doc='One line, "ssh-ed25519 AAAA…", without a comment.')
    private_key: str = prop(volatile=True, secret=True, doc="Unencrypted OpenSSH PEM.")
    former_public_keys: list[str] = prop(
        default_factory=list, volatile=True, doc="Of all former pairs, the newest first."
    )
    former_private_keys: list[str] = prop(
        default_factory=list, volatile=True, secret=True, doc="Of the newest former pairs."
    )


class KeyPair(Lifecycle[KeyPairInputs, KeyPairOutputs]):
    """For ssh users and host keys. Needs no provider configuration."""

    token = "swarm:index:KeyPair"
    Inputs, Outputs = KeyPairInputs, KeyPairOutputs
    refresh = False
    irreplaceable = (
        "the key that machines know: rotate it (`pulumi config set --path rotate.loginKey 2`),"
        " and take a taint back with `pulumi state untaint`"
    )

    def __init__(self, client: object = None) -> None:
        del client

    async def create(self, context: Context, inputs: KeyPairInputs) -> Created[KeyPairOutputs]:
        pair = generate()
        blob = pair.public_key.split()[1].encode()
        return Created("SHA256-" + hashlib.sha256(blob).hexdigest()[:32], pair)

    async def update(
        self,
        context: Context,
        id: str,
        old: KeyPairInputs,
        outputs: KeyPairOutputs,
        new: KeyPairInputs,
    ) -> KeyPairOutputs:
        """The id stays that of the first pair."""
        return replace(
            generate(),
            former_public_keys=[outputs.public_key, *outputs.former_public_keys],
            former_private_keys=[outputs.private_key, *outputs.former_private_keys][:_TRIED],
        )

    async def delete(
        self, context: Context, id: str, inputs: KeyPairInputs, outputs: KeyPairOutputs
    ) -> None:
        """Nothing but the state holds it."""


def generate() -> KeyPairOutputs:
    """A new pair."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return KeyPairOutputs(public.decode(), private.decode())
