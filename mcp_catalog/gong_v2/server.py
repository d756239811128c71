"""Recorded calls of one company in Gong: who was in them, what was said, what Gong makes of it.

Everything reads. What Gong does not filter is filtered here, so many calls an answer.
"""

from collections import Counter
from collections.abc import Sequence

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp import pages
from sophia_mcp.pages import Cursor, Limit
from sophia_mcp.policy import Function, reads
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, basic

from . import arguments as given
from . import matching, models, said
from .calls import Calls, period
from .company import Company
from .models import Found, Page


class Gong:
    """The tools about calls."""

    def __init__(self, gong: Calls) -> None:
        self._gong = gong

    async def list_calls(
        self, since: given.Since, until: given.Until = None, host_ids: given.Hosts = None,
        workspace_id: given.Workspace = None, limit: Limit = 50, cursor: Cursor = None,
    ) -> Found[models.Call]:  # fmt: skip
        """List calls of a time, the oldest first; total says how many there are. For the newest,
        take a late since. With a cursor, repeat the other arguments."""
        where = period(since, until, host_ids, workspace_id)
        return await self._gong.within(Page[models.Call], where, cursor, limit)

    async def search_calls(
        self, since: given.Since, until: given.Until = None, title: given.Part = None,
        participant: given.Who = None, account: given.Account = None,
        tracker: given.Tracker = None, scope: given.Side = None, host_ids: given.Hosts = None,
        workspace_id: given.Workspace = None, limit: given.Few = 20, cursor: Cursor = None,
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

    async def get_call(self, call: given.CallId) -> models.CallDetails:
        """Get a call: when, who with which e-mail address, the account and deal that it is linked
        to, with their fields in the CRM, and trackers that came up."""
        kind, content = Page[models.CallDetails], {"trackers": True}
        return await self._gong.one(kind, call, crm=True, parties=True, content=content)

    async def get_call_transcript(
        self, call: given.CallId, from_minute: given.Minute = None, to_minute: given.Minute = None,
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
        kept, more = pages.paged(said.turns(heard, spoken, start, to_minute), cursor)
        speakers: list[models.Person] = [one for one in heard.parties if one.speaker_id]
        return models.Transcript(call_id=heard.id, speakers=speakers, turns=kept, next_cursor=more)

    async def get_call_insights(self, call: given.CallId) -> models.Insights:
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
        self, words: given.Words, since: given.Since, until: given.Until = None,
        said_by: given.Side = None, host_ids: given.Hosts = None,
        workspace_id: given.Workspace = None, read_calls: given.Few = 20, cursor: Cursor = None,
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
        self, deal: given.Deal, since: given.Since, until: given.Until = None,
        workspace_id: given.Workspace = None, limit: given.Few = 10, cursor: Cursor = None,
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
        self, call: given.CallId | None = None, from_date: given.Day | None = None,
        to_date: given.Day | None = None, user_ids: given.Ids = None, cursor: Cursor = None,
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


def build(settings: Settings) -> Server:
    """The server, on the company whose access key it has."""
    key, secret = (settings.credential(f"GONG_ACCESS_KEY{end}") for end in ("", "_SECRET"))
    api = Upstream(
        "Gong",
        settings.url("GONG_BASE_URL", "https://api.gong.io"),
        auth=basic(key, secret),
        # The whole company has 3 calls per second. A page of 100 calls may have 2 MB.
        limits=Limits(at_once=3, per_second=3, answer_bytes=6_000_000),
    )
    private = settings.flag("GONG_PRIVATE_CALLS")
    calls = Calls(api, private)
    gong, company = Gong(calls), Company(calls, private)
    tools: Sequence[Function] = (
        gong.list_calls, gong.get_call, gong.get_call_transcript, gong.get_call_insights,
        gong.search_calls, gong.search_transcripts, company.list_users, gong.get_speaker_stats,
        gong.get_deal_intelligence, company.get_trackers, company.list_scorecards,
        company.list_reviews, company.list_library_folders, company.get_library_folder,
        company.list_workspaces,
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
