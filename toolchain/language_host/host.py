#!/usr/bin/env python3
"""`pulumi-language-python`: runs Python programs and Python plugins for the Pulumi engine.

The vendor's is not available as a Go module. Protocol: pulumi/proto/pulumi/language.proto. The
engine starts this with its own address as the last argument and reads a port from standard output.
Installed as one file beside `pulumi-language-python-exec`; imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

try:
    import grpc.aio
    from google.protobuf import empty_pb2
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
except ImportError as error:
    sys.exit(
        f"pulumi-language-python: {sys.executable} has no Pulumi SDK ({error}); put the project's "
        f'virtual environment first on PATH: eval "$(.venv/bin/python -m toolchain env)"'
    )

EXEC = Path(__file__).with_name("pulumi-language-python-exec")
"""The vendor's script that runs a program inside the SDK."""
BAIL = 32
"""Exit status of a program that has already told the user what is wrong."""
GRACE = 3.0
"""Seconds between interrupting and killing a child: the engine gives this host 5 to end."""
MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes; the engine's limit."""


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """One engine's language host. Every process that it starts ends when it ends."""

    def __init__(self) -> None:
        self._children: set[asyncio.subprocess.Process] = set()

    async def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    async def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        # Plugins are asked for when the program registers their first resource.
        return language_pb2.GetRequiredPackagesResponse()

    async def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    async def About(self, request: Any, context: Any) -> Any:
        python = _python(request.info)
        _, version = await self._output(
            python, "-c", "import platform as p;print(p.python_version())"
        )
        return language_pb2.AboutResponse(executable=python, version=version.decode().strip())

    async def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        status, listed = await self._output(
            _python(request.info),
            "-m",
            "pip",
            "list",
            "--format=json",
            "--disable-pip-version-check",
        )
        found = json.loads(listed) if status == 0 else []
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=item["name"], version=item["version"])
                for item in found
            ]
        )

    async def InstallDependencies(self, request: Any, context: Any) -> AsyncIterator[Any]:
        requirements = Path(request.info.program_directory) / "requirements.txt"
        if not requirements.is_file():
            return
        process = await self._start(
            _python(request.info),
            *("-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        async for line in process.stdout:
            yield language_pb2.InstallDependenciesResponse(stdout=line)
        if await self._ended(process):
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                f"{requirements}: pip ended with status {process.returncode}; its lines say why",
            )

    async def Run(self, request: Any, context: Any) -> Any:
        options = {
            "monitor": request.monitor_address,
            "engine": sys.argv[-1],
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "root_directory": request.info.root_directory,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "tracing": "",
        }
        process = await self._start(
            _python(request.info),
            "-u",
            str(EXEC),
            *(f"--{name}={value}" for name, value in options.items()),
            request.info.entry_point,
            *request.args,
            cwd=request.pwd,
            env=os.environ
            | {
                "PULUMI_CONFIG": json.dumps(dict(request.config)),
                "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            },
        )
        status = await self._ended(process)
        if status == BAIL:
            return language_pb2.RunResponse(bail=True)
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        return language_pb2.RunResponse(error=f"the program ended with {how}" if status else "")

    async def RunPlugin(self, request: Any, context: Any) -> AsyncIterator[Any]:
        process = await self._start(
            _python(request.info),
            "-u",
            str(Path(request.info.program_directory) / request.info.entry_point),
            *request.args,
            cwd=request.pwd,
            env=dict(line.split("=", 1) for line in request.env),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        answers: asyncio.Queue[Any] = asyncio.Queue()
        pumps = [
            asyncio.create_task(_pump(stream, name, answers))
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        try:
            for _ in pumps:
                while answer := await answers.get():
                    yield language_pb2.RunPluginResponse(**answer)
            yield language_pb2.RunPluginResponse(exitcode=await self._ended(process))
        finally:
            # The engine closes a plugin by cancelling this call.
            await asyncio.shield(self._end(process))

    async def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    async def close(self) -> None:
        """Ends everything that was started here."""
        await asyncio.gather(*map(self._end, list(self._children)))

    async def _start(self, *command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, process_group=0, **options
        )
        self._children.add(process)
        return process

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        status = await process.wait()
        self._children.discard(process)
        return status

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Interrupts a child, then kills whatever is left of it and of what it started."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await _gone(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _gone(process)  # asyncio complains about a child that outlives its loop
        self._children.discard(process)

    async def _output(self, *command: str) -> tuple[int, bytes]:
        process = await self._start(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return await self._ended(process), output


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Waits until a child has ended, but no longer than GRACE.

    Not `wait()`: that also waits for processes that have inherited the child's output.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            while process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _pump(
    stream: asyncio.StreamReader | None, name: str, answers: asyncio.Queue[Any]
) -> None:
    assert stream is not None
    while chunk := await stream.read(65536):
        answers.put_nowait({name: chunk})
    answers.put_nowait(None)


def _python(info: Any) -> str:
    """The interpreter of a program: its `virtualenv` option, relative to its Pulumi.yaml."""
    options: Mapping[str, Any] = info.options
    if "virtualenv" not in options:
        return sys.executable
    named = str(options["virtualenv"])
    python = Path(info.root_directory, named, "bin", "python")
    if not python.is_file():
        raise FileNotFoundError(
            f"virtualenv {named!r} of {info.root_directory}: {python} does not exist; "
            f"make it: python3 -m venv {python.parent.parent}"
        )
    return str(python)


async def main() -> None:
    """Serves until the engine interrupts it or is gone."""
    host = Host()
    limits = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ]
    server = grpc.aio.server(options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    # The engine holds the other end of standard input: it closes even when the engine is killed.
    await loop.connect_read_pipe(lambda: _Closing(over), sys.stdin)
    print(port, flush=True)
    await over.wait()
    await host.close()
    await server.stop(grace=None)


class _Closing(asyncio.Protocol):
    def __init__(self, over: asyncio.Event) -> None:
        self._over = over

    def connection_lost(self, error: Exception | None) -> None:
        self._over.set()


if __name__ == "__main__":
    asyncio.run(main())
