"""A company's data in Gong besides its calls: people, trackers, scorecards, the library."""

from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sophia_mcp.fields import Id, Many, Text, at
from sophia_mcp.pages import Cursor, Limit

from . import arguments as given
from . import matching
from .calls import Calls, period, scan
from .models import Clock, Found, FoundCall, Page, dicts, pairs_of


def _keywords(languages: object) -> list[str]:
    lists = [one.get("keywords") for one in dicts(languages)]
    return [str(word) for many in lists if isinstance(many, list) for word in many][:20]


class User(BaseModel):
    """A person with an account in Gong."""

    id: Id
    first_name: Text = at("firstName", default="")
    last_name: Text = at("lastName", default="")
    email: str | None = at("emailAddress", default=None)
    title: str | None = None
    manager_id: Id | None = at("managerId", default=None)
    active: bool | None = None


class Tracker(BaseModel):
    """Words that Gong looks for in calls. calls, mentions: in those that were looked at."""

    model_config = ConfigDict(populate_by_name=True)

    id: Id | None = at("trackerId", default=None)
    name: Text = at("trackerName", default="")
    keywords: Annotated[list[str], BeforeValidator(_keywords)] = at(
        "languageKeywords", default_factory=list
    )
    said_by: str | None = at("affiliation", default=None, description="Anyone, Company, NonCompany")
    workspace_id: Id | None = at("workspaceId", default=None)
    calls: int | None = None
    mentions: int | None = None


class Scorecard(BaseModel):
    """What reviewers answer about a call. questions: by id."""

    id: Id = at("scorecardId")
    name: Text = at("scorecardName", default="")
    enabled: bool | None = None
    workspace_id: Id | None = at("workspaceId", default=None)
    questions: Annotated[dict[str, str], pairs_of("questionId", "questionText")] = Field(
        default_factory=dict
    )


class Answer(BaseModel):
    """The answer to a question of a scorecard."""

    question_id: Id | None = at("questionId", default=None)
    question: str | None = None
    score: float | None = None
    text: str | None = at("answerText", default=None)


class Review(BaseModel):
    """A scorecard that somebody filled in for a call."""

    scorecard_id: Id | None = at("scorecardId", default=None)
    scorecard: Text = at("scorecardName", default="")
    call_id: Id | None = at("callId", default=None)
    call_started: str | None = at("callStartTime", default=None)
    reviewed_user_id: Id | None = at("reviewedUserId", default=None)
    reviewer_user_id: Id | None = at("reviewerUserId", default=None)
    visibility: str | None = at("visibilityType", default=None)
    answers: Many[Answer] = Field(default_factory=list)


class Place(BaseModel):
    """A workspace, or a folder of the library."""

    id: Id
    name: Text = ""
    parent_id: Id | None = at("parentFolderId", default=None)


class LibraryCall(BaseModel):
    """A call in the library, or a part of it: from start to end, mm:ss."""

    id: Id
    title: Text = ""
    note: str | None = None
    url: str | None = None
    start: Clock = at("snippet", "fromSec", default=None)
    end: Clock = at("snippet", "toSec", default=None)


class Company:
    """The tools. private: whether reviews are shown that are not public."""

    def __init__(self, gong: Calls, private: bool) -> None:
        self._gong, self._private = gong, private

    async def get_trackers(
        self, name: given.Part = None, since: given.Since | None = None, until: given.Until = None,
        workspace_id: given.Workspace = None, cursor: Cursor = None,
    ) -> Found[Tracker]:  # fmt: skip
        """List trackers with the words they look for. With since: how often they came up in the
        calls of that time, smart trackers too. An answer counts some hundred calls: add up what
        next_cursor leads to, with the same other arguments."""
        listed = await self._gong.all(
            Page[Tracker], "settings", "trackers", workspaceId=workspace_id
        )
        trackers = {one.id: one for one in listed.entries}

        def count(call: FoundCall) -> None:
            for hit in call.trackers:
                one = trackers.setdefault(hit.id, Tracker(id=hit.id, name=hit.name))
                one.calls = (one.calls or 0) + 1
                one.mentions = (one.mentions or 0) + (hit.count or 0)

        if since:
            kind, where = Page[FoundCall], period(since, until, None, workspace_id)
            content = {"trackers": True}
            looked = await self._gong.within(kind, where, cursor, 1, count, content=content)
            listed = Found(**looked.model_dump())
        listed.entries = [one for one in trackers.values() if matching.has(name, one.name)]
        return listed

    async def list_users(
        self, query: given.Who = None, active_only: bool = True, limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Found[User]:  # fmt: skip
        """List people with an account in Gong. Other tools' host_ids and user_ids are their ids."""

        async def read(place: str | None) -> Page[User]:
            return await self._gong.get(Page[User], "users", cursor=place)

        def good(user: User) -> bool:
            name = f"{user.first_name} {user.last_name}"
            known = matching.has(query, name, user.email, ids=[user.id])
            return known and not (active_only and user.active is False)

        return await scan(read, cursor, limit, good)

    async def list_scorecards(self) -> Found[Scorecard]:
        """List scorecards with their questions."""
        return await self._gong.all(Page[Scorecard], "settings", "scorecards")

    async def list_reviews(
        self, from_date: given.Day, to_date: given.Day, reviewed_user_ids: given.Ids = None,
        scorecard_ids: given.Ids = None, limit: Limit = 20, cursor: Cursor = None,
    ) -> Found[Review]:  # fmt: skip
        """List scorecards that were filled in for calls of these days, to_date not included, with
        questions and answers."""
        if from_date >= to_date:
            raise ToolError(f"to_date: expected a day after from_date ({from_date})")
        where = {
            "callFromDate": str(from_date),
            "callToDate": str(to_date),
            **({"reviewedUserIds": reviewed_user_ids} if reviewed_user_ids else {}),
            **({"scorecardIds": scorecard_ids} if scorecard_ids else {}),
        }

        async def read(place: str | None) -> Page[Review]:
            path = ("stats", "activity", "scorecards")
            return await self._gong.post(Page[Review], *path, cursor=place, filter=where)

        def good(review: Review) -> bool:
            return self._private or review.visibility in (None, "PUBLIC")

        found = await scan(read, cursor, limit, good)
        cards = (await self.list_scorecards()).entries if found.entries else []
        asked = {key: text for card in cards for key, text in card.questions.items()}
        for answer in (one for review in found.entries for one in review.answers):
            answer.question = asked.get(answer.question_id or "")
        return found

    async def list_library_folders(self, workspace_id: given.Workspace = None) -> Found[Place]:
        """List the library's public folders. A company with several workspaces has to name one."""
        return await self._gong.all(Page[Place], "library", "folders", workspaceId=workspace_id)

    async def get_library_folder(self, folder_id: given.Id) -> Found[LibraryCall]:
        """List the calls of a library's folder, with notes."""
        return await self._gong.all(
            Page[LibraryCall], "library", "folder-content", folderId=folder_id
        )

    async def list_workspaces(self) -> Found[Place]:
        """List workspaces, into which some companies divide their calls."""
        return await self._gong.all(Page[Place], "workspaces")
