"""What Gong's objects are to a model: ids, names, times, and texts that can be read."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from sophia_mcp.fields import Id, Many, Text, at
from sophia_mcp.pages import NextCursor, cut

T = TypeVar("T")


def clock(seconds: object) -> object:
    """Seconds from the start of a call as mm:ss; 75:10 is an hour and a quarter."""
    if not isinstance(seconds, int | float):
        return seconds
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def dicts(given: object) -> list[dict[str, Any]]:
    """Those that are there."""
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _texts(given: object) -> list[str]:
    """Of items, whichever key Gong calls the text by."""
    found = [one.get(key) for one in dicts(given) for key in ("text", "snippet", "comment")]
    return [str(text) for text in found if text]


def pairs_of(key: str, value: str) -> BeforeValidator:
    """Reads a list of such pairs as an object, without values that are empty."""

    def read(given: object) -> dict[str, Any]:
        pairs = {str(one.get(key)): one.get(value) for one in dicts(given)}
        pairs = given if isinstance(given, dict) else pairs
        return {name: found for name, found in pairs.items() if found not in (None, "")}

    return BeforeValidator(read)


def _times(given: object) -> list[object]:
    return [clock(one.get("startTime") or 0) for one in dicts(given)][:10]


def _objects(given: object) -> list[dict[str, Any]]:
    """The objects of all CRM systems. The name is a field like others."""
    found = []
    for system in dicts(given):
        for one in dicts(system.get("objects")):
            filled = [f for f in dicts(one.get("fields")) if f.get("value") not in (None, "")]
            fields = {str(f.get("name")): cut(str(f["value"]), 200) for f in filled[:100]}
            names = {key.lower(): value for key, value in fields.items()}
            own = {"fields": fields, "name": names.get("name") or names.get("dealname")}
            found.append({"system": system.get("system"), **one, **own})
    return found


Texts = Annotated[list[str], BeforeValidator(_texts)]
Clock = Annotated[str | None, BeforeValidator(clock)]
Numbers = Annotated[dict[str, float], pairs_of("name", "value")]


class Page(BaseModel, Generic[T]):
    """A part of any of Gong's lists, as it comes."""

    entries: Many[T] = Field(
        validation_alias=AliasChoices(
            "calls", "callTranscripts", "users", "usersAggregateActivityStats",
            "peopleInteractionStats", "answeredScorecards", "scorecards", "keywordTrackers",
            "folders", "workspaces",
        )
    )  # fmt: skip
    total: int | None = at("records", "totalRecords", default=None)
    next_cursor: NextCursor = at("records", "cursor", default=None)


class Found(BaseModel, Generic[T]):
    """What was found, in Gong's order: of calls the oldest first."""

    entries: list[T]
    looked_at: int = Field(description="How many this answer looked at to find them")
    total: int | None = Field(default=None, description="How many there are to look at, if known")
    next_cursor: NextCursor = None


class Person(BaseModel):
    """Somebody in a call."""

    name: str | None = None
    email: str | None = at("emailAddress", default=None)
    title: str | None = None
    user_id: Id | None = at("userId", default=None)
    affiliation: str | None = Field(default=None, description="Internal, External or Unknown")
    phone: str | None = at("phoneNumber", default=None)


class Party(Person):
    """The same with the ids that transcripts and statistics call them by."""

    id: Id | None = None
    speaker_id: Id | None = at("speakerId", default=None)

    @property
    def called(self) -> str:
        """What there is of a name."""
        return self.name or self.email or self.phone or "Unknown speaker"


class CrmObject(BaseModel):
    """What the CRM has a call linked to."""

    system: Text = ""
    type: Text = at("objectType", default="", description="Such as Account or Opportunity")
    id: Id | None = at("objectId", default=None, description="In the CRM")
    name: str | None = None


class CrmDetails(CrmObject):
    """The same with its first 100 fields that hold something: stage, amount, close date."""

    fields: dict[str, str] = Field(default_factory=dict)


class Call(BaseModel):
    """A recorded call. host_id: a user's."""

    id: Id = at("metaData", "id")
    title: Text = at("metaData", "title", default="")
    started: str | None = at("metaData", "started", default=None)
    seconds: float | None = at("metaData", "duration", default=None)
    url: str | None = at("metaData", "url", default=None)
    host_id: Id | None = at("metaData", "primaryUserId", default=None)
    scope: str | None = at("metaData", "scope", default=None, description="Internal or External")
    direction: str | None = at("metaData", "direction", default=None)
    workspace_id: Id | None = at("metaData", "workspaceId", default=None)
    is_private: bool | None = at("metaData", "isPrivate", default=None)


class TrackerHits(BaseModel):
    """How often a tracker's words came up in a call."""

    id: Id | None = None
    name: Text = ""
    count: int | None = None
    said_at: Annotated[list[str], BeforeValidator(_times)] = at("occurrences", default_factory=list)


class Section(BaseModel):
    """A part of a call's outline or highlights."""

    title: Text = Field("", validation_alias=AliasChoices("section", "title"))
    start: Clock = at("startTime", default=None)
    items: Texts = Field(default_factory=list)


Hits = Annotated[Many[TrackerHits], AfterValidator(lambda many: [one for one in many if one.count])]


class FoundCall(Call):
    """A call with who was in it (the first 200), and what the CRM has it linked to.

    trackers: where they were looked for.
    """

    participants: Annotated[Many[Person], AfterValidator(lambda many: many[:200])] = at(
        "parties", default_factory=list
    )
    crm: Annotated[Sequence[CrmObject], BeforeValidator(_objects)] = at("context", default=())
    trackers: Hits = at("content", "trackers", default_factory=list)


class CallDetails(FoundCall):
    """All about a call but what was said."""

    system: str | None = at("metaData", "system", default=None)
    purpose: str | None = at("metaData", "purpose", default=None)
    language: str | None = at("metaData", "language", default=None)
    crm: Annotated[Sequence[CrmDetails], BeforeValidator(_objects)] = at("context", default=())


class Digest(Call):
    """What Gong makes of a call. Highlights hold the next steps."""

    brief: Text = at("content", "brief", default="")
    outcome: str | None = at("content", "callOutcome", "name", default=None)
    highlights: Many[Section] = at("content", "highlights", default_factory=list)
    action_items: Texts = at("content", "pointsOfInterest", "actionItems", default_factory=list)
    trackers: Hits = at("content", "trackers", default_factory=list)


class Insights(Digest):
    """All that Gong makes of a call. Times are mm:ss, those of a tracker the first ten."""

    key_points: Texts = at("content", "keyPoints", default_factory=list)
    outline: Many[Section] = at("content", "outline", default_factory=list)
    topics: Annotated[dict[str, float], pairs_of("name", "duration")] = at(
        "content", "topics", default_factory=dict, description="Seconds, by name"
    )
    company_questions: int | None = at("interaction", "questions", "companyCount", default=None)
    other_questions: int | None = at("interaction", "questions", "nonCompanyCount", default=None)
    comments: Texts = at("collaboration", "publicComments", default_factory=list)


class DealCall(Digest, FoundCall):
    """A call of a deal."""


class DealRead(DealCall):
    """The same with what the deal is."""

    crm: Annotated[Sequence[CrmDetails], BeforeValidator(_objects)] = at("context", default=())


class DealIntelligence(Found[DealCall]):
    """Calls of a deal, the oldest first. deals: those that match; if several, ask for one by id.

    mentions: how often trackers came up in these calls.
    """

    deals: list[CrmDetails]
    mentions: dict[str, int]


class Talked(BaseModel):
    """How long somebody spoke."""

    id: Id | None = None
    user_id: Id | None = at("userId", default=None)
    seconds: float | None = at("talkTime", default=None)


class Heard(Call):
    """A call of which the transcript or the statistics are asked for."""

    parties: Many[Party] = Field(default_factory=list)
    talked: Many[Talked] = at("interaction", "speakers", default_factory=list)
    stats: Numbers = at("interaction", "interactionStats", default_factory=dict)


class Sentence(BaseModel):
    """start: milliseconds from the start of the call."""

    start: Annotated[float, BeforeValidator(lambda given: given or 0)] = 0
    text: Text = ""


class Monologue(BaseModel):
    """What one person said until another spoke."""

    speaker_id: Id | None = at("speakerId", default=None)
    sentences: Many[Sentence] = Field(default_factory=list)


class CallTranscript(BaseModel):
    """Gong's transcript of a call."""

    call_id: Id = at("callId")
    monologues: Many[Monologue] = at("transcript", default_factory=list)


class Turn(BaseModel):
    """What one person said, from the time mm:ss of the call on."""

    time: str
    speaker: str
    text: str


class Transcript(BaseModel):
    """What was said in a call, or in a part of it."""

    call_id: str
    speakers: list[Person]
    turns: list[Turn]
    next_cursor: NextCursor = None


class Quoted(BaseModel):
    """A call in which the words were said. hits: sentences with them; quotes: the first ones."""

    id: str
    title: str
    started: str | None
    url: str | None
    hits: int
    quotes: list[Turn]


class QuotedCalls(Found[Quoted]):
    """Calls in which the words were said, of those looked at. Some may have no transcript."""

    without_transcript: int


class Speaker(BaseModel):
    """How somebody talks. stats: Gong's, such as Patience; activity: calls hosted and so on."""

    model_config = ConfigDict(populate_by_name=True)

    user_id: Id | None = at("userId", default=None)
    email: str | None = at("userEmailAddress", default=None)
    name: str | None = None
    affiliation: str | None = None
    talk_seconds: float | None = None
    talk_share: float | None = Field(default=None, description="Of all that was said, 0 to 1")
    stats: Numbers = at("personInteractionStats", default_factory=dict)
    activity: Numbers = at("userAggregateActivityStats", default_factory=dict)
