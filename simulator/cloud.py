"""The life of a simulator: up, down, status, and what its users need to know."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator import server, settings
from simulator.exceptions import SimulatorError
from simulator.knobs import Knobs
from simulator.settings import Settings


@dataclass(frozen=True)
class Cloud:
    """A running simulator as its users see it. `folder` is its state folder."""

    folder: Path
    settings: Settings

    @property
    def url(self) -> str:
        """What Lambda's clients take as the API's base, `/api/v1` included."""
        return self.settings.api_url

    @property
    def api_key(self) -> str:
        return self.settings.api_key

    @property
    def env(self) -> dict[str, str]:
        """Environment variables with which the program finds this cloud."""
        return environment(self.folder, self.settings)

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call a control address (`/faults`, …); the answer's data. See simulator/control.py."""
        return call(self.settings, method, f"/_control{path}", body or None)


def environment(folder: Path, made: Settings) -> dict[str, str]:
    return {"LAMBDA_API_URL": made.api_url, "LAMBDA_API_KEY": made.api_key}


@contextmanager
def running(folder: Path, *, api_only: bool = True, **knobs: float) -> Iterator[Cloud]:
    """A cloud for the length of the context.

    An API-only one is served from this process, and its folder survives, so that another
    `running` goes on with the same account at the same address.
    """
    made = settings.load(folder)
    if made is None:
        made = Settings(settings.identity(folder), "127.0.0.1", 0)
    made = replace(made, knobs=Knobs(**knobs))  # type: ignore[arg-type]
    with (folder / "server.log").open("a") as log:

        def write(line: str) -> None:
            print(line, file=log, flush=True)

        with server.in_thread(folder, made, write) as serving:
            made = replace(made, port=serving.server_port)
            settings.save(folder, made)
            yield Cloud(folder, made)


def call(made: Settings, method: str, path: str, body: Any = None, timeout: float = 10) -> Any:
    """One request to the simulator; the answer's data. Raises OSError, SimulatorError."""
    connection = http.client.HTTPConnection(made.address, made.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {made.api_key}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        value = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise SimulatorError(f"{method} {path}: {answer.status} {value}")
    return value["data"]
