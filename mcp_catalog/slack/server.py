"""Channels, messages, threads, people and files of one Slack workspace, over its Web API."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Literal, TypeVar
from urllib.parse import urljoin

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AwareDatetime, Field
from sophia_mcp import pages
from sophia_mcp.pages import Cursor
from sophia_mcp.policy import reads, writes
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, bearer

from . import models
from .directory import Directory
from .words import explain, mentioned, readable

_Channel = Annotated[str, Field(min_length=2, max_length=100, description="#name or id")]
_Ts = Annotated[str, Field(pattern=r"^\d{1,12}\.\d{6}$", description="Like 1700000000.123456")]
_Thread = Annotated[_Ts | None, Field(description="To answer in the thread that began with it")]
_Listed = Annotated[int, Field(ge=1, le=200, description="How many to look at in one step")]
_Query = Annotated[str | None, Field(max_length=100, description="Part of a name or description")]
_Search = Annotated[str, Field(min_length=1, max_length=500)]
_Markdown = Annotated[str, Field(min_length=1, max_length=12_000)]
_Comment = Annotated[str | None, Field(max_length=4_000, description="Said with the file")]
_Content = Annotated[str, Field(min_length=1, max_length=200_000)]
_Kinds = list[Literal["public_channel", "private_channel", "im", "mpim"]] | None
_Time = Annotated[AwareDatetime | None, Field(description="Like 2026-11-26T09:00:00Z")]
_Who = Annotated[str, Field(pattern=r"^([UW][A-Z0-9]{6,}|\S+@\S+)$", description="Id or e-mail")]
_Emoji = Annotated[str, Field(pattern=r"^:?[^:\s]{1,100}(::skin-tone-[2-6])?:?$")]
_FileName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]{1,200}$", description="Like notes.md")]

SOUGHT_PAGES = 5
_MEMBERSHIP = ("channel_join", "channel_leave", "group_join", "group_leave")
_TO_ALL = re.compile(r"<!(channel|everyone|here)\b")
_SLACKS = re.compile(r"https://([\w-]+\.)*slack(-gov)?\.com/")
_LINK = re.compile(
    r"/archives/([CDG][A-Z0-9]{6,})/p(\d{10,12})(\d{6})(?:\?(?:.*&)?thread_ts=(\d+\.\d{6}))?"
)

A = TypeVar("A")
P = TypeVar("P", bound=models.Page)


class Slack:
    """The tools. search: with a person's token. origin: of the API's address. team: the workspace's
    id. post_to: the only channels to write to; all if empty."""

    def __init__(
        self, api: Upstream, search: Upstream, known: Directory, origin: str, team: str | None,
        post_to: Sequence[str],
    ) -> None:  # fmt: skip
        self._api, self._search, self._origin = api, search, origin
        self._known, self._team, self._post_to = known, team, post_to

    async def list_channels(
        self, query: _Query = None, kinds: _Kinds = None, joined_only: bool = False,
        include_archived: bool = False, limit: _Listed = 100, cursor: Cursor = None,
    ) -> models.Channels:  # fmt: skip
        """List channels: public and private ones without kinds, direct conversations with im and
        mpim. Only those that the bot has joined can be read.

        With a query, steps are made until one has found something; next_cursor leads on.
        """

        async def read(place: str | None) -> models.Channels:
            page = await self._known.channels(
                "users.conversations" if joined_only else "conversations.list",
                types=",".join(kinds or ["public_channel", "private_channel"]),
                exclude_archived=not include_archived,
                limit=limit,
                cursor=place,
            )
            people = await self._known.names(one.user_id for one in page.channels if one.user_id)
            for one in page.channels:
                one.name = one.name or f"@{people.get(one.user_id or '', one.user_id)}"
            page.channels = [c for c in page.channels if _has(query, c.name, c.topic, c.purpose)]
            return page

        return await _first(read, cursor, lambda page: page.channels)

    async def get_channel_history(
        self, channel: _Channel, since: _Time = None, until: _Time = None,
        limit: pages.Limit = 20, cursor: Cursor = None,
    ) -> models.Messages:  # fmt: skip
        """Read a channel's messages, newest first. Replies in threads are not among them: where
        replies is above 0, get_thread_replies has them. Who joined and left is left out."""
        times = {"oldest": since, "latest": until}
        page = await self._messages(
            "conversations.history",
            channel=await self._known.id_of(channel),
            limit=limit,
            cursor=cursor,
            **{key: f"{time.timestamp():.6f}" for key, time in times.items() if time},
        )
        page.messages = [one for one in page.messages if one.subtype not in _MEMBERSHIP]
        return page

    async def get_thread_replies(
        self, channel: _Channel, thread_ts: _Ts, limit: pages.Limit = 50, cursor: Cursor = None
    ) -> models.Messages:
        """Read a thread: the message that began it, then its replies, oldest first."""
        place = {"channel": await self._known.id_of(channel), "ts": thread_ts}
        return await self._messages("conversations.replies", **place, limit=limit, cursor=cursor)

    async def get_message(self, link: _Search) -> models.Messages:
        """Read what a link to a message points to (…/archives/C0123ABCD/p1700000000123456): the
        message, or the thread that it is in."""
        if (found := _LINK.search(link)) is None:
            raise ToolError(
                "link: expected one that Slack's `Copy link` gives, …/archives/C0123ABCD/p170…"
            )
        channel, seconds, rest, thread_ts = found.groups()
        return await self.get_thread_replies(channel, thread_ts or f"{seconds}.{rest}")

    async def search_messages(
        self,
        query: _Search,
        newest_first: bool = False,
        limit: pages.Limit = 20,
        cursor: Cursor = None,
    ) -> models.Matches:
        """Search all messages that the owner of SLACK_USER_TOKEN may read. The query may hold
        Slack's modifiers: in:#general, from:<@U0123ABCD>, from:me, after:2026-11-01,
        before:2026-11-26, has:link, is:thread, "exact words", -without."""
        found = await self._search.get(
            models.Found,
            "search.messages",
            params={
                "query": query,
                "sort": "timestamp" if newest_first else "score",
                "count": limit,
                "page": pages.place(cursor, 1)[0] if cursor else None,
                "team_id": self._team,
            },
        )
        await self._make_readable(found.matches)
        more = pages.cursor(str(found.page + 1)) if found.page < found.pages else None
        return models.Matches(total=found.total, messages=found.matches, next_cursor=more)

    async def get_user_info(self, user: _Who) -> models.User:
        """Get a person or an app by id, or a person by e-mail address."""
        by_mail = ("users.lookupByEmail", "email")
        method, key = by_mail if "@" in user else ("users.info", "user")
        return (await self._api.get(models.UserInfo, method, params={key: user})).user

    async def list_users(
        self, query: _Query = None, limit: _Listed = 100, cursor: Cursor = None
    ) -> models.Users:
        """List people and apps. A query is looked for in names, titles and e-mail addresses.

        With a query, steps are made until one has found something; next_cursor leads on.
        """

        async def read(place: str | None) -> models.Users:
            page = await self._known.users(limit, place)
            page.users = [
                u for u in page.users
                if _has(query, u.handle, u.display_name, u.real_name, u.title, u.email or "")
            ]  # fmt: skip
            return page

        return await _first(read, cursor, lambda page: page.users)

    async def send_message(
        self, channel: _Channel, text: _Markdown, thread_ts: _Thread = None
    ) -> models.Sent:
        """Send a message, or a reply with thread_ts. The text is Markdown; `<@U0123ABCD>` mentions
        somebody. A user's id as channel sends it to that person alone."""
        body = {"channel": await self._writable(channel, text), "markdown_text": text}
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        # For a preview, Slack would fetch the address, which may carry data out.
        quiet = {"unfurl_links": False, "unfurl_media": False}
        return await self._post(models.Sent, "chat.postMessage", **body, **thread, **quiet)

    async def add_reaction(self, channel: _Channel, ts: _Ts, emoji: _Emoji) -> models.Done:
        """Add an emoji to a message, by its name: thumbsup."""
        name = emoji.removeprefix(":").removesuffix(":")
        where = await self._writable(channel)
        return await self._post(
            models.Done, "reactions.add", channel=where, timestamp=ts, name=name
        )

    async def upload_file(
        self, channel: _Channel, filename: _FileName, content: _Content,
        comment: _Comment = None, thread_ts: _Thread = None,
    ) -> models.Uploaded:  # fmt: skip
        """Share a text as a file in a channel, or in a thread of it with thread_ts."""
        where, data = await self._writable(channel, comment or ""), content.encode()
        params = {"filename": filename, "length": len(data)}
        ticket = await self._api.get(models.Ticket, "files.getUploadURLExternal", params=params)
        if not (ticket.upload_url.startswith(self._origin) or _SLACKS.match(ticket.upload_url)):
            raise ToolError("Slack names an upload address that is not its own: nothing was sent")
        await self._api.request("POST", at=ticket.upload_url, body=data)
        told = {"initial_comment": comment, "thread_ts": thread_ts}
        await self._post(
            models.Done,
            "files.completeUploadExternal",
            channel_id=where,
            files=[{"id": ticket.file_id, "title": filename}],
            **{key: value for key, value in told.items() if value},
        )
        return models.Uploaded(file_id=ticket.file_id, channel_id=where, size=len(data))

    async def _post(self, kind: type[A], method: str, **body: object) -> A:
        return await self._api.send(kind, "POST", method, body=body)

    async def _messages(self, method: str, **params: str | int | None) -> models.Messages:
        page = await self._api.get(models.Messages, method, params=params)
        await self._make_readable(page.messages)
        return page

    async def _make_readable(self, messages: Sequence[models.Message]) -> None:
        """With names in place of ids, and texts as long as all may be together."""
        nameless = {one.user_id for one in messages if one.user_id and one.user == one.user_id}
        names = await self._known.names(nameless | mentioned(one.text for one in messages))
        for one in messages:
            one.user = names.get(one.user or "", one.user)
            one.text = readable(one.text, names)
        pages.cut_all(messages, "text")

    async def _writable(self, channel: str, text: str = "") -> str:
        """The channel's id, if this may be written there."""
        if _TO_ALL.search(text):
            raise ToolError("text: <!channel>, <!everyone> and <!here> call everybody: name people")
        wanted = await self._known.id_of(channel)
        for one in self._post_to or [wanted]:
            with suppress(ToolError):  # the bot is not there, or not yet
                if await self._known.id_of(one) == wanted:
                    return wanted
        allowed = ", ".join(self._post_to)
        raise ToolError(f"channel: SLACK_POST_CHANNELS of this server allows {allowed} only")


def _has(query: str | None, *texts: str) -> bool:
    return not query or query.lower().lstrip("#@") in "\n".join(texts).lower()


async def _first(
    read: Callable[[str | None], Awaitable[P]], cursor: str | None, good: Callable[[P], object]
) -> P:
    """The first page that is good, or the last of SOUGHT_PAGES."""
    page = await read(cursor)
    for _ in range(SOUGHT_PAGES - 1):
        if good(page) or not page.next_cursor:
            break
        page = await read(page.next_cursor)
    return page


def build(settings: Settings) -> Server:
    """The server, in the workspace SLACK_TEAM_ID. Without SLACK_USER_TOKEN only search fails."""
    address = settings.url("SLACK_API_URL", "https://slack.com/api")
    team, person = settings.needed("SLACK_TEAM_ID"), settings.credential("SLACK_USER_TOKEN")
    # Slack counts by method and minute, and says when to come back: this only evens out bursts.
    limits = Limits(at_once=4, per_second=10)
    made = partial(Upstream, url=address, limits=limits, needs=[team], ok="ok", explain=explain)
    bot = bearer(settings.credential("SLACK_BOT_TOKEN"))
    api, search = made("Slack", auth=bot), made("Slack's search", auth=bearer(person))
    namer = made("Slack's names", auth=bot, limits=Limits(tries=1))
    known, post_to = Directory(api, namer, team.value), settings.texts("SLACK_POST_CHANNELS")
    slack = Slack(api, search, known, urljoin(address, "/"), team.value, post_to)
    return Server(
        settings,
        title="Slack",
        instructions=(
            "Slack: list_channels and list_users find ids; get_channel_history, search_messages, "
            "get_thread_replies and get_message read. A message's id is its channel with its ts."
        ),
        tools=[
            reads(slack.list_channels),
            reads(slack.get_channel_history),
            reads(slack.get_thread_replies),
            reads(slack.get_message),
            reads(slack.search_messages),
            reads(slack.get_user_info),
            reads(slack.list_users),
            writes(slack.send_message),
            writes(slack.add_reaction),
            writes(slack.upload_file),
        ],
        upstreams=[api, namer, *([search] if person.value else [])],
    )
