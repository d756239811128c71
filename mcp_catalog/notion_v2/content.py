"""What pages say: as Markdown, which Notion itself reads and writes, as blocks, and comments."""

import json
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.pages import Cursor, Limit
from sophia_mcp.upstream import Upstream

from . import models
from .arguments import BlockId, Markdown, PageId, TargetId
from .values import rich

LONGEST, MOST = 10_000, 2_000_000
"""Characters of a line that is kept whole, and of a page after edits."""

_Said = Annotated[
    str,
    Field(min_length=1, max_length=10_000, description="Markdown of one paragraph: bold, links, …"),
]


class Edit(BaseModel):
    """A replacement in a page's Markdown. old: exactly as retrieve_page_markdown has it."""

    old: Annotated[str, Field(min_length=1, max_length=50_000)]
    new: Markdown
    everywhere: bool = Field(False, description="Else old must be there once only")


class Leaf(BaseModel):
    """A new block of any type that Notion has."""

    type: Annotated[str, Field(pattern=r"^[a-z_0-9]{1,50}$")] = "paragraph"
    text: Annotated[str | None, Field(max_length=50_000, description="Plain, its rich_text")] = None
    fields: dict[str, Any] = Field(
        default_factory=dict,
        description='Others of its type: {"checked": true} of to_do, {"language": "python"} of '
        'code, {"url": "…"} of bookmark, {"external": {"url": "…"}} of image',
    )

    def as_notion_has_it(self) -> dict[str, Any]:
        """As a block of Notion's."""
        said = {} if self.text is None else {"rich_text": rich(self.text)}
        return {"type": self.type, self.type: {**said, **self.fields}}


class NewBlock(Leaf):
    """A new block with others in it."""

    children: Annotated[list[Leaf], Field(max_length=100)] = Field(default_factory=list)

    def as_notion_has_it(self) -> dict[str, Any]:
        """As a block of Notion's."""
        block = super().as_notion_has_it()
        if self.children:
            block[self.type]["children"] = [one.as_notion_has_it() for one in self.children]
        return block


class Contents:
    """Content of pages, and what is said about it."""

    def __init__(self, notion: Upstream) -> None:
        self._notion = notion

    async def retrieve_page_markdown(
        self,
        page_id: PageId,
        transcripts: Annotated[bool, Field(description="With those of meeting notes")] = False,
        cursor: Cursor = None,
    ) -> models.MarkdownPart:
        """Read a page as Markdown, in parts where it is long.

        Child pages and databases are links, what Markdown has no form for is <unknown>.
        """
        begin = _number(cursor) if cursor else 0
        found = await self._content(page_id, transcripts)
        shown, following = _part(found.markdown, begin)
        return models.MarkdownPart(
            page_id=found.id,
            markdown=shown,
            next_cursor=following,
            left_out_block_ids=found.unknown_block_ids[:50],
        )

    async def update_page_markdown(
        self,
        page_id: PageId,
        edits: Annotated[list[Edit] | None, Field(min_length=1, max_length=100)] = None,
        insert: Annotated[Markdown | None, Field(min_length=1)] = None,
        at: Literal["start", "end"] = "end",
    ) -> models.Written:
        """Edit a page's content by replacing texts in its Markdown, or insert Markdown.

        edits, insert: one of them. Where an edit does not fit, none is made. Child pages and
        databases are never removed. replace_page_markdown writes a page anew.
        """
        if (edits is None) == (insert is None):
            raise ToolError("expected either edits or insert")
        if edits is None:
            body: dict[str, Any] = {"content": insert, "position": {"type": at}}
            return await self._written(page_id, "insert_content", body)
        _refuse_misfits(edits, (await self._content(page_id)).markdown)
        updates = [
            {"old_str": one.old, "new_str": one.new, "replace_all_matches": one.everywhere}
            for one in edits
        ]
        body = {"content_updates": updates, "allow_deleting_content": False}
        return await self._written(page_id, "update_content", body)

    async def replace_page_markdown(self, page_id: PageId, markdown: Markdown) -> models.Written:
        """Replace all that a page says. What it said is gone, with the comments on it.

        Notion refuses if a child page or database would be removed: keep their links, or move them
        before.
        """
        body = {"new_str": markdown, "allow_deleting_content": False}
        return await self._written(page_id, "replace_content", body)

    async def get_block_children(
        self, block_id: BlockId, limit: Limit = 50, cursor: Cursor = None
    ) -> models.Blocks:
        """List the blocks directly in a page or a block, with their ids."""
        params = {"page_size": limit, "start_cursor": cursor}
        return await self._notion.get(models.Blocks, "blocks", block_id, "children", params=params)

    async def append_block_children(
        self,
        block_id: BlockId,
        blocks: Annotated[list[NewBlock], Field(min_length=1, max_length=100)],
        after: Annotated[
            BlockId | None, Field(description="Block in it to put them behind; else at the end")
        ] = None,
    ) -> models.Blocks:
        """Add blocks to a page or into a block. update_page_markdown inserts Markdown in a page."""
        body: dict[str, Any] = {"children": [one.as_notion_has_it() for one in blocks]}
        if after:
            body["position"] = {"type": "after_block", "after_block": {"id": after}}
        return await self._notion.send(
            models.Blocks, "PATCH", "blocks", block_id, "children", body=body
        )

    async def delete_block(self, block_id: BlockId) -> models.Block:
        """Delete a block with all inside it, be it a child page or database."""
        answer = await self._notion.request("DELETE", "blocks", block_id)
        return self._notion.read(models.Block, answer)

    async def create_comment(
        self,
        text: _Said,
        target_id: TargetId,
        target_kind: Literal["page", "block", "discussion"] = "page",
    ) -> models.Comment:
        """Comment on a page or a block, or answer in a discussion."""
        target: dict[str, Any] = {f"{target_kind}_id": target_id}
        if target_kind != "discussion":
            target = {"parent": target}
        return await self._notion.send(
            models.Comment, "POST", "comments", body={**target, "markdown": text}
        )

    async def list_comments(
        self, block_id: BlockId, limit: Limit = 50, cursor: Cursor = None
    ) -> models.Comments:
        """List open comments on a page or a block; resolved ones are not told."""
        params = {"block_id": block_id, "page_size": limit, "start_cursor": cursor}
        return await self._notion.get(models.Comments, "comments", params=params)

    async def _content(self, page_id: str, transcripts: bool = False) -> models.PageMarkdown:
        params = {"include_transcript": "true"} if transcripts else None
        return await self._notion.get(
            models.PageMarkdown, "pages", page_id, "markdown", params=params
        )

    async def _written(self, page_id: str, kind: str, body: dict[str, Any]) -> models.Written:
        found = await self._notion.send(
            models.PageMarkdown,
            "PATCH",
            "pages",
            page_id,
            "markdown",
            body={"type": kind, kind: body},
        )
        return models.Written(page_id=found.id, length=len(found.markdown))


def _refuse_misfits(edits: list[Edit], markdown: str) -> None:
    """Raises ToolError with all edits that do not fit, each made in the text that the one before
    leaves: Notion might make those in front of it."""
    faults = []
    for number, edit in enumerate(edits, 1):
        count = markdown.count(edit.old)
        if count == 0:
            faults.append(f"{number}: old is not in the page")
        elif count > 1 and not edit.everywhere:
            faults.append(f"{number}: old is there {count} times: give more of it, or everywhere")
        elif len(markdown) + count * len(edit.new) > MOST:
            raise ToolError(f"edits: none was made: {number} would make the page too long")
        markdown = markdown.replace(edit.old, edit.new)
    if faults:
        raise ToolError(f"edits: none was made. {'; '.join(faults)}. Read the page anew.")


def _part(markdown: str, begin: int) -> tuple[str, str | None]:
    """The lines from `begin` on that fit an answer, and the cursor of the rest. Very long lines
    count as several. Characters would not do to count: addresses of files change with each
    answer."""
    lines = [
        line[start : start + LONGEST]
        for line in markdown.splitlines(keepends=True)
        for start in range(0, len(line), LONGEST)
    ]
    end, left = begin, pages.PAGE_BYTES
    while end < len(lines):
        left -= len(json.dumps(lines[end], ensure_ascii=False).encode())
        if left < 0 and end > begin:
            return "".join(lines[begin:end]), pages.cursor(str(end))
        end += 1
    return "".join(lines[begin:]), None


def _number(cursor: str) -> int:
    [given] = pages.place(cursor, 1)
    if not (given.isascii() and given.isdecimal()):
        raise pages.bad_cursor()
    return int(given[:9])
