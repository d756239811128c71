"""The account's SSH keys."""

from __future__ import annotations

import uuid

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simulator import exceptions
from simulator.records import SshKey
from simulator.store import Store


class Keys:
    """Public keys by name; instances keep theirs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[SshKey]:
        with self._store.lock:
            return list(self._store.state.keys)

    def named(self, name: str) -> SshKey:
        for key in self.all():
            if key.name == name:
                return key
        raise exceptions.not_found(f"SSH key {name!r} does not exist.")

    def add(self, name: str, public: str | None) -> tuple[SshKey, str | None]:
        """Register a key; without a public half, create a pair and return the private one."""
        private = None
        if public is None:
            pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = pair.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            private = pem.decode()
            openssh = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            public = openssh.decode()
        with self._store.change() as state:
            if any(key.name == name for key in state.keys):
                raise exceptions.duplicate(f"An SSH key named {name!r} already exists.")
            key = SshKey(uuid.uuid4().hex, name, public.strip())
            state.keys.append(key)
        return key, private

    def delete(self, key_id: str) -> None:
        with self._store.change() as state:
            key = next((key for key in state.keys if key.id == key_id), None)
            if key is None:
                raise exceptions.not_found("Specified SSH key does not exist.", status=400)
            if any(key.name in instance.ssh_key_names for instance in self._store.present()):
                raise exceptions.key_in_use(key.name)
            state.keys.remove(key)
