"""What goes into the tools and what comes out of them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field
from sophia_mcp.pages import NextCursor

MAX_CONTENT = 20_000
MAX_CONTENT_BYTES = 4 * MAX_CONTENT + 2
MAX_METADATA_BYTES = 8_192
MAX_TAGS = 20
LISTED_CONTENT = 2_000
COUNTED = 20_000


def _storable(text: str) -> str:
    """Refuses what Postgres can't keep in a text."""
    if "\0" in text:
        raise ValueError("expected text without NUL characters; remove them")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("expected valid Unicode, got half a surrogate pair") from None
    return text


def _readable(text: str) -> str:
    """Refuses what get_memory could not give back within the bound of an answer."""
    size = len(json.dumps(_storable(text), ensure_ascii=False).encode())
    if size > MAX_CONTENT_BYTES:
        raise ValueError(
            f"expected at most {MAX_CONTENT_BYTES} bytes as JSON, got {size}; a control character "
            "takes six, so remove those"
        )
    return text


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    size = len(_storable(text).encode())
    if r"\u0000" in text:
        raise ValueError("expected metadata without NUL characters; remove them")
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"expected at most {MAX_METADATA_BYTES} bytes as JSON, got {size}")
    return metadata


Content = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CONTENT, description="The fact to remember, as text"),
    AfterValidator(_readable),
]
Query = Annotated[
    str,
    Field(min_length=1, max_length=1_000, description='Words, "a phrase", -excluded'),
    AfterValidator(_storable),
]
_Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
UserId = Annotated[_Id | None, Field(description="Whom it is about")]
AgentId = Annotated[_Id | None, Field(description="Which agent it belongs to")]
RunId = Annotated[_Id | None, Field(description="Which conversation or run it belongs to")]
_Tag = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_storable)]
Tags = Annotated[list[_Tag], Field(max_length=MAX_TAGS)]
Metadata = Annotated[
    dict[str, Any],
    Field(description=f"Any JSON object of at most {MAX_METADATA_BYTES} bytes"),
    AfterValidator(_small),
]
EntityKind = Literal["user", "agent", "run"]
Mode = Annotated[
    Literal["lexical", "hybrid"],
    Field(description="lexical: found by words only; hybrid: by words and meaning"),
]


class Memory(BaseModel):
    """One remembered fact."""

    id: UUID
    content: str
    truncated: bool = Field(
        description=f"True if only the first {LISTED_CONTENT:,} characters of the content are "
        "here; get_memory has it whole"
    )
    user_id: str | None
    agent_id: str | None
    run_id: str | None
    tags: list[str]
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


_Embedded = Annotated[
    bool,
    Field(description="Whether search finds it by meaning; if not, by its words, for now at least"),
]


class Stored(BaseModel):
    """The answer of store_memory."""

    memory: Memory
    created: bool = Field(description="False if this scope already held the same content")
    embedded: _Embedded


class Changed(Memory):
    """The answer of update_memory."""

    embedded: _Embedded


class MemoryPage(BaseModel):
    """Memories, newest first."""

    memories: list[Memory]
    next_cursor: NextCursor


class Hit(BaseModel):
    """A memory that a search found."""

    memory: Memory
    score: float = Field(description="Higher is better; comparable within one answer only")
    cosine: float | None = Field(
        default=None,
        description="How near its meaning is, 1 at most; null if only its words were looked at",
    )


class SearchResult(BaseModel):
    """Hits, best first."""

    hits: list[Hit]
    mode: Mode
    note: str | None = Field(default=None, description="Why only words were looked at this time")
    more: bool = Field(description="True if some did not fit: narrow the search")


class Deleted(BaseModel):
    """How many memories were deleted."""

    deleted: int


class TagCount(BaseModel):
    """A tag and how many memories carry it."""

    tag: str
    memories: int


class Stats(BaseModel):
    """Numbers on the memories of a scope."""

    complete: bool = Field(
        description=f"False if the scope has {COUNTED:,} memories or more: the numbers are of the "
        "newest then"
    )
    memories: int
    embedded: int | None = Field(
        description="How many of them are found by meaning, too; null if this server can't tell, "
        "or searches by words only"
    )
    users: int
    agents: int
    runs: int
    content_bytes: int
    oldest: datetime | None
    newest: datetime | None
    top_tags: list[TagCount]


class Entity(BaseModel):
    """A user, an agent or a run that has memories."""

    kind: EntityKind
    id: str
    memories: int
    last_updated: datetime


class EntityPage(BaseModel):
    """Entities by kind and id."""

    entities: list[Entity]
    next_cursor: NextCursor
