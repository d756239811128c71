"""The life of a simulator: up, down, status, and what its users need to know."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from simulator import (
    encryption,
    engine,
    images,
    network,
    node_image,
    process,
    registry,
    server,
    settings,
)
from simulator.docker import LABEL, docker
from simulator.exceptions import DockerError, NotAnswering, SimulatorError, StateDamaged
from simulator.knobs import Knobs
from simulator.registry import Registry
from simulator.settings import Settings

Progress = Callable[[str], None]
API_PORT = 8080
REGISTRY_HOST = 2
START_SECONDS = 15
REMOVE_SECONDS = 30


@dataclass(frozen=True)
class Cloud:
    """A running simulator for its users. `folder` is its state folder."""

    folder: Path
    settings: Settings

    @property
    def url(self) -> str:
        """The API's base address for Lambda's clients, including `/api/v1`."""
        return self.settings.api_url

    @property
    def api_key(self) -> str:
        return self.settings.api_key

    @property
    def env(self) -> dict[str, str]:
        """Environment variables with which the program finds this cloud."""
        found = {"LAMBDA_API_URL": self.url, "LAMBDA_API_KEY": self.api_key}
        if not self.settings.api_only:
            found |= {
                "SOPHIA_REGISTRY_SERVER": self.registry.server,
                "SOPHIA_REGISTRY_USERNAME": registry.USER,
                "SOPHIA_REGISTRY_PASSWORD": self.registry.password,
                "SOPHIA_REGISTRY_CA": str(self.registry.ca_file),
                "SOPHIA_BASE_IMAGE": self.settings.base_image,
                "SOPHIA_OVERLAY_ENCRYPTED": "true" if self.settings.encrypts else "false",
            }
        return found

    @property
    def registry(self) -> Registry:
        """Its image registry; API-only clouds have none."""
        made = self.settings
        address = str(made.network[REGISTRY_HOST])
        return Registry(made.simulator, address, made.registry_password, self.folder / "registry")

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call a control address (`/faults`, …); returns the answer's data. See
        simulator/control.py."""
        return call(self.settings, method, f"/_control{path}", body or None)


def reporter() -> Progress:
    """Prints lines to standard error, with the time since this call."""
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] simulator: {line}", file=sys.stderr, flush=True)

    return report


def up(
    folder: Path, progress: Progress | None = None, *, api_only: bool = False, **knobs: Any
) -> Cloud:
    """Bring the simulator up, or repair it; knobs that aren't given keep their values.

    Raises SimulatorError.
    """
    folder, progress = folder.resolve(), progress or reporter()
    simulator = settings.identity(folder)
    with process.alone(simulator):
        made = settings.load(folder)
        if made is not None and made.api_only != api_only:
            kind = "without machines (--api-only)" if made.api_only else "with machines"
            raise SimulatorError(f"{folder} has a simulator {kind}; first run `down`")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if api_only:
            made = made or Settings(simulator, "127.0.0.1", _free_port("127.0.0.1"))
        else:
            engine.ensure(progress)
            base = _images(progress)
            made = _network(simulator, made, progress)
            made = replace(
                made,
                base_image=base,
                encrypts=_encrypts(progress),
                power=engine.power_id(),
            )
        if not process.find(folder):
            made = replace(made, port=_free_port(made.address, made.port))
        made = replace(made, knobs=replace(made.knobs, **knobs), code=settings.program())
        settings.save(folder, made)
        cloud = Cloud(folder, made)
        if not api_only:
            registry.ensure(cloud.registry, simulator)
            registry.trust(cloud.registry)
            progress(f"registry at {cloud.registry.server}")
        _serve(folder, made)
        progress(f"API at {cloud.url}")
        return cloud


def down(folder: Path, progress: Progress | None = None) -> None:
    """Remove the whole simulator: process, containers, volumes, network, trust, files.

    Needs only the folder's path, so the folder's content may be damaged or gone.
    Raises SimulatorError, at the end, if this user may not undo the registry's trust.
    """
    folder, progress = folder.resolve(), progress or reporter()
    simulator = settings.identity(folder)
    with process.alone(simulator):
        process.stop(folder)
        machines = _may_have_machines(folder)
        if machines:
            engine.ensure(progress)
            _remove_all(simulator)
            if engine.stop_if_ours():
                progress("dockerd stopped")
        _clear(folder)
        if machines:
            registry.distrust(simulator)
    progress("all of it is removed")


def log_file(folder: Path) -> Path:
    """The log of a folder's server: what it does, and why a machine failed."""
    return folder / "server.log"


def find(folder: Path) -> Cloud | None:
    """The simulator of a folder, if it was ever brought up. Raises StateDamaged."""
    made = settings.load(folder.resolve())
    return None if made is None else Cloud(folder.resolve(), made)


def running_at(folder: Path) -> Cloud | None:
    """The simulator of a folder if its server runs; None also if the folder is damaged."""
    with contextlib.suppress(StateDamaged):
        cloud = find(folder)
        if cloud is not None and process.find(cloud.folder):
            return cloud
    return None


def status(folder: Path) -> list[str]:
    """What runs, as lines to read."""
    cloud = find(folder)
    if cloud is None:
        return [f"no simulator in {folder.resolve()}"]
    pids = process.find(cloud.folder)
    try:
        instances = cloud.control("GET", "/instances") if pids else []
    except (OSError, SimulatorError) as error:
        return [f"API at {cloud.url}: process {pids[0]} runs but does not answer: {error}"]
    lines = [f"API at {cloud.url}: " + (f"process {pids[0]}" if pids else "not running")]
    if not cloud.settings.api_only:
        lines.append(f"registry at {cloud.registry.server}: {registry.state(cloud.registry)}")
    lines += [
        f"{one['title']}  {one['status']}  {one['ip']}  {one['instance_type']}  {one['id']}"
        for one in instances
        if one["status"] != "terminated"
    ]
    return lines


@contextmanager
def running(folder: Path, *, api_only: bool = True, **knobs: Any) -> Iterator[Cloud]:
    """A cloud for the length of the context, for tests.

    An API-only one is served from this process, and its folder survives, so that another `running`
    continues with the same account at the same address. One with machines is brought up and down
    as on the command line.
    """
    if not api_only:
        try:
            yield up(folder, **knobs)
        finally:
            down(folder)
        return
    made = settings.load(folder) or Settings(settings.identity(folder), "127.0.0.1", 0)
    made = replace(made, knobs=replace(Knobs(), **knobs))
    with log_file(folder).open("a") as log:

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


def _images(progress: Progress) -> str:
    """Build every missing image, several at a time; returns the base image's name."""
    recipes = (node_image.RECIPE, images.REGISTRY)
    with ThreadPoolExecutor(3) as pool:
        base = pool.submit(images.ensure_base, progress)
        others = [pool.submit(images.ensure, recipe, progress) for recipe in recipes]
        names = [base.result(), *(other.result() for other in others)]
    progress("images: " + ", ".join(names))
    return names[0]


def _encrypts(progress: Progress) -> bool:
    """Whether traffic between nodes can be encrypted; prints a line if it can't."""
    trouble = encryption.trouble(node_image.RECIPE.tag)
    if trouble:
        progress(f"traffic between nodes is not encrypted: the kernel can't ({trouble})")
    return not trouble


def _network(simulator: str, made: Settings | None, progress: Progress) -> Settings:
    """The settings with a network that exists; removes first what a lost folder left behind."""
    if made is None:
        _remove_all(simulator)
        subnet = network.ensure(simulator, simulator)
        address = str(subnet[1])
        made = Settings(simulator, address, _free_port(address, API_PORT), subnet=str(subnet))
    else:
        network.ensure(simulator, simulator, IPv4Network(made.subnet))
    progress(f"network {made.subnet}")
    return made


def _serve(folder: Path, wanted: Settings) -> None:
    """Starts a server with exactly these settings, unless it answers. Raises NotAnswering."""
    started = None
    if not process.find(folder, wanted.revision):
        process.stop(folder)
        started = process.start(folder, wanted.revision, log_file(folder))
    deadline = time.monotonic() + START_SECONDS
    last = "nothing"
    while time.monotonic() < deadline:
        try:
            call(wanted, "GET", "/_control/status", timeout=2)
        except (OSError, SimulatorError) as error:
            last = repr(error)
        else:
            return
        if started is not None and started.poll() is not None:
            last = f"its process ended ({started.returncode})"
            break
        time.sleep(0.05)
    log = log_file(folder)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise NotAnswering(f"{wanted.origin} does not answer: {last}; the end of {log}:\n{tail}")


def _may_have_machines(folder: Path) -> bool:
    """Whether Docker may hold something of the folder's simulator."""
    with contextlib.suppress(StateDamaged):
        made = settings.load(folder)
        if made is not None and made.api_only:
            return False
    return engine.answers() or engine.remembers(settings.identity(folder))


def _remove_all(simulator: str) -> None:
    """Everything in Docker that carries the simulator's label. Raises DockerError."""
    chosen = ("--filter", f"label={LABEL}={simulator}")
    deadline = time.monotonic() + REMOVE_SECONDS
    for listing, removal in (
        (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
        (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
        (("network", "ls", "--quiet"), ("network", "rm")),
    ):
        while names := docker(*listing, *chosen).split():
            try:
                docker(*removal, *names)
            except DockerError:
                # Docker may still be working for a killed server.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def _clear(folder: Path) -> None:
    """Remove the simulator's files; other files in the folder stay."""
    for name in ("settings.json", "state.json", "server.log"):
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.part").unlink(missing_ok=True)
    shutil.rmtree(folder / "registry", ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _free_port(address: str, first: int = 0) -> int:
    """A port that can be listened on: `first`, or else any."""
    for port in (first, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((address, port))
                return int(probe.getsockname()[1])
    raise SimulatorError(f"no port of {address} can be listened on")
