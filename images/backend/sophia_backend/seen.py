"""What /activity of a replica tells; see sophia_mcp.activity."""

from pydantic import BaseModel


class Count(BaseModel):
    """Of one caller; name: None for those without one."""

    name: str | None
    calls: int
    errors: int


class Error(BaseModel):
    """A call that failed."""

    at: str
    tool: str
    caller: str | None
    outcome: str
    reason: str | None
    request_id: str
    ms: float


class Activity(BaseModel):
    """ms: durations with how many calls took so long."""

    callers: list[Count] = []
    ms: list[tuple[float, int]] = []
    recent_errors: list[Error] = []
