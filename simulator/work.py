"""What is done to machines: by whom, in which order, how many at once."""

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
"""Seconds that whoever asks the API waits for machines. Clients give up after 30."""


class Machines(Protocol):
    """Who makes the machines. Each call returns when it is done, and may take seconds."""

    def start(self, instance: Instance) -> None: ...

    def restart(self, instance: Instance) -> None: ...

    def power_on(self, instance: Instance) -> None: ...

    def kill(self, instance: Instance) -> None: ...

    def remove(self, instance: Instance) -> None: ...

    def protect(self, instance: Instance, rules: list[FirewallRule] | None) -> None:
        """Let in what the rules say and nothing else; everything where they are None. A machine
        that is off does so when it boots."""

    def states(self) -> dict[str, str] | None:
        """Docker's state by instance id; None where there are no machines to look at."""


class Work:
    """Runs what is to be done to machines in the background, one thing a machine at a time."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._any = ThreadPoolExecutor(8, "machines")
        # Apart from what goes on in the background, which may take its time.
        self._awaited = ThreadPoolExecutor(8, "awaited")
        # Booting takes a core: more starts at once would all be slower, none sooner.
        self._starts = ThreadPoolExecutor(os.cpu_count(), "starts")
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def submit(self, action: Action, instance: Instance) -> None:
        self._any.submit(action, instance)

    def all(self, action: Action, instances: Iterable[Instance]) -> None:
        """Has it done to all, several at a time. Returns when it is done; where that takes long, it
        continues in the background."""
        wait([self._awaited.submit(action, one) for one in instances], PATIENCE)

    def submit_start(self, action: Action, instance: Instance) -> None:
        """As `submit`, for what boots a machine."""
        self._starts.submit(action, instance)

    def turn(self, instance: Instance) -> AbstractContextManager[object]:
        """Nothing else is done to the machine within this context."""
        return self._turns[instance.id]

    def do(self, verb: str, action: Action, instance: Instance) -> str:
        """Has it done, and logged; what went wrong, "" if nothing did."""
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
        """Wait for what is under way."""
        for pool in (self._starts, self._any, self._awaited):
            pool.shutdown(wait=True)
