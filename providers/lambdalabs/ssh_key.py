"""`SshKey`: a public key that the account's machines can be launched with."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from providers.lambdalabs.account import Account, Calls
from providers.lambdalabs.errors import (
    NOT_LOOKED_AT,
    OUTCOME_UNKNOWN,
    UNSEEN,
    Duplicate,
    KeyConflict,
    KeyInUse,
    LambdaError,
    NotFound,
)
from providers.lambdalabs.models import Key
from providers.runtime.declare import Context, Created, Fault, Found, Lifecycle, prop

IN_USE_SECONDS = 120.0
"""How long a deletion waits for machines that are going away to let go of the key."""


@dataclass(frozen=True)
class SshKeyInputs:
    name: str = prop(replace=True, doc="Name in the account, at most 64 characters.")
    public_key: str = prop(replace=True, doc="One OpenSSH line, for example `ssh-ed25519 AAAA…`.")


@dataclass(frozen=True)
class SshKeyOutputs:
    fingerprint: str = prop(doc="SHA256 fingerprint, as `ssh-keygen -l` shows it.")


class SshKey(Lifecycle[SshKeyInputs, SshKeyOutputs]):
    """Registers a public key; adopts one of the same name that is the same key."""

    token = "lambdalabs:index:SshKey"
    Inputs, Outputs = SshKeyInputs, SshKeyOutputs
    # Names are unique in an account: a new key can't have the name before the old one is gone.
    delete_before_replace = True
    # One call of each run for what hardly ever changes: `pulumi refresh` finds a key that is gone.
    refresh = False

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = account.client

    @staticmethod
    def check(inputs: SshKeyInputs) -> list[Fault]:
        faults = []
        if not 1 <= len(inputs.name) <= 64:
            faults.append(Fault("name", f"{len(inputs.name)} characters, expected 1 to 64"))
        if material(inputs.public_key) is None:
            faults.append(
                Fault("publicKey", "expected an OpenSSH public key, `<type> <base64> [comment]`")
            )
        return faults

    async def create(self, context: Context, inputs: SshKeyInputs) -> Created[SshKeyOutputs]:
        calls = self._account.calls(context)
        outputs = SshKeyOutputs(fingerprint(inputs.public_key))
        while True:
            for key in await calls.ssh_keys():
                if key.name == inputs.name:
                    return Created(_adopted(key, inputs).id, outputs)
            try:
                added = await calls.once(self._client.add_ssh_key, inputs.name, inputs.public_key)
                return Created(added.id, outputs)
            except (Duplicate, *OUTCOME_UNKNOWN):
                if calls.left < calls.poll_seconds:
                    raise
                await calls.sleep(calls.poll_seconds)

    async def read(
        self, context: Context, id: str, inputs: SshKeyInputs, outputs: SshKeyOutputs
    ) -> Found[SshKeyInputs, SshKeyOutputs] | None:
        calls = self._account.calls(context)
        try:
            keys = await calls.ssh_keys()
        except UNSEEN as error:
            context.warn(NOT_LOOKED_AT.format(context.name, error))
            return Found(inputs, outputs)
        # One that can't be read may be this one.
        there = keys.left_out or any(key.id == id for key in keys)
        return Found(inputs, outputs) if there else None

    async def delete(
        self, context: Context, id: str, inputs: SshKeyInputs, outputs: SshKeyOutputs
    ) -> None:
        calls = self._account.calls(context)
        patience = min(calls.left, IN_USE_SECONDS)
        give_up = calls.left - patience
        while True:
            try:
                await calls(self._client.delete_ssh_key, id)
                return
            except NotFound:
                return
            except KeyInUse as error:
                users = await _users(calls, inputs.name)
                if calls.left - calls.poll_seconds < give_up:
                    raise _in_use(inputs.name, users, error) from error
                context.progress(f"the key is still in use by {users}")
                await calls.sleep(calls.poll_seconds)
            except LambdaError:
                # The API has no code of its own for a key that isn't there: look.
                if all(key.id != id for key in await calls.ssh_keys()):
                    return
                raise


def material(public_key: str) -> tuple[str, bytes] | None:
    """What makes two public keys the same: type and blob, not the comment. None: not a key."""
    kind, _, rest = public_key.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return None
    # The blob repeats the type (RFC 4253, 6.6).
    return (kind, blob) if blob[4 : 4 + len(kind)] == kind.encode() and kind else None


def fingerprint(public_key: str) -> str:
    """`SHA256:…` of a public key. Raises ValueError if it is none."""
    found = material(public_key)
    if found is None:
        raise ValueError("not an OpenSSH public key")
    return "SHA256:" + base64.b64encode(hashlib.sha256(found[1]).digest()).decode().rstrip("=")


def _adopted(key: Key, inputs: SshKeyInputs) -> Key:
    theirs = material(key.public_key)
    if theirs == material(inputs.public_key):
        return key
    has = fingerprint(key.public_key) if theirs else "an unreadable key"
    raise KeyConflict(
        f"SSH key {inputs.name!r}: the account has another key of that name ({has},"
        f" expected {fingerprint(inputs.public_key)})",
        suggestion="Give this key another name, or delete the other one in Lambda Cloud"
        " if no machine needs it",
    )


async def _users(calls: Calls, name: str) -> str:
    machines = await calls.machines()
    names = [f"{m.name or m.id} ({m.status})" for m in machines if name in m.key_names]
    return ", ".join(names) or "no listed machine"


def _in_use(name: str, users: str, error: KeyInUse) -> KeyInUse:
    return KeyInUse(
        f"SSH key {name!r} can't be deleted: it is in use by {users}",
        code=error.code,
        status=error.status,
        suggestion="Terminate these machines and run the command again",
    )
