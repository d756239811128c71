"""What Slack's objects are to a model: ids, names, times, and texts that can be read."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    Field,
    model_validator,
)
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import NextCursor, at_most


def _texts(part: object) -> Iterator[str]:
    """All texts in blocks or attachments, wherever they stand."""
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield part["text"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _texts(inner)


_Short = Annotated[Text, at_most(200)]


class Page(BaseModel):
    """A part of a list."""

    next_cursor: NextCursor = at("response_metadata", "next_cursor", default=None)


class Channel(BaseModel):
    """A channel, or a direct conversation."""

    id: str
    name: Text = Field("", description="Without #; of a direct message @ and whose it is")
    user_id: str | None = at("user", default=None)
    topic: _Short = at("topic", "value", default="")
    purpose: _Short = at("purpose", "value", default="")
    members: int | None = at("num_members", default=None)
    is_member: bool | None = Field(None, description="Whether the bot has joined it")
    is_private: bool = False
    is_archived: bool = False


class Channels(Page):
    """Channels, in Slack's order."""

    channels: list[Channel]


class User(BaseModel):
    """A person or an app."""

    id: str
    handle: Text = at("name", default="")
    display_name: Text = at("profile", "display_name", default="")
    real_name: Text = at("profile", "real_name", default="")
    title: Text = at("profile", "title", default="")
    email: str | None = at("profile", "email", default=None)
    time_zone: str | None = at("tz", default=None)
    is_bot: bool = False
    is_deactivated: bool = at("deleted", default=False)

    @property
    def called(self) -> str:
        """The name that others see."""
        return self.display_name or self.real_name or self.handle


class Users(Page):
    """People and apps, in Slack's order."""

    users: list[User] = at("members")


class UserInfo(BaseModel):
    """The answer about one."""

    user: User


class Reaction(BaseModel):
    """An emoji below a message."""

    name: str
    count: int


class File(BaseModel):
    """A file in a message."""

    id: str
    name: str | None = None
    kind: str | None = at("mimetype", default=None)
    permalink: str | None = None


class Message(BaseModel):
    """A message. With its channel, ts is its id."""

    ts: str
    time: datetime = at("ts")
    user: str | None = Field(
        None, validation_alias=AliasChoices(AliasPath("bot_profile", "name"), "username", "user")
    )
    user_id: str | None = at("user", default=None)
    text: str = ""
    thread_ts: str | None = Field(None, description="Of the thread that it begins or is in")
    replies: int = at("reply_count", default=0)
    subtype: str | None = None
    reactions: list[Reaction] = Field(default_factory=list)
    files: list[File] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _said(cls, raw: Any) -> Any:
        """Apps may say everything in blocks or attachments."""
        if isinstance(raw, dict) and not raw.get("text"):
            return {**raw, "text": "\n".join(_texts([raw.get("blocks"), raw.get("attachments")]))}
        return raw


class Messages(Page):
    """Messages. Long texts are cut where all together are too long; a smaller limit cuts less."""

    messages: list[Message]


class Match(Message):
    """A message that a search found."""

    channel: str | None = at("channel", "name", default=None)
    channel_id: str = at("channel", "id")
    permalink: str | None = None


class Found(BaseModel):
    """Slack's answer to a search, which has numbered pages."""

    matches: list[Match] = at("messages", "matches")
    total: int = at("messages", "paging", "total")
    page: int = at("messages", "paging", "page")
    pages: int = at("messages", "paging", "pages")


class Matches(BaseModel):
    """What a search found."""

    total: int
    messages: list[Match]
    next_cursor: NextCursor = None


class Sent(BaseModel):
    """Where a message is now."""

    channel_id: str = at("channel")
    ts: str
    time: datetime = at("ts")


class Done(BaseModel):
    """It is done."""

    ok: bool


class Ticket(BaseModel):
    """Where to send a file."""

    upload_url: str
    file_id: str


class Uploaded(BaseModel):
    """A file that was shared; it shows up within seconds."""

    file_id: str
    channel_id: str
    size: int = Field(description="Bytes")
