"""What it gives to a model, in a sentence."""

from typing import Annotated

from pydantic import BaseModel, Field
from sophia_mcp.pages import Cursor, Limit, NextCursor, cut
from sophia_mcp.policy import reads, writes
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Upstream, bearer

_Text = Annotated[str, Field(min_length=1, max_length=10_000)]


class Thing(BaseModel):
    """One thing, with the fields of the API that a model needs."""

    id: str
    text: str


class Things(BaseModel):
    """Things, newest first. Above 2,000 characters a text is cut; get_thing has it whole."""

    things: list[Thing]
    next_cursor: NextCursor = None


class Tools:
    """The tools: names, arguments and docstrings are what the model sees."""

    def __init__(self, api: Upstream) -> None:
        self._api = api

    async def list_things(self, limit: Limit = 20, cursor: Cursor = None) -> Things:
        """List things, newest first."""
        page = await self._api.get(Things, "things", params={"limit": limit, "cursor": cursor})
        for thing in page.things:
            thing.text = cut(thing.text, 2_000)
        return page

    async def get_thing(self, thing_id: _Text) -> Thing:
        """Get one thing by its id."""
        return await self._api.get(Thing, "things", thing_id)

    async def add_thing(self, text: _Text) -> Thing:
        """Add a thing."""
        return await self._api.send(Thing, "POST", "things", body={"text": text})


def build(settings: Settings) -> Server:
    """The server, on the account that its key opens."""
    api = Upstream(
        "Ui ux agent",
        settings.url("UI_UX_AGENT_API_URL", "https://api.example.com/v1"),
        auth=bearer(settings.credential("UI_UX_AGENT_API_KEY")),
    )
    tools = Tools(api)
    return Server(
        settings,
        title="Ui ux agent",
        instructions="When to use which tool: list_things finds, get_thing has the whole of one.",
        tools=[
            reads(tools.list_things),
            reads(tools.get_thing),
            writes(tools.add_thing),
        ],
        upstreams=[api],
    )
