"""Cursors: the last entry of a page, as text that only this server reads."""

import base64
import json
from datetime import datetime
from uuid import UUID

from mcp.server.mcpserver.exceptions import ToolError


def of_memory(created_at: datetime, memory_id: UUID) -> str:
    """The cursor after this memory."""
    return _encode(created_at.isoformat(), str(memory_id))


def read_memory(cursor: str) -> tuple[datetime, UUID]:
    """What `of_memory` was given. Raises ToolError if this is none of its cursors."""
    try:
        created_at, memory_id = _decode(cursor)
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("expected a time with its zone")
        return moment, UUID(memory_id)
    except ValueError:
        raise _refused() from None


def of_entity(kind: str, entity_id: str) -> str:
    """The cursor after this entity."""
    return _encode(kind, entity_id)


def read_entity(cursor: str) -> tuple[str, str]:
    """What `of_entity` was given. Raises ToolError if this is none of its cursors."""
    try:
        kind, entity_id = _decode(cursor)
    except ValueError:
        raise _refused() from None
    return kind, entity_id


def _encode(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _decode(cursor: str) -> list[str]:
    parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    if not isinstance(parts, list) or not all(
        isinstance(part, str) and part and "\0" not in part for part in parts
    ):
        raise ValueError("expected a list of texts")
    return parts


def _refused() -> ToolError:
    return ToolError(
        "cursor: expected the next_cursor of a previous answer of this tool, unchanged"
    )
