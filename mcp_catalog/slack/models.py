"""What Slack's objects are to a model: ids, names, times, and texts that can be read."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)
from sophia_mcp.pages import NextCursor, cut


def _at(*path: str, default: Any = ..., description: str | None = None) -> Any:
    return Field(default, validation_alias=AliasPath(*path), description=description)


def _texts(part: object) -> Iterator[str]:
    """All texts in blocks or attachments, wherever they stand."""
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield part["text"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _texts(inner)


_Text = Annotated[str, BeforeValidator(lambda given: given or "")]  # Slack: absent, null or ""
_Short = Annotated[_Text, AfterValidator(lambda text: cut(text, 200))]


class Page(BaseModel):
    """A part of a list."""

    next_cursor: NextCursor = _at("response_metadata", "next_cursor", default=None)


class Channel(BaseModel):
    """A channel, or a direct conversation."""

    id: str
    name: _Text = Field("", description="Without #; of a direct message @ and whose it is")
    user_id: str | None = _at("user", default=None)
    topic: _Short = _at("topic", "value", default="")
    purpose: _Short = _at("purpose", "value", default="")
    members: int | None = _at("num_members", default=None)
    is_member: bool | None = Field(None, description="Whether the bot has joined it")
    is_private: bool = False
    is_archived: bool = False


class Channels(Page):
    """Channels, in Slack's order."""

    channels: list[Channel]


class User(BaseModel):
    """A person or an app."""

    id: str
    handle: _Text = _at("name", default="")
    display_name: _Text = _at("profile", "display_name", default="")
    real_name: _Text = _at("profile", "real_name", default="")
    title: _Text = _at("profile", "title", default="")
    email: str | None = _at("profile", "email", default=None)
    time_zone: str | None = _at("tz", default=None)
    is_bot: bool = False
    is_deactivated: bool = _at("deleted", default=False)

    @property
    def called(self) -> str:
        """The name that others see."""
        return self.display_name or self.real_name or self.handle


class Users(Page):
    """People and apps, in Slack's order."""

    users: list[User] = _at("members")


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
    kind: str | None = _at("mimetype", default=None)
    permalink: str | None = None


class Message(BaseModel):
    """A message. With its channel, ts is its id."""

    ts: str
    time: datetime = _at("ts")
    user: str | None = Field(
        None, validation_alias=AliasChoices(AliasPath("bot_profile", "name"), "username", "user")
    )
    user_id: str | None = _at("user", default=None)
    text: str = ""
    thread_ts: str | None = Field(None, description="Of the thread that it begins or is in")
    replies: int = _at("reply_count", default=0)
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

    channel: str | None = _at("channel", "name", default=None)
    channel_id: str = _at("channel", "id")
    permalink: str | None = None


class Found(BaseModel):
    """Slack's answer to a search, which has numbered pages."""

    matches: list[Match] = _at("messages", "matches")
    total: int = _at("messages", "paging", "total")
    page: int = _at("messages", "paging", "page")
    pages: int = _at("messages", "paging", "pages")


class Matches(BaseModel):
    """What a search found."""

    total: int
    messages: list[Match]
    next_cursor: NextCursor = None


class Sent(BaseModel):
    """Where a message is now."""

    channel_id: str = _at("channel")
    ts: str
    time: datetime = _at("ts")


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
