"""A command's output and exit status, for both local and remote ones."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from providers.runtime.declare import Cancelled, Context, Fault, ResourceFailure, prop

T = TypeVar("T")

LOGGING = ("stdout", "stderr", "stdoutAndStderr", "none")
SHOWN = 20
"""Number of last lines of a failed command's output that its error shows."""


@dataclass(frozen=True)
class CommandOutputs:
    """Without trailing newlines, like the vendor's."""

    stdout: str = prop(volatile=True)
    stderr: str = prop(volatile=True)


class Stream(Protocol):
    """The reading end of a process's output."""

    async def read(self, n: int = ..., /) -> bytes: ...


def new_id(context: Context) -> str:
    """An id for a command that ran: its name and a nonce, like the vendor's."""
    return context.name + secrets.token_hex(4)


def logging_faults(logging: str) -> list[Fault]:
    """Whether `logging` is one of the values that the SDK knows."""
    if logging in LOGGING:
        return []
    return [Fault("logging", f"got {logging}, expected one of {', '.join(LOGGING)}")]


def previous(outputs: CommandOutputs, wanted: bool) -> dict[str, str]:
    """The variables with the last run's output."""
    if not wanted:
        return {}
    return {"PULUMI_COMMAND_STDOUT": outputs.stdout, "PULUMI_COMMAND_STDERR": outputs.stderr}


async def collect(
    stdout: Stream, stderr: Stream, logging: str, say: Callable[[str], None]
) -> CommandOutputs:
    """Reads both to their ends; shows lines as they come if `logging` says so."""

    async def lines(stream: Stream, shown: bool) -> str:
        whole, rest = b"", b""
        while chunk := await stream.read(65536):
            whole += chunk
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete if shown else ():
                say(line.decode(errors="replace"))
        return whole.decode(errors="replace").removesuffix("\n")

    out, err = await asyncio.gather(
        lines(stdout, logging in ("stdout", "stdoutAndStderr")),
        lines(stderr, logging in ("stderr", "stdoutAndStderr")),
    )
    return CommandOutputs(out, err)


async def unless_cancelled(context: Context, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; raises Cancelled, with `work` ended, as soon as the user interrupts."""
    doing = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(context.cancelled.wait())
    try:
        await asyncio.wait((doing, stopped), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise Cancelled(f"{context.name}: interrupted")
    finally:
        stopped.cancel()
        doing.cancel()
        await asyncio.gather(doing, stopped, return_exceptions=True)


def concluded(
    outputs: CommandOutputs, status: int | None, where: str, logging: str
) -> CommandOutputs:
    """The outputs of a command that succeeded. Raises ResourceFailure for any other status.

    The command and its standard input are not repeated: they may hold secrets. `logging: none`
    keeps the output out of the error, too.
    """
    if status == 0:
        return outputs
    ended = f"the command on {where} exited with status {status}"
    last = (outputs.stdout + "\n" + outputs.stderr).strip().splitlines()[-SHOWN:]
    if logging == "none" or not last:
        raise ResourceFailure(ended)
    raise ResourceFailure("\n".join([f"{ended}:", *last]))
