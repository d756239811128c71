"""What an account knows, as one thing to lock and to save."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.records import Instance, State


class Store:
    """The account's state. Hold `lock` while it is read; `change` it only there."""

    def __init__(self, state: State, save: Callable[[State], None]) -> None:
        self.state = state
        self.lock = threading.RLock()
        self._save = save

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state, locked; saved at the end, before any answer is given, unless that raises."""
        with self.lock:
            yield self.state
            self._save(self.state)

    def present(self) -> list[Instance]:
        """All instances but the terminated ones."""
        with self.lock:
            return [one for one in self.state.instances if one.phase != "terminated"]
