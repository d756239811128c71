"""Sends the lines of this node's containers to every store, each of which is found by DNS.

    python3 -S -m sophia_logs.ship tasks.sophia-logs tasks.sophia-audit-log sophia-gateway

The second one gets what tells who called what. Each store is served by a thread of its own, so that
a dead one holds up nobody: its lines stay in Docker's files. What a store has it says itself, so
nothing has to be remembered here, and what it lost when it was killed is sent again. How far each
store is, is told on /metrics.
"""

from __future__ import annotations

import resource
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sophia_logs import metrics
from sophia_logs.follow import DISORDER, FOLDER, Follower, Had
from sophia_logs.lines import Line
from sophia_logs.store import PORT, Store, StoreError

ALIVE = Path("/tmp/alive")
"""Written at each turn, for the health check."""
_PAUSE_S = 1.0
_RETRY_S = 3.0
"""Longer than a store takes until a search finds what it took."""
_UNSETTLED_S = 15.0
"""How long a store may lose what it took, if it is killed: it writes to disk every 5 s."""
_MOST_UNSETTLED = 50_000
_AWAY_S = 3600.0
"""A store without an address for so long won't come back."""
_GONE_S = 30.0
"""After so long without an address it isn't told of: that its task is missing is known."""
_LOOK_S = 1.0


class Sender(threading.Thread):
    """Keeps one store up to date with this node. wanted: which lines it gets."""

    sent = refused = 0

    def __init__(
        self, store: Store, node: str, wanted: Callable[[Line], bool], folder: Path = FOLDER
    ) -> None:
        super().__init__(daemon=True)
        self.store, self.seen = store, time.monotonic()
        self.over = threading.Event()
        self._node, self._wanted = node, wanted
        self._reached = time.time()
        self._follower = Follower(self._had, folder)
        self._recent: deque[tuple[float, Line]] = deque(maxlen=_MOST_UNSETTLED)
        self._pending: list[Line] = []

    def run(self) -> None:
        failing = False
        while not self.over.is_set():
            try:
                if failing:
                    self._settle()
                busy = self.turn()
                if failing:
                    print(f"store {self.store.address} answers again", flush=True)
                failing = False
            except StoreError as error:
                if not failing:
                    print(f"store {error}: its lines wait", flush=True)
                self.refused += 1
                failing, busy = True, False
            if not busy:
                self.over.wait(_RETRY_S if failing else _PAUSE_S)

    def look(self) -> None:
        """Opens files of new lines; for another thread."""
        self._follower.look()

    def turn(self) -> bool:
        """Sends what is new; whether there was anything. Raises StoreError."""
        self._send()
        now = time.time()
        found = self._follower.read()
        self._pending = [line for line in found if self._wanted(line)]
        self._send()
        # There may be more, of each container newer than these.
        self._reached = min((line.at / 10**9 for line in found), default=now)
        return bool(found)

    def told(self, store: str, manager: str) -> metrics.Told:
        """How far it is."""
        behind = max(0.0, time.time() - self._reached)
        dropped = self._follower.dropped
        return metrics.Told(store, manager, self.sent, self.refused, dropped, behind)

    def _settle(self) -> None:
        """After a failure nobody knows what of the last seconds the store has, but the store."""
        doubtful = [*(line for _, line in self._recent), *self._pending]
        self._pending = doubtful[-_MOST_UNSETTLED:]
        self._recent.clear()
        self._pending = self.store.lacking(self._pending)

    def _send(self) -> None:
        if self._pending:
            self.store.send(self._pending, self._node)
            self.sent += len(self._pending)
            self._recent.extend((time.monotonic(), line) for line in self._pending)
            self._pending = []
        while self._recent and self._recent[0][0] < time.monotonic() - _UNSETTLED_S:
            self._recent.popleft()

    def _had(self, container: str) -> Had:
        newest = self.store.newest(container)
        if newest is None:
            return Had()
        return Had(newest, self.store.times(container, newest - DISORDER, newest))


def found(host: str) -> dict[str, str]:
    """Addresses of a service's tasks, by what stays when a task is replaced: Docker's DNS names the
    task of an address, and that of a global service is called after its node. A task that it
    doesn't name just now is left out: under another name each line would be sent to it again."""
    known: dict[str, str] = {}
    with suppress(OSError):
        tasks = socket.getaddrinfo(host, PORT, socket.AF_INET, socket.SOCK_STREAM)
        for address in (str(where[0]) for *_, where in tasks):
            with suppress(OSError):
                known[_identity(address)] = address
    return known


def _identity(address: str) -> str:
    """Raises OSError."""
    parts = socket.gethostbyaddr(address)[0].split(".")
    # service.node.task.network
    return parts[1] if len(parts) == 4 else address


def open_many() -> None:
    """Allows as many open files as this process may have: each file of a container is open for each
    store, and newer Dockers allow 1,024 unless asked."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(logs: str, audit: str, gateway: str) -> None:
    """Runs until it is ended. logs, audit: names of the stores' tasks. gateway: its service."""
    open_many()
    node = socket.gethostname()
    wanted: dict[str, Callable[[Line], bool]] = {
        logs: lambda line: True,
        audit: lambda line: line.audits(gateway),
    }
    senders: dict[tuple[str, str], Sender] = {}

    def told() -> str:
        there = [
            sender.told("logs" if host == logs else "audit-log", identity)
            for (host, identity), sender in list(senders.items())
            if sender.seen > time.monotonic() - _GONE_S
        ]
        return metrics.text(node, there)

    metrics.serve(told)
    while True:
        for host, lines in wanted.items():
            for identity, address in found(host).items():
                sender = senders.get((host, identity))
                if sender is None:
                    sender = senders[host, identity] = Sender(Store(address), node, lines)
                    sender.start()
                    print(f"sending to {host} at {address} ({identity})", flush=True)
                sender.store.address, sender.seen = address, time.monotonic()
        for key, sender in list(senders.items()):
            if not sender.is_alive():
                sys.exit(f"the thread for {key} ended")
            if sender.seen < time.monotonic() - _AWAY_S:
                senders.pop(key).over.set()
            else:
                sender.look()
        ALIVE.touch()
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
