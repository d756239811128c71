"""Names of people, and channels by name: few calls, remembered for a while."""

import asyncio
import difflib
import re
from collections.abc import Iterable
from contextlib import suppress

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.remembered import Remembered
from sophia_mcp.upstream import Upstream

from .models import Channels, UserInfo, Users

KEPT_S, AGAIN_S = 900.0, 60.0
"""How long a name, or its absence, is remembered."""

AT_ONCE, SOON_S = 20, 3.0
"""Names that an answer looks up one by one, and how long it waits for all of its names."""

OWN_PAGES = 4
_ID = re.compile(r"[CDGUW][A-Z0-9]{6,}")


class Directory:
    """Channels and people of a workspace. namer: asked for names, so that what fails there does
    not count as a failure of `slack`. team: the workspace's id."""

    def __init__(self, slack: Upstream, namer: Upstream, team: str | None) -> None:
        self._slack, self._namer, self._team = slack, namer, team
        self._names, self._ids = Remembered(), Remembered()
        self._listing, self._naming = asyncio.Lock(), asyncio.Lock()

    async def channels(self, method: str, **params: str | int | bool | None) -> Channels:
        """A page of conversations.list, or of users.conversations: those that the bot is in."""
        page = await self._slack.get(Channels, method, params={"team_id": self._team, **params})
        for channel in page.channels:
            if channel.name:
                self._names.put(channel.id, channel.name, KEPT_S)
                self._ids.put(channel.name, channel.id, KEPT_S)
        return page

    async def users(self, limit: int, cursor: str | None, by: Upstream | None = None) -> Users:
        """A page of users.list."""
        params = {"team_id": self._team, "limit": limit, "cursor": cursor}
        page = await (by or self._slack).get(Users, "users.list", params=params)
        for user in page.users:
            self._names.put(user.id, user.called, KEPT_S)
        return page

    async def names(self, ids: Iterable[str]) -> dict[str, str]:
        """Of people, and of channels that were listed lately. What is not found soon is left out:
        an answer with ids is better than none."""
        wanted = sorted(set(ids))
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON_S), self._naming:
                await self._look_up([key for key in wanted if key[0] in "UW"])
        return {key: name for key in wanted if (name := self._names.get(key))}

    async def _look_up(self, people: list[str]) -> None:
        missing = [key for key in people if self._names.get(key) is None]
        if len(missing) > 1 and self._names.get("users.list") is None:
            self._names.put("users.list", "asked", KEPT_S)  # of most workspaces one page is all
            with suppress(ToolError):
                await self.users(200, None, self._namer)
            missing = [key for key in missing if self._names.get(key) is None]
        await asyncio.gather(*map(self._ask, missing[:AT_ONCE]))

    async def _ask(self, person: str) -> None:
        self._names.put(person, "", AGAIN_S)  # so others don't ask, too
        with suppress(ToolError):
            found = await self._namer.get(UserInfo, "users.info", params={"user": person})
            self._names.put(person, found.user.called, KEPT_S)

    async def id_of(self, channel: str) -> str:
        """Of a channel that is given as #name or as its id.

        Raises:
            ToolError: no channel of that name has the bot in it.
        """
        if _ID.fullmatch(channel):
            return channel
        name = channel.removeprefix("#").lower()
        async with self._listing:
            if self._ids.get(name) is None:
                await self._list_own(name)
        if found := self._ids.get(name):
            return found
        near = difflib.get_close_matches(name, filter(self._ids.get, self._ids.keys()))
        hint = f", but in {' and '.join(f'#{one}' for one in near)}" if near else ""
        raise ToolError(
            f"channel: the bot is in no channel called #{name}{hint}. Somebody there has to invite "
            "it; or give the id that list_channels has."
        )

    async def _list_own(self, name: str) -> None:
        kinds, cursor = "public_channel,private_channel", None
        for _ in range(OWN_PAGES):
            page = await self.channels(
                "users.conversations", types=kinds, exclude_archived=True, limit=500, cursor=cursor
            )
            cursor = page.next_cursor
            if self._ids.get(name) or not cursor:
                break
        if not self._ids.get(name):
            self._ids.put(name, "", AGAIN_S)
