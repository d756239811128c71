"""Which memories a call is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg.sql import SQL, Composed


@dataclass(frozen=True)
class Scope:
    """Memories of this user, agent and run that carry all these tags; None and () mean any."""

    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    tags: Sequence[str] = field(default=())

    def condition(self) -> Composed:
        """The SQL condition that `parameters()` goes with."""
        parts = [SQL("true")]
        if self.user_id is not None:
            parts.append(SQL("user_id = %(user_id)s"))
        if self.agent_id is not None:
            parts.append(SQL("agent_id = %(agent_id)s"))
        if self.run_id is not None:
            parts.append(SQL("run_id = %(run_id)s"))
        if self.tags:
            parts.append(SQL("tags @> %(tags)s"))
        return SQL(" AND ").join(parts)

    def parameters(self) -> dict[str, object]:
        """The values of `condition()`."""
        return {
            "user_id": self.user_id,
            "agent_id": self.agent_id,
            "run_id": self.run_id,
            "tags": list(self.tags),
        }
