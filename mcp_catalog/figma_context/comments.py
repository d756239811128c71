"""Comments on a file, thread by thread."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.arguments import given
from sophia_mcp.fields import Id, Text, at
from sophia_mcp.pages import Cursor, Limit, NextCursor

from .figma import Figma, File, NodeId, place

_Message = Annotated[str, Field(min_length=1, max_length=5_000)]
_ReplyTo = Annotated[
    str | None, Field(pattern=r"^\d{1,30}$", description="Id of a thread, not of a reply in it")
]
_Offset = Annotated[
    float, Field(ge=-100_000, le=100_000, description="Pixels from the node's upper left corner")
]


class Comment(BaseModel):
    """What somebody wrote."""

    id: Id
    author: Text = at("user", "handle", default="")
    message: Text
    created_at: Text = ""


class Thread(Comment):
    """A comment with its replies, the oldest first. number: as Figma shows it.
    node_id: what it is pinned to; null for a place on the canvas."""

    number: str | None = at("order_id", default=None)
    resolved_at: str | None = None
    node_id: str | None = at("client_meta", "node_id", default=None)
    replies: list[Comment] = Field(default_factory=list)


class _Given(Thread):
    parent_id: Id | None = None


class Threads(BaseModel):
    """Threads, the newest first. total: of all pages."""

    threads: list[Thread]
    total: int
    next_cursor: NextCursor = None


class _All(BaseModel):
    comments: list[_Given]


class CommentTools:
    """The tools."""

    def __init__(self, figma: Figma) -> None:
        self._figma = figma

    async def get_comments(
        self, file: File, status: Literal["open", "resolved", "all"] = "open",
        node_id: NodeId | None = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Threads:  # fmt: skip
        """List comments on a file as threads. node_id: only those pinned to exactly this node."""
        key, _ = place(file)
        found = await self._figma.get(_All, "files", key, "comments", as_md="true")
        threads = [
            one
            for one in _threads(found.comments)
            if status in ("all", "resolved" if one.resolved_at else "open")
            and node_id in (None, one.node_id)
        ]
        page, following = pages.paged(threads, cursor, limit)
        pages.cut_all([one for thread in page for one in (thread, *thread.replies)], "message")
        return Threads(threads=[*page], total=len(threads), next_cursor=following)

    async def post_comment(
        self, file: File, message: _Message, reply_to: _ReplyTo = None,
        node_id: NodeId | None = None, x: _Offset = 0, y: _Offset = 0,
    ) -> Comment:  # fmt: skip
        """Comment on a file as the token's account, for everybody who sees the file: in a thread
        (reply_to), on a node (node_id, or the one that the address names), or else on the canvas.
        """
        key, named = place(file)
        if reply_to and node_id:
            raise ToolError("reply_to and node_id: expected one of them; a reply has no own place")
        meta: dict[str, Any] = {"x": x, "y": y}
        if node := node_id or named:
            meta = {"node_id": node, "node_offset": meta}
        body = given(message=message, comment_id=reply_to, client_meta=None if reply_to else meta)
        return await self._figma.api.send(
            Comment, "POST", "v1", "files", key, "comments", body=body
        )


def _threads(comments: list[_Given]) -> list[_Given]:
    """A reply whose thread is gone stands for itself."""
    comments = sorted(comments, key=lambda one: one.created_at)
    roots = {one.id: one for one in comments if not one.parent_id}
    for one in comments:
        if root := roots.get(one.parent_id or ""):
            root.replies.append(one)
    return [one for one in reversed(comments) if one.parent_id not in roots]
