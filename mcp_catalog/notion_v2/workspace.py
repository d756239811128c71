"""Finding things, pages with their properties, and people."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from sophia_mcp.pages import Cursor, Limit
from sophia_mcp.upstream import Upstream

from .arguments import Markdown, PageId, ParentId, Title
from .models import DataSource, Found, Page, User, Users
from .tables import Tables, Values, values

ParentKind = Literal["page", "data_source"]
Icon = Annotated[str | None, Field(min_length=1, max_length=20, description="An emoji")]


class Workspace:
    """What is shared with the integration."""

    def __init__(self, notion: Upstream, tables: Tables) -> None:
        self._notion, self._tables = notion, tables

    async def search(
        self,
        query: Annotated[str, Field(max_length=500, description="Words of the title")] = "",
        kind: Literal["page", "data_source"] | None = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Found:
        """Find pages and data sources by their titles; without a query, the last edited first.

        Only what is shared with the integration is found, and texts inside pages are not searched.
        """
        body: dict[str, Any] = {"page_size": limit}
        if query:
            body["query"] = query
        else:
            body["sort"] = {"timestamp": "last_edited_time", "direction": "descending"}
        if kind:
            body["filter"] = {"property": "object", "value": kind}
        if cursor:
            body["start_cursor"] = cursor
        return await self._notion.send(Found, "POST", "search", body=body, repeatable=True)

    async def retrieve_page(self, page_id: PageId) -> Page:
        """Get a page's title, place and properties; retrieve_page_markdown has its content."""
        return await self._notion.get(Page, "pages", page_id)

    async def create_page(
        self,
        title: Title,
        parent_id: ParentId,
        parent_kind: ParentKind = "page",
        properties: Values = None,
        markdown: Markdown = "",
        icon: Icon = None,
    ) -> Page:
        """Create a page in a page, or in a data source, whose properties it then has."""
        parent, source = await self._parent(parent_id, parent_kind)
        body: dict[str, Any] = {"parent": parent, "properties": values(source, properties, title)}
        if markdown:
            body["markdown"] = markdown
        return await self._notion.send(Page, "POST", "pages", body={**body, **_icon(icon)})

    async def update_page(
        self,
        page_id: PageId,
        title: Title | None = None,
        properties: Values = None,
        icon: Icon = None,
        locked: Annotated[bool | None, Field(description="Against edits in Notion")] = None,
    ) -> Page:
        """Change a page's title, properties, icon or lock. What is not given stays as it is."""
        body = _icon(icon) | ({} if locked is None else {"is_locked": locked})
        source = None
        if properties:
            parent = (await self.retrieve_page(page_id)).parent
            if parent and parent.type == "data_source_id" and parent.id:
                source = await self._tables.retrieve_data_source(parent.id)
        if properties or title is not None:
            body["properties"] = values(source, properties, title)
        if not body:
            raise ToolError("expected something to change: title, properties, icon or locked")
        return await self._changed(page_id, body)

    async def move_page(
        self, page_id: PageId, parent_id: ParentId, parent_kind: ParentKind = "page"
    ) -> Page:
        """Move a page, with all below it, into another page or into a data source."""
        parent, _ = await self._parent(parent_id, parent_kind)
        body = {"parent": parent}
        return await self._notion.send(
            Page, "POST", "pages", page_id, "move", body=body, repeatable=True
        )

    async def trash_page(self, page_id: PageId) -> Page:
        """Move a page, with all below it, to the trash, which Notion empties after 30 days."""
        return await self._changed(page_id, {"in_trash": True})

    async def restore_page(self, page_id: PageId) -> Page:
        """Take a page out of the trash."""
        return await self._changed(page_id, {"in_trash": False})

    async def list_users(self, limit: Limit = 50, cursor: Cursor = None) -> Users:
        """List people and bots of the workspace, for ids in properties and mentions."""
        params = {"page_size": limit, "start_cursor": cursor}
        return await self._notion.get(Users, "users", params=params)

    async def get_self(self) -> User:
        """Tell as whom and in which workspace this server works."""
        return await self._notion.get(User, "users", "me")

    async def _changed(self, page_id: str, body: dict[str, Any]) -> Page:
        return await self._notion.send(Page, "PATCH", "pages", page_id, body=body, repeatable=True)

    async def _parent(
        self, parent_id: str, kind: ParentKind
    ) -> tuple[dict[str, str], DataSource | None]:
        if kind == "page":
            return {"type": "page_id", "page_id": parent_id}, None
        source = await self._tables.retrieve_data_source(parent_id)
        return {"type": "data_source_id", "data_source_id": source.id}, source


def _icon(emoji: str | None) -> dict[str, Any]:
    return {"icon": {"type": "emoji", "emoji": emoji}} if emoji else {}
