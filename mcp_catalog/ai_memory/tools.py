"""The tools, as the model sees them: names, arguments and docstrings are the interface.

user_id, agent_id and run_id are the caller's words and protect nothing: unless
MEMORY_SCOPE_FROM_CALLER is true, all callers share all memories.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from sophia_mcp.audit import request_of
from sophia_mcp.pages import Cursor, Limit
from sophia_mcp.policy import destroys, reads, writes

from .models import (
    AgentId,
    Changed,
    Content,
    Deleted,
    EntityKind,
    EntityPage,
    Memory,
    MemoryPage,
    Metadata,
    Query,
    RunId,
    SearchResult,
    Stats,
    Stored,
    Tags,
    UserId,
)
from .scope import Scope
from .search import search
from .store import MemoryStore

Call = Context[MemoryStore, Any]


def _store(call: Call) -> MemoryStore:
    return call.request_context.lifespan_context


def _owner(call: Call) -> str | None:
    """The caller, if every caller has its own memories; None if all share them."""
    if not _store(call).per_caller:
        return None
    request = call.request_context.request
    caller = request_of(request.scope).caller if request is not None else None
    if caller is None:
        raise ToolError(
            "this server keeps each caller's memories apart and was not told who calls; "
            "call it through the gateway"
        )
    return caller


def _scope(
    call: Call,
    user_id: str | None = None,
    agent_id: str | None = None,
    run_id: str | None = None,
    tags: Sequence[str] | None = None,
) -> Scope:
    return Scope(_owner(call) or user_id, agent_id, run_id, tags or ())


async def store_memory(
    call: Call,
    content: Content,
    user_id: UserId = None,
    agent_id: AgentId = None,
    run_id: RunId = None,
    tags: Tags | None = None,
    metadata: Metadata | None = None,
) -> Stored:
    """Remember a fact, for a user, an agent, a run, any of them together, or for all.

    Storing the same content in the same scope again keeps one memory and adds the new tags and
    metadata keys to it, so repeating a call is safe. Unless this server keeps callers apart,
    everybody who may call it can read, change and delete it.
    """
    scope = _scope(call, user_id, agent_id, run_id)
    return await _store(call).add(content, scope, tags or [], metadata or {})


async def search_memories(
    call: Call,
    query: Query,
    user_id: UserId = None,
    agent_id: AgentId = None,
    run_id: RunId = None,
    tags: Tags | None = None,
    limit: Limit = 10,
) -> SearchResult:
    """Find memories by their words and, where the answer's mode is hybrid, by their meaning, best
    match first; scope and tags narrow the search.

    Without a scope it searches what all callers stored, unless this server keeps them apart.
    """
    scope = _scope(call, user_id, agent_id, run_id, tags)
    return await search(_store(call), query, scope, limit)


async def get_memory(call: Call, memory_id: UUID) -> Memory:
    """Get one memory by its id."""
    return await _store(call).get(memory_id, _scope(call))


async def get_memories(
    call: Call,
    user_id: UserId = None,
    agent_id: AgentId = None,
    run_id: RunId = None,
    tags: Tags | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> MemoryPage:
    """List memories, newest first; scope and tags narrow the list.

    Without a scope it lists what all callers stored, unless this server keeps them apart.
    """
    return await _store(call).page(_scope(call, user_id, agent_id, run_id, tags), limit, cursor)


async def update_memory(
    call: Call,
    memory_id: UUID,
    content: Annotated[Content | None, Field(description="The new text")] = None,
    tags: Annotated[Tags | None, Field(description="The new tags, instead of the old")] = None,
    metadata: Annotated[Metadata | None, Field(description="Instead of the old")] = None,
) -> Changed:
    """Change a memory's content, tags or metadata; what is left out stays as it is."""
    if content is None and tags is None and metadata is None:
        raise ToolError("update_memory: expected content, tags or metadata, got none of them")
    return await _store(call).update(memory_id, _scope(call), content, tags, metadata)


async def delete_memory(call: Call, memory_id: UUID) -> Deleted:
    """Delete one memory for good."""
    await _store(call).delete(memory_id, _scope(call))
    return Deleted(deleted=1)


async def delete_all_memories(
    call: Call, user_id: UserId = None, agent_id: AgentId = None, run_id: RunId = None
) -> Deleted:
    """Delete all memories of a user, an agent or a run for good; given several, all must match.

    Those that other callers stored, too, unless this server keeps callers apart.
    """
    if (user_id, agent_id, run_id) == (None, None, None):
        raise ToolError(
            "delete_all_memories: expected user_id, agent_id or run_id, got none of them; "
            "it never deletes the memories of everybody"
        )
    owner = _owner(call)
    if owner is not None and user_id not in (None, owner):
        raise ToolError(
            f"user_id: this server keeps each caller's memories apart; expected {owner!r}, which "
            f"deletes all of yours, or agent_id or run_id alone, got {user_id!r}"
        )
    scope = _scope(call, user_id, agent_id, run_id)
    return Deleted(deleted=await _store(call).delete_all(scope))


async def get_memory_stats(
    call: Call, user_id: UserId = None, agent_id: AgentId = None, run_id: RunId = None
) -> Stats:
    """Count the memories of a scope: how many, whose, how large, how old, with which tags."""
    return await _store(call).stats(_scope(call, user_id, agent_id, run_id))


async def list_entities(
    call: Call, kind: EntityKind | None = None, limit: Limit = 50, cursor: Cursor = None
) -> EntityPage:
    """List the users, agents and runs that have memories, with their counts, as far as the newest
    20,000 memories tell."""
    return await _store(call).entities(_scope(call), kind, limit, cursor)


TOOLS = (
    writes(store_memory, repeatable=True),
    reads(search_memories),
    reads(get_memory),
    reads(get_memories),
    writes(update_memory, repeatable=True),
    destroys(delete_memory, repeatable=True),
    destroys(delete_all_memories, repeatable=True),
    reads(get_memory_stats),
    reads(list_entities),
)
