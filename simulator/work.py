"""Work on machines: who does it, in which order, how much at once."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Protocol

from simulator.records import FirewallRule, Instance

Action = Callable[[Instance], None]

PATIENCE = 10.0
"""Seconds that an API call waits for machines. Clients give up after 30."""


class Machines(Protocol):
    """Makes the machines. Each call returns when it is done, and may take seconds."""

    def start(self, instance: Instance) -> None: ...

    def restart(self, instance: Instance) -> None: ...

    def power_on(self, instance: Instance) -> None: ...

    def kill(self, instance: Instance) -> None: ...

    def remove(self, instance: Instance) -> None: ...

    def protect(self, instance: Instance, rules: list[FirewallRule] | None) -> None:
        """Let in only what the rules allow; everything if they are None. A machine that is off
        applies them when it boots."""

    def states(self) -> dict[str, str] | None:
        """Docker's state by instance id; None if there are no real machines."""


class Work:
    """Works on machines in the background, one task per machine at a time."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._any = ThreadPoolExecutor(8, "machines")
        # Separate from background work, which may take its time.
        self._awaited = ThreadPoolExecutor(8, "awaited")
        # Booting takes a core: more starts at once would all be slower, none sooner.
        self._starts = ThreadPoolExecutor(os.cpu_count(), "starts")
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def submit(self, action: Action, instance: Instance) -> None:
        self._any.submit(action, instance)

    def all(self, action: Action, instances: Iterable[Instance]) -> None:
        """Does it to all, several at a time. Returns when done; if that takes long, it continues in
        the background."""
        wait([self._awaited.submit(action, one) for one in instances], PATIENCE)

    def submit_start(self, action: Action, instance: Instance) -> None:
        """Like `submit`, for work that boots a machine."""
        self._starts.submit(action, instance)

    def turn(self, instance: Instance) -> AbstractContextManager[object]:
        """Excludes other work on the machine within this context."""
        return self._turns[instance.id]

    def do(self, verb: str, action: Action, instance: Instance) -> str:
        """Does it and logs it; returns the error, "" for none."""
        title = f"{verb} {instance.id} ({instance.hostname}, {instance.ip})"
        began = time.monotonic()
        try:
            with self.turn(instance):
                action(instance)
        except Exception as error:
            self._log(f"{title}: failed: {error}")
            return str(error) or repr(error)
        self._log(f"{title}: done in {time.monotonic() - began:.1f} s")
        return ""

    def close(self) -> None:
        """Wait for the work in progress."""
        for pool in (self._starts, self._any, self._awaited):
            pool.shutdown(wait=True)
