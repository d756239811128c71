"""The settings of a simulated cloud."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """Times are in seconds; 0 switches a limit off.

    The real service: 1 request a second, 1 launch per 12 s, minutes of booting.
    """

    boot_seconds: float = 0.5
    """From launch to active; the address appears after half of it."""
    terminate_seconds: float = 0.0
    """The least time that a machine is `terminating`."""
    remember_seconds: float = 600.0
    """How long a terminated machine is still found by its id."""
    requests_per_second: float = 0.0
    launch_interval: float = 0.0
    quota: int = 0
    """How many instances the account may have; 0 for any number."""

    @property
    def request_interval(self) -> float:
        """Seconds between two requests; 0 for no limit."""
        return 1 / self.requests_per_second if self.requests_per_second else 0.0
