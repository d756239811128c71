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
"""How long a deletion waits for terminating machines to release the key."""


@dataclass(frozen=True)
class SshKeyInputs:
    name: str = prop(doc="Name in the account, at most 64 characters.")
    public_key: str = prop(
        doc="One OpenSSH line, for example `ssh-ed25519 AAAA…`. Another key needs another name: the"
        " account keeps the former one while there are machines that were launched with it."
    )


@dataclass(frozen=True)
class SshKeyOutputs:
    fingerprint: str = prop(volatile=True, doc="SHA256 fingerprint, as `ssh-keygen -l` shows it.")
    key_id: str = prop(
        default="", volatile=True, doc="The key's id in the account; \"\": the resource's own."
    )
    former_ids: list[str] = prop(
        default_factory=list, volatile=True, doc="Former keys that machines still have."
    )


class SshKey(Lifecycle[SshKeyInputs, SshKeyOutputs]):
    """Registers a public key; adopts one of the same name that is the same key.

    Another key is registered beside the former ones, which are deleted as soon as no machine uses
    them. The first one, whose id is the resource's, stays to the end: it identifies the account.
    """

    token = "lambdalabs:index:SshKey"
    Inputs, Outputs = SshKeyInputs, SshKeyOutputs
    # Not read before each run: it hardly ever changes, and `pulumi refresh` finds a deleted key.
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
        id = await self._registered(self._account.calls(context), inputs)
        return Created(id, SshKeyOutputs(fingerprint(inputs.public_key), id))

    async def _registered(self, calls: Calls, inputs: SshKeyInputs) -> str:
        """The id of the key, which is in the account afterwards."""
        while True:
            for key in await calls.ssh_keys():
                if key.name == inputs.name:
                    return _adopted(key, inputs).id
            try:
                added = await calls.once(self._client.add_ssh_key, inputs.name, inputs.public_key)
                return added.id
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
        there = keys.left_out or any(key.id == (outputs.key_id or id) for key in keys)
        return Found(inputs, outputs) if there else None

    async def update(
        self,
        context: Context,
        id: str,
        old: SshKeyInputs,
        outputs: SshKeyOutputs,
        new: SshKeyInputs,
    ) -> SshKeyOutputs:
        calls = self._account.calls(context)
        key_id = await self._registered(calls, new)
        left = []
        for former in dict.fromkeys([outputs.key_id, *outputs.former_ids]):
            if former in ("", id, key_id):
                continue
            try:
                await calls(self._client.delete_ssh_key, former)
            except KeyInUse:
                left.append(former)
            except LambdaError:
                if any(key.id == former for key in await calls.ssh_keys()):
                    raise
        return SshKeyOutputs(fingerprint(new.public_key), key_id, left)

    async def delete(
        self, context: Context, id: str, inputs: SshKeyInputs, outputs: SshKeyOutputs
    ) -> None:
        calls = self._account.calls(context)
        for key_id in dict.fromkeys([outputs.key_id or id, *outputs.former_ids, id]):
            await self._deleted(context, calls, key_id)

    async def _deleted(self, context: Context, calls: Calls, id: str) -> None:
        patience = min(calls.left, IN_USE_SECONDS)
        give_up = calls.left - patience
        while True:
            try:
                await calls(self._client.delete_ssh_key, id)
                return
            except NotFound:
                return
            except KeyInUse as error:
                name = next((key.name for key in await calls.ssh_keys() if key.id == id), id)
                users = await _users(calls, name)
                if calls.left - calls.poll_seconds < give_up:
                    raise _in_use(name, users, error) from error
                context.progress(f"the key is still in use by {users}")
                await calls.sleep(calls.poll_seconds)
            except LambdaError:
                # The API has no code for a missing key: look.
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
    """`SHA256:…` of a public key. Raises ValueError if it isn't one."""
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
