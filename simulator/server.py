"""The serving part of a simulator: account, machines and HTTP put together."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from simulator import files, machines, packet_filter, settings
from simulator.account import Account
from simulator.app import Application
from simulator.exceptions import StateDamaged
from simulator.records import FirewallRule, Instance, State
from simulator.settings import Settings
from simulator.work import Machines

Log = Callable[[str], None]


class NoMachines:
    """The API-only cloud: instances without machines."""

    def start(self, instance: Instance) -> None: ...

    def restart(self, instance: Instance) -> None: ...

    def power_on(self, instance: Instance) -> None: ...

    def kill(self, instance: Instance) -> None: ...

    def remove(self, instance: Instance) -> None: ...

    def protect(self, instance: Instance, rules: list[FirewallRule] | None) -> None: ...

    def states(self) -> None: ...


class NodeMachines:
    """Instances as node containers of one simulator."""

    def __init__(self, simulator: str) -> None:
        self._simulator = simulator

    def start(self, instance: Instance) -> None:
        name = self._container(instance)
        machines.remove(name)  # left behind by an interrupted start
        machines.start(
            machines.Node(
                container=name,
                hostname=instance.hostname,
                network=self._simulator,
                ip=instance.ip,
                private_ip=instance.private_ip,
                simulator=self._simulator,
                instance_id=instance.id,
                user_data=instance.user_data,
                public_keys=tuple(instance.public_keys),
            )
        )

    def restart(self, instance: Instance) -> None:
        machines.restart(self._container(instance))

    def power_on(self, instance: Instance) -> None:
        machines.power_on(self._container(instance))

    def kill(self, instance: Instance) -> None:
        machines.kill(self._container(instance))

    def remove(self, instance: Instance) -> None:
        machines.remove(self._container(instance))

    def protect(self, instance: Instance, rules: list[FirewallRule] | None) -> None:
        machines.protect(self._container(instance), packet_filter.script(rules))

    def states(self) -> dict[str, str]:
        return machines.states(self._simulator)

    def _container(self, instance: Instance) -> str:
        return f"{self._simulator}-{instance.title}"


def state_path(folder: Path) -> Path:
    return folder / "state.json"


def load_account(folder: Path, made: Settings, log: Log) -> Account:
    """The account saved in the folder. Raises StateDamaged."""
    path = state_path(folder)
    value = files.read_json(path)
    try:
        state = State() if value is None else State.from_json(value)
    except (KeyError, TypeError) as error:
        raise StateDamaged(
            f"{path}: expected the state of a simulator, got: {error}; "
            "`python -m simulator down` clears what is left"
        ) from error
    acting: Machines = NoMachines() if made.api_only else NodeMachines(made.simulator)
    return Account(
        state,
        save=lambda state: files.write_json(path, state.to_json()),
        machines=acting,
        subnet=made.network,
        knobs=made.knobs,
        log=log,
    )


def bind(made: Settings, account: Account, log: Log) -> BaseWSGIServer:
    """A listening server. Raises OSError if the address isn't available."""

    class Handler(WSGIRequestHandler):
        """One line per request, in this server's log."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            log(f"{self.client_address[0]} {self.command} {self.path} {code}")

        def log(self, type: str, message: str, *args: object) -> None:
            log(message % args if args else message)

    app = Application(account, made.api_key, log)
    return make_server(made.address, made.port, app, threaded=True, request_handler=Handler)


@contextmanager
def in_thread(folder: Path, made: Settings, log: Log) -> Iterator[BaseWSGIServer]:
    """Serve from this process until the context ends."""
    account = load_account(folder, made, log)
    server = bind(made, account, log)
    thread = threading.Thread(
        target=server.serve_forever, args=(0.02,), name="simulator", daemon=True
    )
    thread.start()
    account.resume(made.power)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        account.close()


def serve(folder: Path) -> None:
    """Serve in the foreground until SIGTERM. Raises SimulatorError, OSError."""
    made = settings.load(folder)
    if made is None:
        raise StateDamaged(f"{settings.path(folder)}: no such file; start with `up`")

    def stop(signum: int, frame: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    account = load_account(folder, made, write_log)
    server = bind(made, account, write_log)
    account.resume(made.power)
    write_log(f"serving {made.origin}")
    server.serve_forever()


def write_log(line: str) -> None:
    """One line to standard output, with the time."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(f"{stamp} {line}", flush=True)
