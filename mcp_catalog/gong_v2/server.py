"""Recorded calls of one company in Gong: who was in them, what was said, what Gong makes of it.

Everything reads. What Gong does not filter is filtered here, so many calls an answer.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.pages import Cursor
from sophia_mcp.policy import Function, reads
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, basic

from . import matching, models, said
from .calls import Calls, number, period, scan
from .models import Found, Page

E = TypeVar("E", bound=BaseModel)

_LINK = re.compile(r"(?:.*[?&]id=)?(\d{1,20})(?:&.*)?")


def _call_id(given: str) -> str:
    if (found := _LINK.fullmatch(given.strip())) is None:
        raise ValueError("expected a call's id, or the link to its page in Gong")
    return found[1]


_Id = Annotated[str, Field(pattern=r"^\d{1,20}$")]
_Ids = Annotated[list[_Id] | None, Field(min_length=1, max_length=100)]
_Call = Annotated[
    str, AfterValidator(_call_id), Field(max_length=500, description="Id, or link to its page")
]
_Since = Annotated[AwareDatetime, Field(description="Calls from then on: 2026-11-01T00:00:00Z")]
_Until = Annotated[AwareDatetime | None, Field(description="Calls before that; now if left out")]
_Hosts = Annotated[_Ids, Field(description="Users who hosted them; ids of list_users")]
_Workspace = Annotated[_Id | None, Field(description="Id of list_workspaces")]
_Limit = Annotated[int, Field(ge=1, le=100, description="How many at most")]
_Few = Annotated[int, Field(ge=1, le=40, description="Calls at most")]
_Word = Annotated[str, Field(min_length=2, max_length=100, pattern=r"\S")]
_Part = Annotated[_Word | None, Field(description="Part of it")]
_Who = Annotated[_Word | None, Field(description="Part of a name or address, or a user's id")]
_Account = Annotated[
    _Word | None,
    Field(description="Part of an account's or deal's name, its CRM id, or customers' domain"),
]
_Tracker = Annotated[_Word | None, Field(description="Came up in them: part of its name, or id")]
_Side = Literal["Internal", "External"] | None
_Deal = Annotated[_Word, Field(description="CRM id, or part of the name")]
_Minute = Annotated[float | None, Field(ge=0, le=10_000)]
_Words = Annotated[
    list[_Word],
    Field(
        min_length=1,
        max_length=20,
        description="Words or phrases, of which any is looked for; disc finds discount, too",
    ),
]
_Day = Annotated[date, Field(description="Like 2026-11-01, in the company's time zone")]


class Gong:
    """The tools. private: whether private reviews are shown, too."""

    def __init__(self, gong: Calls, private: bool) -> None:
        self._gong, self._private = gong, private

    async def list_calls(
        self, since: _Since, until: _Until = None, host_ids: _Hosts = None,
        workspace_id: _Workspace = None, limit: _Limit = 50, cursor: Cursor = None,
    ) -> Found[models.Call]:  # fmt: skip
        """List calls of a time, the oldest first; total says how many there are. For the newest,
        take a late since. With a cursor, repeat the other arguments."""
        where = period(since, until, host_ids, workspace_id)
        return await self._gong.within(Page[models.Call], where, cursor, limit)

    async def search_calls(
        self, since: _Since, until: _Until = None, title: _Part = None, participant: _Who = None,
        account: _Account = None, tracker: _Tracker = None, scope: _Side = None,
        host_ids: _Hosts = None, workspace_id: _Workspace = None, limit: _Few = 20,
        cursor: Cursor = None,
    ) -> Found[models.FoundCall]:  # fmt: skip
        """Find calls of a time to which all that is given applies, the oldest first. An answer
        looks at some hundred calls: where next_cursor is set, go on with it and the same other
        arguments, even if nothing was found."""

        def good(call: models.FoundCall) -> bool:
            return (
                scope in (None, call.scope)
                and matching.has(title, call.title)
                and matching.by_participant(participant, call)
                and matching.by_account(account, call)
                and matching.by_tracker(tracker, call)
            )

        kind, where = Page[models.FoundCall], period(since, until, host_ids, workspace_id)
        content = {"trackers": tracker is not None}
        return await self._gong.within(
            kind, where, cursor, limit, good, crm=True, parties=True, content=content
        )

    async def get_call(self, call: _Call) -> models.CallDetails:
        """Get a call: when, who with which e-mail address, and the account and deal that it is
        linked to, with their fields in the CRM."""
        return await self._gong.one(Page[models.CallDetails], call, crm=True, parties=True)

    async def get_call_transcript(
        self, call: _Call, from_minute: _Minute = None, to_minute: _Minute = None,
        cursor: Cursor = None,
    ) -> models.Transcript:  # fmt: skip
        """Read what was said in a call, or in a part of it: time, speaker, text. Long ones have
        pages. get_call_insights is shorter where it is enough to know what a call was about."""
        start = from_minute or 0
        if to_minute is not None and to_minute <= start:
            raise ToolError(f"to_minute: expected more than from_minute ({start:g})")
        heard = await self._gong.one(Page[models.Heard], call, parties=True)
        spoken = (await self._gong.transcripts([heard.id])).get(heard.id)
        if spoken is None:
            raise ToolError(f"call {call} has no transcript, or not yet: try get_call_insights")
        skip = number(pages.place(cursor, 1)[0]) if cursor else 0
        left = said.turns(heard, spoken, start, to_minute)[skip:]
        kept = pages.that_fit(left)
        more = pages.cursor(str(skip + len(kept))) if len(kept) < len(left) else None
        return models.Transcript(
            call_id=heard.id, participants=list(heard.parties), turns=kept, next_cursor=more
        )

    async def get_call_insights(self, call: _Call) -> models.Insights:
        """Get what Gong makes of a call: brief, key points, highlights with next steps, action
        items, outcome, outline, topics, trackers, questions, comments."""
        content = (
            "brief", "keyPoints", "highlights", "outline", "callOutcome", "topics", "trackers",
            "trackerOccurrences", "pointsOfInterest",
        )  # fmt: skip
        return await self._gong.one(
            Page[models.Insights],
            call,
            content=dict.fromkeys(content, True),
            interaction={"questions": True},
            collaboration={"publicComments": True},
        )

    async def search_transcripts(
        self, words: _Words, since: _Since, until: _Until = None, said_by: _Side = None,
        host_ids: _Hosts = None, workspace_id: _Workspace = None, read_calls: _Few = 20,
        cursor: Cursor = None,
    ) -> models.QuotedCalls:  # fmt: skip
        """Find words in what was said in the calls of a time, by anybody or by one side: External
        are customers. An answer reads at most read_calls calls, the oldest first: where
        next_cursor is set, go on with it and the same other arguments, even if nothing was found.
        """
        kind, where = Page[models.Heard], period(since, until, host_ids, workspace_id)
        found = await self._gong.within(kind, where, cursor, read_calls, parties=True)
        spoken = await self._gong.transcripts([call.id for call in found.entries])
        wanted = said.pattern(words)
        quoted = [said.quoted(c, spoken.get(c.id, ()), wanted, said_by) for c in found.entries]
        return models.QuotedCalls(
            **found.model_dump(exclude={"entries"}),
            entries=[one for one in quoted if one],
            without_transcript=len(found.entries) - len(spoken),
        )

    async def get_deal_intelligence(
        self, deal: _Deal, since: _Since, until: _Until = None, workspace_id: _Workspace = None,
        limit: _Few = 10, cursor: Cursor = None,
    ) -> models.DealIntelligence:  # fmt: skip
        """Get what the calls of a time tell of a deal: its fields in the CRM, and of each call
        participants, brief, next steps, trackers. An answer looks at some hundred calls, the
        oldest first: where next_cursor is set, go on with it and the same other arguments."""
        content = ("brief", "callOutcome", "highlights", "pointsOfInterest", "trackers")
        found = await self._gong.within(
            Page[models.DealRead],
            period(since, until, None, workspace_id),
            cursor,
            limit,
            lambda call: matching.deals(deal, call),
            crm=True,
            parties=True,
            content=dict.fromkeys(content, True),
        )
        meant = [one for call in found.entries for one in matching.deals(deal, call)]
        mentions: Counter[str] = Counter()
        for hit in (one for call in found.entries for one in call.trackers):
            mentions[hit.name] += hit.count or 0
        return models.DealIntelligence(
            **found.model_dump(exclude={"entries"}),
            entries=list(found.entries),
            deals=list({one.id: one for one in meant}.values()),
            mentions=dict(mentions.most_common()),
        )

    async def get_speaker_stats(
        self, call: _Call | None = None, from_date: _Day | None = None,
        to_date: _Day | None = None, user_ids: _Ids = None, cursor: Cursor = None,
    ) -> Found[models.Speaker]:  # fmt: skip
        """Get how people talk. With a call: who spoke how long, and the host's talk ratio, longest
        monologue, patience and so on. With dates instead: the same of users in all their calls,
        and how many they hosted, attended, reviewed. to_date is not included, nor after today."""
        if call and not (from_date or to_date or user_ids):
            exposed = {"speakers": True, "personInteractionStats": True}
            kind = Page[models.Heard]
            return said.stats(await self._gong.one(kind, call, parties=True, interaction=exposed))
        if call or not from_date or not to_date or from_date >= to_date:
            raise ToolError("expected either a call alone, or from_date and a later to_date")
        days = {"fromDate": str(from_date), "toDate": str(to_date)}
        users = {"userIds": user_ids} if user_ids else {}
        numbers, path = Page[models.Speaker], ("stats", "activity", "aggregate")
        active = await self._gong.post(numbers, *path, cursor=cursor, filter={**days, **users})
        if ids := [one.user_id for one in active.entries]:
            where = {**days, "userIds": ids}
            talks = await self._gong.post(numbers, "stats", "interaction", filter=where)
            stats = {one.user_id: one.stats for one in talks.entries}
            for one in active.entries:
                one.stats = stats.get(one.user_id, {})
        return Found(
            **active.model_dump(exclude={"entries"}),
            entries=active.entries,
            looked_at=len(active.entries),
        )

    async def get_trackers(
        self, name: _Part = None, since: _Since | None = None, until: _Until = None,
        workspace_id: _Workspace = None, cursor: Cursor = None,
    ) -> Found[models.Tracker]:  # fmt: skip
        """List trackers with the words they look for. With since: how often they came up in the
        calls of that time, smart trackers too. An answer counts some hundred calls: add up what
        next_cursor leads to, with the same other arguments."""
        listed = await self._all(
            Page[models.Tracker], "settings", "trackers", workspaceId=workspace_id
        )
        trackers = {one.id: one for one in listed.entries}

        def count(call: models.FoundCall) -> None:
            for hit in call.trackers:
                one = trackers.setdefault(hit.id, models.Tracker(id=hit.id, name=hit.name))
                one.calls = (one.calls or 0) + 1
                one.mentions = (one.mentions or 0) + (hit.count or 0)

        if since:
            kind, where = Page[models.FoundCall], period(since, until, None, workspace_id)
            content = {"trackers": True}
            looked = await self._gong.within(kind, where, cursor, 1, count, content=content)
            listed = Found(**looked.model_dump())
        listed.entries = [one for one in trackers.values() if matching.has(name, one.name)]
        return listed

    async def list_users(
        self, query: _Who = None, active_only: bool = True, limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Found[models.User]:  # fmt: skip
        """List people with an account in Gong. Other tools' host_ids and user_ids are their ids."""

        async def read(place: str | None) -> Page[models.User]:
            return await self._gong.get(Page[models.User], "users", cursor=place)

        def good(user: models.User) -> bool:
            name = f"{user.first_name} {user.last_name}"
            known = matching.has(query, name, user.email, ids=[user.id])
            return known and not (active_only and user.active is False)

        return await scan(read, cursor, limit, good)

    async def list_scorecards(self) -> Found[models.Scorecard]:
        """List scorecards with their questions."""
        return await self._all(Page[models.Scorecard], "settings", "scorecards")

    async def list_reviews(
        self, from_date: _Day, to_date: _Day, reviewed_user_ids: _Ids = None,
        scorecard_ids: _Ids = None, limit: _Limit = 20, cursor: Cursor = None,
    ) -> Found[models.Review]:  # fmt: skip
        """List scorecards that were filled in for calls of these days, to_date not included, with
        questions and answers."""
        where = {
            "callFromDate": str(from_date),
            "callToDate": str(to_date),
            **({"reviewedUserIds": reviewed_user_ids} if reviewed_user_ids else {}),
            **({"scorecardIds": scorecard_ids} if scorecard_ids else {}),
        }

        async def read(place: str | None) -> Page[models.Review]:
            path = ("stats", "activity", "scorecards")
            return await self._gong.post(Page[models.Review], *path, cursor=place, filter=where)

        def good(review: models.Review) -> bool:
            return self._private or review.visibility in (None, "PUBLIC")

        found = await scan(read, cursor, limit, good)
        cards = (await self.list_scorecards()).entries if found.entries else []
        asked = {key: text for card in cards for key, text in card.questions.items()}
        for answer in (one for review in found.entries for one in review.answers):
            answer.question = asked.get(answer.question_id or "")
        return found

    async def list_library_folders(self, workspace_id: _Workspace = None) -> Found[models.Place]:
        """List the library's public folders. A company with several workspaces has to name one."""
        return await self._all(Page[models.Place], "library", "folders", workspaceId=workspace_id)

    async def get_library_folder(self, folder_id: _Id) -> Found[models.LibraryCall]:
        """List the calls of a library's folder, with notes."""
        return await self._all(
            Page[models.LibraryCall], "library", "folder-content", folderId=folder_id
        )

    async def list_workspaces(self) -> Found[models.Place]:
        """List workspaces, into which some companies divide their calls."""
        return await self._all(Page[models.Place], "workspaces")

    async def _all(self, kind: type[Page[E]], *path: str, **params: str | None) -> Found[E]:
        entries = (await self._gong.get(kind, *path, **params)).entries
        return Found(entries=entries, looked_at=len(entries), total=len(entries))


def build(settings: Settings) -> Server:
    """The server, on the company whose access key it has."""
    key, secret = (settings.credential(f"GONG_ACCESS_KEY{end}") for end in ("", "_SECRET"))
    api = Upstream(
        "Gong",
        settings.url("GONG_BASE_URL", "https://api.gong.io"),
        auth=basic(key, secret),
        # 3 calls a second are the company's. A page of 100 calls may have 2 MB.
        limits=Limits(at_once=3, per_second=3, answer_bytes=6_000_000),
    )
    private = settings.flag("GONG_PRIVATE_CALLS")
    gong = Gong(Calls(api, private), private)
    tools: Sequence[Function] = (
        gong.list_calls, gong.get_call, gong.get_call_transcript, gong.get_call_insights,
        gong.search_calls, gong.search_transcripts, gong.list_users, gong.get_speaker_stats,
        gong.get_deal_intelligence, gong.get_trackers, gong.list_scorecards, gong.list_reviews,
        gong.list_library_folders, gong.get_library_folder, gong.list_workspaces,
    )  # fmt: skip
    return Server(
        settings,
        title="Gong",
        instructions=(
            "Gong: list_calls and search_calls find recorded calls; get_call_insights tells what "
            "one was about, get_call_transcript what was said. Lists are the oldest first, and an "
            "answer looks at a part of them: looked_at of total, next_cursor leads on."
        ),
        tools=[reads(tool) for tool in tools],
        upstreams=[api],
    )
