"""What Notion's objects are to a model: ids, titles, values and texts that can be read."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, Field, model_validator
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import NextCursor, cut

from .values import Property, entries, file_url, inside, plain, text


class Read(BaseModel):
    """Made from one of Notion's objects, and from what `_more` finds in it."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, raw: Any) -> Any:
        return {**raw, **cls._more(raw)} if isinstance(raw, dict) else raw

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


def _title(raw: dict[str, Any]) -> str:
    values = entries(raw.get("properties")).values()
    titles = [plain(one) for one in values if inside(one, "type") == "title"]
    return text(raw.get("title")) or str((titles or [""])[0])


class Listed(BaseModel):
    """A part of a list. incomplete: why Notion leaves out more than the pages to come."""

    next_cursor: NextCursor = None
    incomplete: str | None = at("request_status", "incomplete_reason", default=None)


class Parent(Read):
    """What something is in: a page, a block, a data source, a database or the workspace."""

    type: str
    id: str | None = None

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        given = raw.get(str(raw.get("type")))  # {"type": "page_id", "page_id": "…"}
        return {"id": given if isinstance(given, str) else None}


class Item(Read):
    """A page or a data source that a search found."""

    id: str
    kind: str = at("object", description="page or data_source")
    title: str
    url: str | None = None
    parent: Parent | None = None
    last_edited_time: datetime | None = None

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return {"title": _title(raw)}


class Found(Listed):
    """What a search found."""

    items: list[Item] = at("results")


class Row(Read):
    """A page of a data source. Properties that are empty are left out, long texts cut."""

    _longest: ClassVar[int] = 500
    id: str
    url: str | None = None
    last_edited_time: datetime | None = None
    properties: dict[str, Any]

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        values = {name: plain(one) for name, one in entries(raw.get("properties")).items()}
        shown = {
            name: cut(one, cls._longest) if isinstance(one, str) else one
            for name, one in values.items()
            if one not in (None, "", [], {})
        }
        return {"properties": shown, "title": _title(raw)}


class Rows(Listed):
    """Pages of a data source."""

    data_source_id: str = ""
    rows: list[Row] = at("results")


class Page(Row):
    """A page without its content. Properties that are empty are left out."""

    _longest = 20_000
    title: str
    parent: Parent | None = None
    created_time: datetime | None = None
    in_trash: bool | None = None
    is_locked: bool | None = None


class DataSource(Read):
    """A table of pages, and the properties that they have."""

    id: str
    title: str
    description: str
    url: str | None = None
    database_id: str | None = at("parent", "database_id", default=None)
    in_trash: bool | None = None
    properties: list[Property]

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        texts = {key: text(raw.get(key)) for key in ("title", "description")}
        fields = [cls._property(one) for one in entries(raw.get("properties")).values()]
        return {**texts, "properties": fields}

    @staticmethod
    def _property(raw: object) -> dict[str, Any]:
        kind = inside(raw, "type")
        options = inside(inside(raw, kind), "options")
        names = [inside(one, "name") for one in options] if isinstance(options, list) else None
        leads_to = inside(inside(raw, kind), "data_source_id") if kind == "relation" else None
        return {**entries(raw), "options": names, "data_source_id": leads_to}


class DataSourceName(BaseModel):
    """A data source of a database."""

    id: str
    name: Text = ""


class Database(Read):
    """A database: a container of data sources."""

    id: str
    title: str
    url: str | None = None
    parent: Parent | None = None
    in_trash: bool | None = None
    data_sources: list[DataSourceName]

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return {"title": _title(raw)}


class Block(Read):
    """A block. Above 5,000 characters its text is cut; retrieve_page_markdown has it whole."""

    id: str
    type: str = ""
    text: str
    checked: bool | None = Field(None, description="Of a to-do")
    language: str | None = Field(None, description="Of code")
    url: str | None = None
    has_children: bool = False

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        inner = entries(raw.get(str(raw.get("type"))))
        cells = inner.get("cells")
        row = " | ".join(text(cell) for cell in cells) if isinstance(cells, list) else ""
        texts = (text(inner.get(key)) for key in ("rich_text", "caption", "title"))
        plainly = (inner.get("title"), inner.get("expression"), inside(inner, inner.get("type")))
        said = (one for one in (*texts, row, *plainly) if one and isinstance(one, str))
        return {
            "text": cut(next(said, ""), 5_000),
            "checked": inner.get("checked"),
            "language": inner.get("language"),
            "url": inner.get("url") or file_url(inner),
        }


class Blocks(Listed):
    """Blocks in their order."""

    blocks: list[Block] = at("results")


class PageMarkdown(BaseModel):
    """Notion's answer with a page's content."""

    id: str
    markdown: str
    truncated: bool = False
    unknown_block_ids: list[str] = Field(default_factory=list)


class MarkdownPart(BaseModel):
    """A page's content, or as much of it as fits into an answer."""

    page_id: str
    markdown: str
    next_cursor: NextCursor = None
    left_out_block_ids: list[str] = Field(
        description="The first 50 blocks that Notion left out, because the page is too large or "
        "they are not shared: give one as page_id to read it"
    )


class Written(BaseModel):
    """A page's content was changed. length: characters that it has now."""

    page_id: str
    length: int


class Comment(Read):
    """A comment. Those of one discussion answer each other."""

    id: str
    discussion_id: str | None = None
    author: str | None = at("display_name", "resolved_name", default=None)
    author_id: str | None = at("created_by", "id", default=None)
    created_time: datetime | None = None
    text: str

    @classmethod
    def _more(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return {"text": text(raw.get("rich_text"))}


class Comments(Listed):
    """Comments, the oldest first."""

    comments: list[Comment] = at("results")


class User(BaseModel):
    """A person or a bot."""

    id: str
    name: str | None = None
    type: str | None = None
    email: str | None = at("person", "email", default=None)
    workspace: str | None = at("bot", "workspace_name", default=None)


class Users(Listed):
    """People and bots of the workspace."""

    users: list[User] = at("results")
