"""`command:remote:Command`: runs over ssh, to a host with a pinned key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncssh

from providers.runtime.declare import Context, Created, Fault, Lifecycle, ResourceFailure, prop
from toolchain.standins.command.outcome import (
    CommandOutputs,
    collect,
    concluded,
    logging_faults,
    new_id,
    unless_cancelled,
)

LONGEST_PAUSE = 5.0
"""Longest pause between two tries to connect, in seconds."""


@dataclass(frozen=True)
class Connection:
    """Where and as whom.

    dial_error_limit: allowed failed tries, -1 for any number within the timeout.
    per_dial_timeout: seconds for one try, 0 for no separate limit.
    """

    host: str = prop()
    host_key: str | None = prop(default=None)
    user: str = prop(default="root")
    port: int = prop(default=22)
    private_key: str | None = prop(secret=True, default=None)
    dial_error_limit: int = prop(default=10)
    per_dial_timeout: int = prop(default=15)


@dataclass(frozen=True)
class RemoteInputs:
    connection: Connection = prop(secret=True)
    create: str | None = prop(default=None)
    update: str | None = prop(default=None)
    delete: str | None = prop(default=None)
    stdin: str | None = prop(default=None)
    triggers: list[Any] = prop(replace=True, default_factory=list)
    logging: str = prop(default="stdoutAndStderr")


class Command(Lifecycle[RemoteInputs, CommandOutputs]):
    """Runs `create`; `update`, else `create` again, when an input changed; `delete` at the end."""

    token = "command:remote:Command"
    Inputs, Outputs = RemoteInputs, CommandOutputs
    refresh = False

    def __init__(self, client: object) -> None:
        pass

    @staticmethod
    def check(inputs: RemoteInputs) -> list[Fault]:
        found = logging_faults(inputs.logging)
        connection = inputs.connection
        for name, key in (("hostKey", connection.host_key), ("privateKey", connection.private_key)):
            if not key:
                found.append(
                    Fault(
                        f"connection.{name}",
                        "missing: the stand-in supports no other authentication",
                    )
                )
        if connection.host_key and not _readable(connection.host_key):
            found.append(Fault("connection.hostKey", "expected a line like `ssh-ed25519 AAAA…`"))
        if connection.dial_error_limit < -1:
            found.append(
                Fault(
                    "connection.dialErrorLimit",
                    f"got {connection.dial_error_limit}, expected -1 or more",
                )
            )
        return found

    async def create(self, context: Context, inputs: RemoteInputs) -> Created[CommandOutputs]:
        outputs = await _run(context, inputs, inputs.create)
        return Created(new_id(context), outputs or CommandOutputs("", ""))

    async def update(
        self,
        context: Context,
        id: str,
        old: RemoteInputs,
        outputs: CommandOutputs,
        new: RemoteInputs,
    ) -> CommandOutputs:
        return await _run(context, new, new.update or new.create) or outputs

    async def delete(
        self, context: Context, id: str, inputs: RemoteInputs, outputs: CommandOutputs
    ) -> None:
        await _run(context, inputs, inputs.delete)


async def _run(
    context: Context, inputs: RemoteInputs, command: str | None
) -> CommandOutputs | None:
    if not command:
        return None
    where = f"{inputs.connection.host}:{inputs.connection.port}"
    tries = _Tries()
    session = unless_cancelled(context, _session(context, inputs, command, where, tries))
    try:
        return await asyncio.wait_for(session, context.timeout)
    except TimeoutError:
        last = f"; the last try to connect: {tries.last}" if tries.last else ""
        raise ResourceFailure(
            f"the command on {where} did not end within {context.timeout:g} s{last}"
        ) from None


class _Tries:
    """The tries to connect so far."""

    last = ""


async def _session(
    context: Context, inputs: RemoteInputs, command: str, where: str, tries: _Tries
) -> CommandOutputs:
    ssh = await _dial(context, inputs.connection, where, tries)
    tries.last = ""
    try:
        process = await ssh.create_process(command, encoding=None)
        process.stdin.write((inputs.stdin or "").encode())
        process.stdin.write_eof()
        outputs = await collect(process.stdout, process.stderr, inputs.logging, context.progress)
        await process.wait_closed()
    except (OSError, asyncssh.Error) as error:
        raise ResourceFailure(f"the connection to {where} was lost: {error}") from None
    finally:
        ssh.close()
    if process.exit_signal:
        raise ResourceFailure(f"the command on {where} was ended by {process.exit_signal[0]}")
    return concluded(outputs, process.exit_status, where, inputs.logging)


async def _dial(
    context: Context, connection: Connection, where: str, tries: _Tries
) -> asyncssh.SSHClientConnection:
    """A connection, retried after errors of any kind, as the vendor's plugin does."""
    assert connection.private_key is not None
    assert connection.host_key is not None
    try:
        key = asyncssh.import_private_key(connection.private_key)
    except asyncssh.KeyImportError as error:
        raise ResourceFailure(f"connection.privateKey cannot be read: {error}") from None
    failures, pause = 0, 0.5
    while True:
        try:
            async with asyncio.timeout(connection.per_dial_timeout or None):
                return await asyncssh.connect(
                    connection.host,
                    connection.port,
                    username=connection.user,
                    client_keys=[key],
                    known_hosts=([asyncssh.import_public_key(connection.host_key)], [], []),
                    agent_path=None,
                    config=None,
                )
        except (OSError, asyncssh.Error) as error:
            tries.last = str(error) or f"no answer within {connection.per_dial_timeout} s"
            failures += 1
        if 0 <= connection.dial_error_limit <= failures:
            raise ResourceFailure(f"no ssh connection to {where} in {failures} tries: {tries.last}")
        context.progress(f"waiting for ssh on {where}: {tries.last}")
        await context.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _readable(line: str) -> bool:
    try:
        asyncssh.import_public_key(line)
    except asyncssh.KeyImportError:
        return False
    return True
