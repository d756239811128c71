"""An account's data, locked and saved as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulator.records import Instance, State


class Store:
    """The account's state. Hold `lock` to read it; change it only within `change`."""

    def __init__(self, state: State, save: Callable[[State], None]) -> None:
        self.state = state
        self.lock = threading.RLock()
        self._save = save

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state, locked; saved at the end, before any answer, unless the block raises."""
        with self.lock:
            yield self.state
            self._save(self.state)

    def present(self) -> list[Instance]:
        """All instances except terminated ones."""
        with self.lock:
            return [one for one in self.state.instances if one.phase != "terminated"]
