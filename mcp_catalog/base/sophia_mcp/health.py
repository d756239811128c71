"""Whether a replica should be sent requests, and why not."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from .errors import DependencyError
from .server import Check

_CHECK_SECONDS = 2.0
_CHECK_KEPT_SECONDS = 1.0


@dataclass
class Health:
    """Answers /health.

    The status is one of
        ok        200
        starting  503, what the server needs has never answered yet
        degraded  200, it answered before and does not now. All replicas need the same: without
                  them clients would lose the server, where tools can say what is wrong
        draining  503, the process was told to stop
    """

    server: str
    replica: str
    check: Check | None = None
    draining: bool = False
    _was_ready: bool = False
    _checked_at: float | None = None
    _problem: str | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def report(self) -> tuple[int, dict[str, str]]:
        """HTTP status and body."""
        body = {"server": self.server, "replica": self.replica}
        if self.draining:
            return 503, {"status": "draining", **body}
        problem = await self._dependency_problem()
        if problem is None:
            self._was_ready = True
            return 200, {"status": "ok", **body}
        if self._was_ready:
            return 200, {"status": "degraded", "problem": problem, **body}
        return 503, {"status": "starting", "problem": problem, **body}

    async def _dependency_problem(self) -> str | None:
        """What is wrong with the dependency, asked at most once a second however many ask us."""
        if self.check is None:
            return None
        async with self._lock:
            kept = self._checked_at is not None and (
                monotonic() - self._checked_at < _CHECK_KEPT_SECONDS
            )
            if not kept:
                try:
                    async with asyncio.timeout(_CHECK_SECONDS):
                        await self.check()
                    self._problem = None
                except DependencyError as error:
                    self._problem = str(error)
                except TimeoutError:
                    self._problem = f"no answer within {_CHECK_SECONDS:g} s"
                self._checked_at = monotonic()
            return self._problem
