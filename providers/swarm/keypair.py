"""An ed25519 key pair in OpenSSH's formats, created once and kept in the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.runtime.declare import Context, Created, Lifecycle, prop
from providers.runtime.private_keys import separate

_FORMER = 4
"""Number of former private keys to keep: sshd lets a client try 6 (MaxAuthTries)."""


@dataclass(frozen=True)
class KeyPairInputs:
    generation: str = prop(
        default="",
        doc="Another text creates a new pair, which keeps the former ones.",
    )


@dataclass(frozen=True)
class KeyPairOutputs:
    public_key: str = prop(volatile=True, doc='One line, "ssh-ed25519 AAAA…", without a comment.')
    private_key: str = prop(
        volatile=True,
        secret=True,
        doc="Unencrypted OpenSSH PEM, followed by those of former pairs, the newest first.",
    )


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

    async def update(
        self,
        context: Context,
        id: str,
        old: KeyPairInputs,
        outputs: KeyPairOutputs,
        new: KeyPairInputs,
    ) -> KeyPairOutputs:
        """The id of the first pair stays."""
        pair = generate()
        former = separate(outputs.private_key)[:_FORMER]
        return KeyPairOutputs(pair.public_key, "".join([pair.private_key, *former]))

    async def delete(
        self, context: Context, id: str, inputs: KeyPairInputs, outputs: KeyPairOutputs
    ) -> None:
        """Only the state holds it."""


def public_line(private_key: str) -> str:
    """The public half of an unencrypted OpenSSH PEM made by `generate`."""
    key = serialization.load_ssh_private_key(private_key.encode(), password=None)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


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
