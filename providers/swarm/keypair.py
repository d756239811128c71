"""An ed25519 key pair in OpenSSH's formats, made once and kept in the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.runtime.declare import Context, Created, Lifecycle, prop


@dataclass(frozen=True)
class KeyPairInputs:
    """None: a new pair comes with a new resource (`pulumi up --replace URN`)."""


@dataclass(frozen=True)
class KeyPairOutputs:
    public_key: str = prop(doc='One line, "ssh-ed25519 AAAA…", without a comment.')
    private_key: str = prop(secret=True, doc="Unencrypted OpenSSH PEM.")


class KeyPair(Lifecycle[KeyPairInputs, KeyPairOutputs]):
    """For ssh users and host keys. Needs no provider configuration."""

    token = "swarm:index:KeyPair"
    Inputs, Outputs = KeyPairInputs, KeyPairOutputs
    refresh = False

    def __init__(self, client: object = None) -> None:
        del client

    async def create(self, context: Context, inputs: KeyPairInputs) -> Created[KeyPairOutputs]:
        pair = generate()
        blob = pair.public_key.split()[1].encode()
        return Created("SHA256-" + hashlib.sha256(blob).hexdigest()[:32], pair)

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
