"""The way to one node's Engine API: ssh with a pinned host key, and the Engine's socket through it.

Paths carry no API version, so each Engine answers in its newest one (1.41 and later).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh

from providers.runtime.declare import prop
from providers.runtime.private_keys import separate
from providers.swarm.errors import (
    Conflict,
    ConnectionFailed,
    EngineError,
    Leaderless,
    LockedOut,
    NotFound,
    OutOfSequence,
    ScriptFailed,
    Unanswered,
    WrongHostKey,
)

SSH = 22
DOCKER_SOCKET = "/var/run/docker.sock"
ANSWER = 3.0
"""Seconds for a machine to accept a connection, and for a manager's first answer. Each retry
doubles them, since it may be slow rather than lost."""
LOGIN = 15.0
"""Seconds for ssh's whole handshake with a machine that has accepted the connection."""
CALL = 15.0
"""Seconds one call may take."""
SCRIPT = 60.0
"""Seconds a script may take: a busy machine needs a while just for sudo and a shell."""
_SOCKETS = "sophia-swarm-"


@dataclass(frozen=True)
class Endpoint:
    """Where a node's sshd is, and the key it must show."""

    address: str = prop(doc="Address that ssh goes to.")
    host_key: str = prop(doc='Its public host key, "ssh-ed25519 AAAA…".')


class Engine:
    """One node's Engine. Connects when first needed, and again after a lost connection.

    private_key: or several, see `SwarmConfig`.
    """

    def __init__(self, endpoint: Endpoint, user: str, private_key: str) -> None:
        self.endpoint = endpoint
        self.address = endpoint.address
        self._user = user
        self._private_keys = private_key
        self._connecting = asyncio.Lock()
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._http: aiohttp.ClientSession | None = None
        self._folder: Path | None = None
        self.ahead = 0.0
        """Seconds by which this machine's clock is ahead of the node's, accurate to a second."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        within: float = CALL,
    ) -> Any:
        """One call, for example `request("GET", "/info")`: parsed JSON, or bytes (task logs).

        within: seconds for the answer, once connected.
        Raises `ConnectionFailed`, `Unanswered`, or the `EngineError` that matches the refusal.
        """
        where = f"{method} {path} on {self.address}"
        http = await self._connected()
        try:
            async with (
                asyncio.timeout(within),
                http.request(
                    method, f"http://docker{path}", params=params, json=body, headers=headers
                ) as response,
            ):
                content = await response.read()
        except TimeoutError:
            raise Unanswered(f"{where}: no answer within {within:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if self._http is http:  # log in again: groups are set at login
                await self.close()
            raise Unanswered(
                f"{where}: the connection to the Engine broke off ({type(error).__name__}); "
                f"is Docker running there, and may {self._user!r} use {DOCKER_SOCKET}?"
            ) from None
        self._compare_clocks(response.headers.get("Date", ""))
        is_json = "json" in response.headers.get("Content-Type", "")
        answer = json.loads(content) if is_json and content.strip() else content
        if response.status >= 400:
            raise _refusal(where, response.status, answer)
        return answer

    def _compare_clocks(self, date: str) -> None:
        with contextlib.suppress(ValueError):
            self.ahead = time.time() - parsedate_to_datetime(date).timestamp()

    async def run(self, script: str, within: float = SCRIPT) -> str:
        """The output of a script in root's shell, stripped. It is sent as input, so it may hold
        secrets.

        Raises `ConnectionFailed`, `Unanswered` (it may have run) and `ScriptFailed`.
        """
        await self._connected()
        assert self._ssh is not None
        try:
            async with asyncio.timeout(within):
                done = await self._ssh.run("sudo -n sh -s", input=script)
        except (TimeoutError, asyncssh.Error, OSError) as error:
            reason = str(error) or f"no end within {within:.0f} s"
            raise Unanswered(f"a script on {self.address}: {reason}") from None
        if done.exit_status is None:
            raise Unanswered(f"a script on {self.address}: the connection ended")
        if done.exit_status != 0:
            words = str(done.stderr or "").strip().splitlines()[-1:] or ["no output"]
            raise ScriptFailed(
                f"a script on {self.address} exited with {done.exit_status}: {words[0]}"
            )
        return str(done.stdout or "").strip()

    async def close(self) -> None:
        """Ends the connection; the next request makes a new one."""
        http, ssh, folder = self._http, self._ssh, self._folder
        self._http = self._ssh = self._folder = None
        if http is not None:
            await http.close()
        if ssh is not None:
            ssh.abort()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def _connected(self) -> aiohttp.ClientSession:
        async with self._connecting:
            if self._http is not None and self._ssh is not None and not self._ssh.is_closed():
                return self._http
            await self.close()
            self._ssh = await self._open()
            self._folder = _socket_folder()
            path = str(self._folder / "engine.sock")
            try:
                await self._ssh.forward_local_path(path, DOCKER_SOCKET)
            except (asyncssh.Error, OSError) as error:
                await self.close()
                raise ConnectionFailed(
                    f"{self.address}: the Engine's socket can't be forwarded: {error}"
                ) from None
            self._http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path))
            return self._http

    async def _open(self) -> asyncssh.SSHClientConnection:
        try:
            pinned = asyncssh.import_public_key(self.endpoint.host_key)
        except asyncssh.KeyImportError:
            raise ConnectionFailed(
                f"{self.address}: its pinned host key is not a public key line "
                '("ssh-ed25519 AAAA…")'
            ) from None
        try:
            keys = [
                asyncssh.import_private_key(key) for key in separate(self._private_keys) or [""]
            ]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise ConnectionFailed(
                "the provider's privateKey is not an unencrypted OpenSSH private key"
            ) from None
        try:
            return await asyncssh.connect(
                sock=await _tcp(self.address),
                username=self._user,
                client_keys=keys,
                known_hosts=([pinned], [], []),
                config=None,
                agent_path=None,
                connect_timeout=LOGIN,
                login_timeout=LOGIN,
                keepalive_interval=3,
                keepalive_count_max=2,
            )
        except asyncssh.HostKeyNotVerifiable:
            raise WrongHostKey(
                f"{self.address} shows a host key other than the pinned one: it is not the machine "
                "that was set up. Check who has the address now; if the machine was replaced, "
                "replace its instance with `pulumi up`"
            ) from None
        except asyncssh.PermissionDenied:
            raise LockedOut(
                f"{self.address} refuses user {self._user!r} with the provider's key. Add this line"
                f" to ~{self._user}/.ssh/authorized_keys there by another way (the cloud's console,"
                " a key of your own), or replace the machine (another token in"
                f" `nodeGroups[].replace`): {keys[0].export_public_key().decode().strip()}"
            ) from None
        except (asyncssh.Error, OSError) as error:  # OSError includes TimeoutError
            reason = str(error) or f"no login within {LOGIN:.0f} s"
            raise ConnectionFailed(f"{self.address} can't be reached by ssh: {reason}") from None


async def _tcp(address: str) -> socket.socket:
    """A connection to a machine's sshd. Raises OSError, and TimeoutError with a text."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(ANSWER):
            await asyncio.get_running_loop().sock_connect(sock, (address, SSH))
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no answer within {ANSWER:.0f} s") from None
        raise
    return sock


def _socket_folder() -> Path:
    """A folder for this process, mode 0700; those of killed processes are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SOCKETS}*-*"):
        owner = folder.name.removeprefix(_SOCKETS).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_SOCKETS}{os.getpid()}-"))


def _refusal(where: str, status: int, answer: Any) -> EngineError | Unanswered:
    message = answer.get("message", "") if isinstance(answer, dict) else "(no message)"
    if "does not have a leader" in message or "not a swarm manager" in message:
        return Leaderless(where, status, message)
    if "DeadlineExceeded" in message or "deadline exceeded" in message:
        return Unanswered(f"{where}: {message}")
    # The manager's own call to the leader broke off, or it just stopped being one.
    if "code = Unavailable" in message or "code = Canceled" in message:
        return Unanswered(f"{where}: {message}")
    if "update out of sequence" in message:
        return OutOfSequence(where, status, message)
    return {404: NotFound, 409: Conflict}.get(status, EngineError)(where, status, message)
