"""Pure: what HubSpot says went wrong, with a request or with items of a batch."""

import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp.pages import cut
from sophia_mcp.upstream.faults import one_line

from .fields import Found, listed

T = TypeVar("T")
_SCOPES = ("requiredGranularScopes", "requiredScopes", "missingScopes")
_ITEMS = ("ids", "id", "fromObjectId", "toObjectId")


class Failure(BaseModel):
    """Items of a batch, as they were given, and why they were not done."""

    items: list[str]
    why: str


class Batch(Found, Generic[T]):
    """A batch's answer, with status 207 if some of its items failed."""

    results: list[T]
    errors: list[dict[str, Any]] | None = None


def explain(body: bytes) -> str:
    """What to do about an error, from its body."""
    error = json.loads(body)
    match error.get("category"), error.get("policyName"):
        case _, "DAILY":
            return "The account's calls of this day are used up: try again tomorrow."
        case _, "SECONDLY" | "TEN_SECONDLY_ROLLING":
            return "Too many requests at once: try again in 10 s."
        case "MISSING_SCOPES", _:
            about = [error, *listed(error, "errors")]
            lists = (listed(_context(one), key) for one in about for key in _SCOPES)
            scopes = " or ".join(sorted({str(scope) for one in lists for scope in one}))
            what = scopes or "the scope that this needs"
            return f"Ask the operator of this server to give its private app {what}."
        case "VALIDATION_ERROR", _:
            return f"{why(error)} list_properties says what there is, and what fits."
    if b"LIMIT_EXCEEDED" in body:
        return "Ask for a shorter time, or longer periods such as monthly."
    return ""


def lasts(body: bytes) -> bool:
    """Whether it is the limit of the day."""
    return bool(json.loads(body).get("policyName") == "DAILY")


def why(error: dict[str, Any]) -> str:
    """Its message, and the errors of each property; some messages hold these as JSON."""
    head, found, rest = str(error.get("message") or error.get("category") or "?").partition("[{")
    try:
        inside, _ = json.JSONDecoder().raw_decode(found + rest) if found else ([], 0)
    except ValueError:
        head, inside = head + found + rest, []
    parts = [head.rstrip(": ")]
    for one in [*inside, *listed(error, "errors")]:
        about = listed(one, "name") or listed(_context(one), "propertyName")
        parts.append(": ".join(map(str, [*about, *listed(one, "message")])))
    return cut("; ".join(dict.fromkeys(filter(None, map(one_line, parts)))).rstrip("."), 600) + "."


def failures(
    errors: Sequence[dict[str, Any]] | None, done: Sequence[object], names: Sequence[str] = ()
) -> list[Failure]:
    """names: of the items that were sent; a trace in an error is a place among them.

    Raises:
        ToolError: nothing is done.
    """
    failed = []
    for error in errors or ():
        context = _context(error)
        items = [names[int(t)] for t in map(str, listed(context, "objectWriteTraceId"))
                 if t.isdecimal() and int(t) < len(names)]  # fmt: skip
        items = items or [str(one) for key in _ITEMS for one in listed(context, key)]
        failed.append(Failure(items=items, why=why(error)))
    if failed and not done:
        said = " ".join(f"{', '.join(one.items) or 'All'}: {one.why}" for one in failed[:5])
        raise ToolError(f"HubSpot did nothing of it. {said}")
    return failed


def _context(error: object) -> object:
    return error.get("context") if isinstance(error, dict) else None
