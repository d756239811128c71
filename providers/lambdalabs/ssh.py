"""Checks a machine over ssh: is it the one that was launched, and does CUDA work?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import asyncssh

from providers.runtime.private_keys import separate

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 60.0

CUDA_PROBE = """
import ctypes, json
def verdict(text, count=0):
    print(json.dumps({"fault": text, "gpus": count}))
    raise SystemExit(0)
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    verdict("no CUDA driver: %s" % error)
def check(call, *arguments):
    status = getattr(cuda, call)(*arguments)
    if status:
        name = ctypes.c_char_p()
        cuda.cuGetErrorName(status, ctypes.byref(name))
        verdict("%s failed with CUDA error %d (%s)" % (call, status, (name.value or b"?").decode()))
check("cuInit", 0)
count = ctypes.c_int()
check("cuDeviceGetCount", ctypes.byref(count))
for index in range(count.value):
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    sent, back = ctypes.c_uint32(0x5EED + index), ctypes.c_uint32()
    check("cuDeviceGet", ctypes.byref(device), index)
    check("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    check("cuCtxPushCurrent_v2", context)
    check("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4))
    check("cuMemcpyHtoD_v2", memory, ctypes.byref(sent), ctypes.c_size_t(4))
    check("cuMemcpyDtoH_v2", ctypes.byref(back), memory, ctypes.c_size_t(4))
    if back.value != sent.value:
        verdict("GPU %d returned other bytes than it was given" % index, count.value)
    check("cuMemFree_v2", memory)
    check("cuDevicePrimaryCtxRelease_v2", device)
verdict(None, count.value)
"""
"""Program for the machine's python3: uses every GPU through the driver, prints one JSON line.

`nvidia-smi` is not enough: on some machines it looked fine while cuInit returned 802.
"""


@dataclass(frozen=True)
class Door:
    """How to log in to a machine. private_key: OpenSSH PEM, or several, tried in order.
    host_key: the public line it must answer with.
    """

    user: str
    private_key: str = field(repr=False)
    host_key: str


class NoAnswer(Exception):
    """The machine refused the login or wasn't the expected one; the message is brief."""


class Unreached(NoAnswer):
    """Nothing answered for the machine: it may be fine, but unreachable from here."""


async def knock(address: str, door: Door) -> None:
    """Logs in and runs `true`. Raises `NoAnswer`."""
    await _run(address, door, "true", None, CONNECT_SECONDS)


async def probe_cuda(address: str, door: Door, gpus: int) -> str | None:
    """Why CUDA can't be used on all `gpus`, or None when it can. Raises `NoAnswer`."""
    output = await _run(address, door, "python3 -", CUDA_PROBE, PROBE_SECONDS)
    return read_verdict(output, gpus)


def read_verdict(output: str, gpus: int) -> str | None:
    """The fault in what `CUDA_PROBE` printed, or None. Pure."""
    try:
        verdict = json.loads(output.strip().splitlines()[-1])
        fault, seen = verdict["fault"], verdict["gpus"]
    except (IndexError, ValueError, KeyError, TypeError):
        return f"the CUDA probe printed {output[-200:]!r} instead of a verdict"
    if fault is None and seen != gpus:
        return f"CUDA sees {seen} GPUs, expected {gpus}"
    return None if fault is None else str(fault)


def _keys(private_keys: str) -> list[asyncssh.SSHKey]:
    """Each PEM in a text. Raises KeyImportError."""
    return [asyncssh.import_private_key(text) for text in separate(private_keys)]


async def _run(address: str, door: Door, command: str, stdin: str | None, seconds: float) -> str:
    try:
        trusted = asyncssh.import_public_key(door.host_key)
        async with asyncssh.connect(
            address,
            username=door.user,
            client_keys=_keys(door.private_key),
            known_hosts=([trusted], [], []),
            # Nothing of the user's own: no ~/.ssh/config, no agent.
            config=None,
            agent_path=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
        ) as connection:
            done = await _done(connection, command, stdin, seconds)
    except asyncssh.HostKeyNotVerifiable:
        raise NoAnswer("it answers with a host key other than the pinned one") from None
    except asyncssh.PermissionDenied:
        raise NoAnswer(f"it refuses the key of user {door.user}") from None
    except TimeoutError:
        raise Unreached(f"no answer within {CONNECT_SECONDS:.0f} s") from None
    except (OSError, asyncssh.Error) as error:
        raise Unreached(str(error) or type(error).__name__) from None
    if done.exit_status != 0:
        raise NoAnswer(f"{command!r} exited with {done.exit_status}: {str(done.stderr)[-200:]}")
    return str(done.stdout)


async def _done(
    connection: asyncssh.SSHClientConnection, command: str, stdin: str | None, seconds: float
) -> asyncssh.SSHCompletedProcess:
    """A command's result. Raises `NoAnswer`: at this point the machine was reached."""
    # Close the input even if there is none, or a program that reads would wait.
    given = {"stdin": asyncssh.DEVNULL} if stdin is None else {"input": stdin}
    try:
        return await connection.run(command, timeout=seconds, **given)
    except TimeoutError:
        raise NoAnswer(f"{command!r} did not end within {seconds:.0f} s") from None
    except (OSError, asyncssh.Error) as error:
        raise NoAnswer(f"{command!r}: {str(error) or type(error).__name__}") from None
