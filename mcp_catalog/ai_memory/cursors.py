"""Cursors: the last entry of a page, as text that only this server reads."""

from datetime import datetime
from uuid import UUID

from sophia_mcp import pages


def of_memory(created_at: datetime, memory_id: UUID) -> str:
    """The cursor after this memory."""
    return pages.cursor(created_at.isoformat(), str(memory_id))


def read_memory(cursor: str) -> tuple[datetime, UUID]:
    """What `of_memory` was given. Raises ToolError if this isn't one of its cursors."""
    created_at, memory_id = pages.place(cursor, 2)
    try:
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("expected a time with its zone")
        return moment, UUID(memory_id)
    except ValueError:
        raise pages.bad_cursor() from None


def of_entity(kind: str, entity_id: str) -> str:
    """The cursor after this entity."""
    return pages.cursor(kind, entity_id)


def read_entity(cursor: str) -> tuple[str, str]:
    """What `of_entity` was given. Raises ToolError if this isn't one of its cursors."""
    kind, entity_id = pages.place(cursor, 2)
    return kind, entity_id
