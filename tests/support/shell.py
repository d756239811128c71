"""A real ssh server in this process that passes commands to a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping

import asyncssh


async def answer(
    process: asyncssh.SSHServerProcess[bytes], env: Mapping[str, str] | None = None
) -> None:
    """Runs the client's command. If cancelled, ends the command and everything that it started."""
    given = await process.stdin.read()
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", process.command or ""),
        stdin=-1,
        stdout=-1,
        stderr=-1,
        env=env,
        start_new_session=True,
    )
    try:
        out, err = await child.communicate(given)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        # To the end: a transport that is left open fails whichever test collects it.
        await child.communicate()
        raise
    process.stdout.write(out)
    process.stderr.write(err)
    process.exit(child.returncode or 0)
