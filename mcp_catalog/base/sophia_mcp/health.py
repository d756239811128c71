"""Whether a replica should get requests, and if not, why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from .errors import DependencyError, NotConfigured

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 2.0
_CHECK_KEPT_SECONDS = 1.0


@dataclass
class Health:
    """Answers /health.

    The status is one of
    ok              200
    starting        503, what the server needs has never answered yet
    degraded        200, it answered before but doesn't now. It mostly affects all replicas; if
    they were left out, clients would lose the server, whose tools say what is wrong
        not_configured  200, a credential was not given; its tools say which
        draining        503, the process was told to stop
    """

    server: str
    replica: str
    check: Callable[[], Awaitable[None]] | None = None
    draining: bool = False
    _was_ready: bool = False
    _checked_at: float | None = None
    _error: Exception | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def report(self) -> tuple[int, dict[str, str]]:
        """HTTP status and body."""
        body = {"server": self.server, "replica": self.replica}
        if self.draining:
            return 503, {"status": "draining", **body}
        error = await self._latest()
        if error is None:
            self._was_ready = True
            return 200, {"status": "ok", **body}
        problem = {"problem": str(error) or type(error).__name__}
        if isinstance(error, NotConfigured):
            return 200, {"status": "not_configured", **problem, **body}
        if self._was_ready:
            return 200, {"status": "degraded", **problem, **body}
        return 503, {"status": "starting", **problem, **body}

    async def _latest(self) -> Exception | None:
        """The check's result, refreshed at most once a second."""
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
                    self._error = None
                except (DependencyError, NotConfigured) as error:
                    self._error = error
                except TimeoutError:
                    self._error = DependencyError(f"no answer within {_CHECK_SECONDS:g} s")
                except Exception as error:
                    self._error = self._unforeseen(error)
                self._checked_at = monotonic()
            return self._error

    def _unforeseen(self, error: Exception) -> DependencyError:
        """A crash of the check counts as a failure; its text may hold anything, so only its kind is
        shown. The log has where it was, once."""
        told = DependencyError(f"the check failed: {type(error).__name__}")
        if str(told) != str(self._error):
            logger.warning("the check failed", exc_info=error)
        return told
