"""Limits and records the cost of model calls, for servers that spend money on OpenRouter."""

from datetime import UTC, date, datetime

from mcp.server.mcpserver.exceptions import ToolError

from .settings import Settings


def read_budget(settings: Settings) -> "Budget":
    """From OPENROUTER_MAX_USD_PER_CALL (0.10) and OPENROUTER_MAX_USD_PER_DAY (5).

    Raises:
        SettingError: one is not an amount.
    """
    return Budget(
        settings.usd("OPENROUTER_MAX_USD_PER_CALL", "0.10", most=1_000),
        settings.usd("OPENROUTER_MAX_USD_PER_DAY", "5", most=100_000),
    )


class Budget:
    """For this replica. A call's estimate is reserved until its cost is known."""

    def __init__(self, per_call: float, per_day: float) -> None:
        self.per_call, self.per_day = per_call, per_day
        self._day, self._spent = datetime.now(UTC).date(), 0.0

    def spent(self) -> float:
        """USD since midnight UTC, or the start of the process."""
        today = datetime.now(UTC).date()
        if self._day != today:
            self._day, self._spent = today, 0.0
        return round(self._spent, 6)

    def most(self) -> float:
        """The most that a call may cost now."""
        return max(0.0, min(self.per_call, self.per_day - self.spent()))

    def hold(self, usd: float) -> date:
        """Reserves a call's estimate.

        Raises:
            ToolError: it is above the limit of a call, or what is left of the day's.
        """
        if round(usd - self.per_call, 9) > 0:
            raise ToolError(
                f"This call might cost ${usd:.4f}, above the ${self.per_call:g} that a call may "
                "(OPENROUTER_MAX_USD_PER_CALL). Nothing was sent: lower max_tokens, shorten the "
                "prompt, take a cheaper model, or ask the operator of this server to raise it."
            )
        if round((spent := self.spent()) + usd - self.per_day, 9) > 0:
            raise ToolError(
                f"This call might cost ${usd:.4f}, and ${spent:.4f} of today's "
                f"${self.per_day:g} are spent (OPENROUTER_MAX_USD_PER_DAY). Nothing was sent: take "
                "a cheaper or free model, wait for midnight UTC, or ask the operator to raise it."
            )
        self._spent += usd
        return self._day

    def settle(self, day: date, held: float, usd: float) -> None:
        """Replaces the estimate with the cost."""
        self.spent()
        if day == self._day:
            self._spent += usd - held
