"""A server of ours as a process on this machine, as a container would run it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.polling import until

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "mcp_catalog" / "base"


@dataclass
class Replica:
    """A running server; its log is a file of JSON lines. begin: the byte where reading begins."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    begin: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def health(self) -> tuple[int, dict[str, Any]]:
        status, _, body = self.get("/health")
        return status, json.loads(body)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The lines with this message."""
        with self.log.open("rb") as log:
            log.seek(self.begin)
            lines = [json.loads(line) for line in log]
        return [line for line in lines if line["message"] == message]

    def terminate(self) -> None:
        """SIGTERM, as `docker stop` sends it."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(
    command: list[str], log: Path, environment: Mapping[str, str], folders: tuple[Path, ...] = ()
) -> Replica:
    """Start `python <command>` without waiting for it."""
    port = free_port()
    search = ":".join(str(folder) for folder in (BASE, *folders))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": search,
                "PORT": str(port),
                **environment,
            },
        )
    return Replica(process, port, log)


@contextmanager
def running(
    command: list[str], log: Path, environment: Mapping[str, str], folders: tuple[Path, ...] = ()
) -> Iterator[Replica]:
    """A server that answers /health; it is killed at the end if the test didn't end it."""
    replica = launch(command, log, environment, folders)
    try:
        until(replica.health, lambda seen: True, f"an answer of {command}", seconds=20)
        yield replica
    finally:
        if replica.process.poll() is None:
            replica.process.kill()
            replica.process.wait()
