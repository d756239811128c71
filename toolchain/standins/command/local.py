"""`command:local:Command`: runs on the machine of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import Any

from providers.runtime.declare import Context, Created, Fault, Lifecycle, ResourceFailure, prop
from toolchain.standins.command.outcome import (
    CommandOutputs,
    collect,
    concluded,
    logging_faults,
    new_id,
    previous,
    unless_cancelled,
)


@dataclass(frozen=True)
class LocalInputs:
    create: str | None = prop(default=None)
    update: str | None = prop(default=None)
    delete: str | None = prop(default=None)
    stdin: str | None = prop(default=None)
    environment: dict[str, str] = prop(default_factory=dict)
    interpreter: list[str] = prop(default_factory=lambda: ["/bin/sh", "-c"])
    dir: str | None = prop(default=None)
    triggers: list[Any] = prop(replace=True, default_factory=list)
    logging: str = prop(default="stdoutAndStderr")
    add_previous_output_in_env: bool = prop(default=True)


class Command(Lifecycle[LocalInputs, CommandOutputs]):
    """Runs `create`; `update`, else `create` again, when an input changed; `delete` at the end."""

    token = "command:local:Command"
    Inputs, Outputs = LocalInputs, CommandOutputs
    refresh = False

    def __init__(self, client: object) -> None:
        pass

    @staticmethod
    def check(inputs: LocalInputs) -> list[Fault]:
        return logging_faults(inputs.logging)

    async def create(self, context: Context, inputs: LocalInputs) -> Created[CommandOutputs]:
        outputs = await _run(context, inputs, inputs.create, {})
        return Created(new_id(context), outputs or CommandOutputs("", ""))

    async def update(
        self, context: Context, id: str, old: LocalInputs, outputs: CommandOutputs, new: LocalInputs
    ) -> CommandOutputs:
        said = previous(outputs, new.add_previous_output_in_env)
        return await _run(context, new, new.update or new.create, said) or outputs

    async def delete(
        self, context: Context, id: str, inputs: LocalInputs, outputs: CommandOutputs
    ) -> None:
        said = previous(outputs, inputs.add_previous_output_in_env)
        await _run(context, inputs, inputs.delete, said)


async def _run(
    context: Context, inputs: LocalInputs, command: str | None, said: dict[str, str]
) -> CommandOutputs | None:
    if not command:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            *inputs.interpreter,
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=inputs.dir,
            env={**os.environ, **said, **inputs.environment},
            start_new_session=True,
        )
    except OSError as error:
        raise ResourceFailure(f"the command cannot be started: {error}") from None
    try:
        async with asyncio.timeout(context.timeout):
            feeding = asyncio.create_task(_feed(process, inputs.stdin or ""))
            assert process.stdout is not None
            assert process.stderr is not None
            reading = collect(process.stdout, process.stderr, inputs.logging, context.progress)
            outputs = await unless_cancelled(context, reading)
            await feeding
            status = await process.wait()
    except TimeoutError:
        raise ResourceFailure(f"the command did not end within {context.timeout:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return concluded(outputs, status, "this machine", inputs.logging)


async def _feed(process: asyncio.subprocess.Process, text: str) -> None:
    assert process.stdin is not None
    # A command need not read its input.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()
