"""gong_v2 against a stand-in for Gong's REST API v2 that speaks real HTTP.

Shapes and errors: help.gong.io/apidocs (/v2/calls/extensive, /v2/calls/transcript, /v2/users,
/v2/stats/activity/aggregate, /v2/stats/interaction, /v2/stats/activity/scorecards,
/v2/settings/trackers, /v2/settings/scorecards, /v2/library/folders, /v2/library/folder-content,
/v2/workspaces), checked by eye against the OpenAPI document of Gong's API (V2) that clients are
generated from. 404 "No calls found corresponding to the provided filters": as clients report it.
"""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_catalog.gong_v2 import calls, said
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

CALL, OTHER, PRIVATE = "7782342274025937895", "7782342274025937896", "7782342274025937897"
ANN, BOB = "234599484848423", "234599484848424"
DEAL, ACCOUNT = "0063601230sV7grAAC", "0013601230sV7grAAC"
SINCE = "2026-11-01T00:00:00+01:00"
KEY, SECRET = "ACCESS-KEY-never-shown", "ACCESS-SECRET-never-shown"
NOTHING = replies.refused(
    404, {"requestId": "r", "errors": ["No calls found corresponding to the provided filters"]}
)


def listed(key: str, entries: list[Any], cursor: str | None = None, total: int = 0) -> Reply:
    records = {"totalRecords": total or len(entries), "currentPageSize": len(entries)}
    following = {"cursor": cursor} if cursor else {}
    return replies.ok({"requestId": "r", "records": {**records, **following}, key: entries})


def party(name: str | None, speaker: str | None, **more: Any) -> dict[str, Any]:
    return {"id": f"p{speaker}", "name": name, "speakerId": speaker, "context": [], **more}


def crm(kind: str, key: str | int, **fields: Any) -> dict[str, Any]:
    pairs = [{"name": name, "value": value} for name, value in fields.items()]
    one = {"objectType": kind, "objectId": key, "fields": pairs or None}
    return {"system": "Salesforce", "objects": [one]}


def call(key: str = CALL, title: str = "Acme demo", **more: Any) -> dict[str, Any]:
    meta = {
        "id": key,
        "url": f"https://app.gong.io/call?id={key}",
        "title": title,
        "started": "2026-11-02T02:30:00-07:00",
        "duration": 4510,
        "primaryUserId": ANN,
        "direction": "Conference",
        "scope": "External",
        "workspaceId": "623457276584334",
        "meetingUrl": "https://zoom.us/j/secret",
        "isPrivate": key == PRIVATE,
    }
    return {
        "metaData": meta,
        "parties": [
            party("Ann", "1", userId=ANN, emailAddress="ann@us.example", affiliation="Internal"),
            party(None, "2", emailAddress="eve@acme.example", affiliation="External"),
            party("Silent Sam", None, userId=None),
        ],
        "context": [
            crm("Opportunity", DEAL, Name="Acme renewal", Amount=1200.5, CloseDate=None),
            crm("Account", ACCOUNT, Name="Acme Corp"),
            {"system": "HubSpot", "objects": None},
        ],
        "content": {
            "brief": "They liked it.",
            "keyPoints": [{"text": "Price matters"}],
            "highlights": [{"title": "Next steps", "items": [{"text": "Send an offer"}]}],
            "outline": [{"section": "Intro", "startTime": 4505.2, "items": [{"text": "Hello"}]}],
            "callOutcome": {"id": "MEETING_BOOKED", "name": "Meeting booked"},
            "topics": [{"name": "Pricing", "duration": 86}],
            "trackers": [
                {"id": "5", "name": "Competitors", "count": 2, "type": "KEYWORD",
                 "occurrences": [{"startTime": 32.56, "speakerId": "1"}]},
                {"id": "6", "name": "Budget", "count": 0, "occurrences": None},
            ],
            "pointsOfInterest": {"actionItems": [{"snippet": "I'll send it", "speakerID": "1"}]},
        },
        "interaction": {
            "speakers": [
                {"id": "p1", "userId": ANN, "talkTime": 145.0},
                {"id": "p2", "userId": None, "talkTime": 55.0},
                {"id": "p9", "userId": BOB, "talkTime": None},
            ],
            "interactionStats": [{"name": "Talk Ratio", "value": 0.725}],
            "questions": {"companyCount": 3, "nonCompanyCount": None},
        },
        "collaboration": {"publicComments": [{"commenterUserId": BOB, "comment": "Good pitch"}]},
        **more,
    }  # fmt: skip


def spoken(key: str, *monologues: tuple[str, int, str]) -> dict[str, Any]:
    """monologues: speaker, start in seconds, text of which every sentence takes ten seconds."""
    return {
        "callId": key,
        "transcript": [
            {
                "speakerId": speaker,
                "topic": None,
                "sentences": [
                    {"start": (start + 10 * n) * 1000, "end": 0, "text": f"{text}."}
                    for n, text in enumerate(sentences.split(". "))
                ],
            }
            for speaker, start, sentences in monologues
        ],
    }


def extensive(request: Request) -> Reply:
    ids = request.body["filter"].get("callIds")
    known = {one["metaData"]["id"]: one for one in (call(), call(OTHER, "Sync"), call(PRIVATE))}
    found = [known[key] for key in ids if key in known] if ids else list(known.values())
    return listed("calls", found) if found else NOTHING


TRANSCRIPT = spoken(
    CALL,
    ("1", 0, "Hello. Our price is fine. Or so"),
    ("2", 70, "The PRICE  is high. Discounts?"),
    ("9", 4510, "Bye"),
)


def transcripts(request: Request) -> Reply:
    wanted = request.body["filter"]["callIds"]
    return listed("callTranscripts", [TRANSCRIPT]) if CALL in wanted else NOTHING


USER = {
    "id": ANN,
    "emailAddress": "ann@us.example",
    "firstName": "Ann",
    "lastName": None,
    "active": True,
    "trustedEmailAddress": "secret@us.example",
}
GONE = {**USER, "id": BOB, "firstName": "Bob", "active": False}
ACTIVITY = {"userId": ANN, "userEmailAddress": "ann@us.example",
            "userAggregateActivityStats": {"callsAsHost": 20, "callsAttended": None}}  # fmt: skip
TALKS = {"userId": ANN, "personInteractionStats": [{"name": "Patience", "value": 0.8}]}
TRACKER = {
    "trackerId": "5",
    "trackerName": "Competitors",
    "languageKeywords": [{"language": "eng", "keywords": ["Initech", "Hooli"]}],
    "affiliation": "Anyone",
    "filterQuery": "{secret}",
}
CARD = {
    "scorecardId": 6843152929075440037,
    "scorecardName": "Discovery",
    "enabled": True,
    "questions": [{"questionId": 9007199254740993, "questionText": "Was it good?"}],
}
REVIEW = {
    "scorecardId": 6843152929075440037,
    "scorecardName": "Discovery",
    "callId": int(CALL),
    "reviewedUserId": int(ANN),
    "visibilityType": "PUBLIC",
    "answers": [{"questionId": 9007199254740993, "score": 4, "answerText": None}],
}
FILED = {"id": CALL, "title": "Acme demo", "note": None, "snippet": {"fromSec": 305, "toSec": 600}}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "gong_v2",
    "GONG_BASE_URL",
    {"GONG_ACCESS_KEY": KEY, "GONG_ACCESS_KEY_SECRET": SECRET},
    {
        "POST /v2/calls/extensive": extensive,
        "POST /v2/calls/transcript": transcripts,
        "GET /v2/users": listed("users", [GONE, USER]),
        "POST /v2/stats/activity/aggregate": listed("usersAggregateActivityStats", [ACTIVITY]),
        "POST /v2/stats/interaction": listed("peopleInteractionStats", [TALKS]),
        "POST /v2/stats/activity/scorecards": listed(
            "answeredScorecards", [REVIEW, {**REVIEW, "visibilityType": "PRIVATE"}]
        ),
        "GET /v2/settings/trackers": listed("keywordTrackers", [TRACKER]),
        "GET /v2/settings/scorecards": listed("scorecards", [CARD]),
        "GET /v2/library/folders": listed("folders", [{"id": "3", "name": "Onboarding"}]),
        "GET /v2/library/folder-content": listed("calls", [FILED]),
        "GET /v2/workspaces": listed("workspaces", [{"id": "623457276584334", "name": "Sales"}]),
    },
    {
        "list_calls": {"since": SINCE},
        "search_calls": {"since": SINCE, "account": "acme"},
        "get_call": {"call": CALL},
        "get_call_transcript": {"call": CALL},
        "get_call_insights": {"call": CALL},
        "search_transcripts": {"words": ["price"], "since": SINCE},
        "list_users": {},
        "get_speaker_stats": {"from_date": "2026-11-01", "to_date": "2026-11-08"},
        "get_deal_intelligence": {"deal": "renewal", "since": SINCE},
        "get_trackers": {"since": SINCE},
        "list_scorecards": {},
        "list_reviews": {"from_date": "2026-11-01", "to_date": "2026-11-08"},
        "list_library_folders": {},
        "get_library_folder": {"folder_id": "3"},
        "list_workspaces": {},
    },
    hidden=("zoom.us/j/secret", "secret@us.example", "{secret}"),
)


@pytest.fixture
def gong() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def filters(service: Service) -> list[Any]:
    return [asked.body["filter"] for asked in service.asked if asked.method == "POST"]


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found["entries"]]


async def test_calls_of_a_time(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        found = await tools.ok(
            "list_calls", since=SINCE, until="2026-11-08T00:00:00Z", host_ids=[ANN]
        )
    assert ids(found) == [CALL, OTHER], "without the private one"
    assert found["entries"][0] == {
        "id": CALL,
        "title": "Acme demo",
        "started": "2026-11-02T02:30:00-07:00",
        "seconds": 4510,
        "url": f"https://app.gong.io/call?id={CALL}",
        "host_id": ANN,
        "scope": "External",
        "direction": "Conference",
        "workspace_id": "623457276584334",
        "is_private": False,
    }
    (asked,) = gong.asked
    assert asked.body["filter"] == {
        "fromDateTime": SINCE,
        "toDateTime": "2026-11-08T00:00:00+00:00",
        "primaryUserIds": [ANN],
    }
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert asked.headers["Authorization"] == f"Basic {pair}"


async def test_cursors_lead_through_gongs_pages_and_within_them(gong: Service):
    pages = {
        None: listed("calls", [call(str(n)) for n in range(3)], "n/e=x", 5),
        "n/e=x": listed("calls", [call(str(n)) for n in range(3, 5)], None, 5),
    }
    gong.routes["POST /v2/calls/extensive"] = lambda asked: pages[asked.body.get("cursor")]
    seen: list[str] = []
    async with STAND_IN.connected(gong) as tools:
        place = None
        for _ in range(3):
            found = await tools.ok("list_calls", since=SINCE, limit=2, cursor=place)
            assert (found["total"], len(found["entries"])) == (5, found["looked_at"])
            seen, place = seen + ids(found), found["next_cursor"]
        assert (seen, place) == (["0", "1", "2", "3", "4"], None)
        for bad in ("x", "WyJhIl0=", "WyItIiwgIi0xIl0="):
            assert "cursor: expected" in await tools.error("list_calls", since=SINCE, cursor=bad)


async def test_nothing_is_an_empty_list_and_another_404_an_error(gong: Service):
    gong.routes["POST /v2/calls/extensive"] = NOTHING
    async with STAND_IN.connected(gong) as tools:
        for tool in ("list_calls", "search_calls", "search_transcripts", "get_deal_intelligence"):
            found = await tools.ok(tool, **STAND_IN.calls[tool])
            assert (found["entries"], found["next_cursor"]) == ([], None)
        assert f"Gong has no call {CALL}" in await tools.error("get_call", call=CALL)
        gong.routes["POST /v2/calls/extensive"] = replies.refused(404, {"errors": ["Not Found"]})
        assert "(404): Not Found" in await tools.error("list_calls", since=SINCE)


FOUND_BY: list[tuple[dict[str, str], bool]] = [
    ({"title": "ACME"}, True),
    ({"title": "offer"}, False),
    ({"participant": "eve@acme"}, True),
    ({"participant": ANN}, True),
    ({"participant": ANN[:-1]}, False),
    ({"account": "renew"}, True),
    ({"account": DEAL}, True),
    ({"account": DEAL[:15]}, True),
    ({"account": DEAL[:14]}, False),
    ({"account": "acme.example"}, True),
    ({"account": "us.example"}, False),
    ({"tracker": "compet"}, True),
    ({"tracker": "budget"}, False),
    ({"scope": "Internal"}, False),
    ({"title": "demo", "participant": "nobody"}, False),
]


async def test_calls_are_found_by(gong: Service):
    gong.routes["POST /v2/calls/extensive"] = listed("calls", [call()])
    async with STAND_IN.connected(gong) as tools:
        for wanted, found in FOUND_BY:
            got = await tools.ok("search_calls", since=SINCE, **wanted)
            assert (ids(got), got["looked_at"]) == ([CALL] if found else [], 1), wanted


async def test_a_search_is_bounded_and_goes_on(gong: Service):
    many = [call(str(n), parties=None, context=None, content=None) for n in range(100)]
    gong.routes["POST /v2/calls/extensive"] = listed("calls", many, "more", 9_000)
    async with STAND_IN.connected(gong) as tools:
        found = await tools.ok("search_calls", since=SINCE, title="nowhere")
        assert (found["entries"], found["total"]) == ([], 9_000)
        assert found["looked_at"] == 100 * calls.MOST_PAGES == 100 * len(gong.asked)
        await tools.ok("search_calls", since=SINCE, title="x x", cursor=found["next_cursor"])
    assert gong.asked[calls.MOST_PAGES].body["cursor"] == "more"


async def test_a_page_holds_what_fits(gong: Service):
    crowd = [party(f"Guest {n} {'x' * 50}", str(n)) for n in range(150)]
    gong.routes["POST /v2/calls/extensive"] = listed(
        "calls", [call(str(n), parties=crowd) for n in range(10)]
    )
    async with STAND_IN.connected(gong) as tools:
        first = await tools.ok("search_calls", since=SINCE)
        rest = await tools.ok("search_calls", since=SINCE, cursor=first["next_cursor"])
    assert 1 <= len(first["entries"]) < 10
    assert int(ids(rest)[0]) == len(first["entries"])


async def test_a_crowd_and_a_deal_with_a_thousand_fields_still_fit(gong: Service):
    crowd = [party(f"Guest {n} {'x' * 50}", str(n)) for n in range(1_000)]
    deal = crm("Opportunity", DEAL, **{f"Field_{n}__c": "x" * 300 for n in range(1_000)})
    gong.routes["POST /v2/calls/extensive"] = listed("calls", [call(parties=crowd, context=[deal])])
    async with STAND_IN.connected(gong) as tools:
        whole = await tools.ok("get_call", call=CALL)
        assert (len(whole["participants"]), len(whole["crm"][0]["fields"])) == (200, 100)
        await tools.ok("search_calls", since=SINCE)
        await tools.ok("get_deal_intelligence", deal=DEAL, since=SINCE)


async def test_a_call_with_its_people_and_its_deal(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        link = f"https://us-1.app.gong.io/call?x=1&id={CALL}&y=2"
        found = await tools.ok("get_call", call=link)
    assert found["participants"][1] == {
        "name": None,
        "email": "eve@acme.example",
        "title": None,
        "user_id": None,
        "affiliation": "External",
        "phone": None,
    }
    assert found["crm"][0]["fields"] == {"Name": "Acme renewal", "Amount": "1200.5"}
    assert [one["name"] for one in found["crm"]] == ["Acme renewal", "Acme Corp"]
    assert filters(gong) == [{"callIds": [CALL]}]


async def test_private_calls_are_shown_where_the_operator_says_so(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        for tool in ("get_call", "get_call_transcript", "get_call_insights", "get_speaker_stats"):
            assert "is private" in await tools.error(tool, call=PRIVATE)
        assert (
            len((await tools.ok("list_reviews", **STAND_IN.calls["list_reviews"]))["entries"]) == 1
        )
    assert not [asked for asked in gong.asked if asked.path.endswith("transcript")]
    async with STAND_IN.connected(gong, GONG_PRIVATE_CALLS="true") as tools:
        assert (await tools.ok("get_call", call=PRIVATE))["is_private"]
        assert (
            len((await tools.ok("list_reviews", **STAND_IN.calls["list_reviews"]))["entries"]) == 2
        )


async def test_a_transcript_says_who_spoke_and_when(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        whole = await tools.ok("get_call_transcript", call=CALL)
        part = await tools.ok("get_call_transcript", call=CALL, from_minute=0.25, to_minute=1.3)
        nothing = await tools.error("get_call_transcript", call=OTHER)
    assert whole["turns"] == [
        {"time": "00:00", "speaker": "Ann", "text": "Hello. Our price is fine. Or so."},
        {"time": "01:10", "speaker": "eve@acme.example", "text": "The PRICE  is high. Discounts?."},
        {"time": "75:10", "speaker": "Unknown speaker", "text": "Bye."},
    ]
    assert [one["email"] for one in whole["speakers"]] == ["ann@us.example", "eve@acme.example"]
    assert [turn["text"] for turn in part["turns"]] == ["Or so.", "The PRICE  is high."]
    assert f"call {OTHER} has no transcript, or not yet" in nothing


async def test_a_long_transcript_has_pages(gong: Service):
    long = spoken(CALL, *[("1", n, f"{n} {'word ' * 3000}") for n in range(12)])
    gong.routes["POST /v2/calls/transcript"] = listed("callTranscripts", [long])
    read, place = [], None
    async with STAND_IN.connected(gong) as tools:
        for _ in range(4):
            page = await tools.ok("get_call_transcript", call=CALL, cursor=place)
            read += [int(turn["text"].split()[0]) for turn in page["turns"]]
            if (place := page["next_cursor"]) is None:
                break
        assert "cursor: expected" in await tools.error(
            "get_call_transcript", call=CALL, cursor="WyIwMHgiXQ=="
        )
    assert read == list(range(12))


SAID: list[tuple[list[str], str | None, int]] = [
    (["price"], None, 2),
    (["PRICE IS"], None, 2),
    (["price", "discount"], "External", 2),
    (["rice"], None, 0),
    (["price.*"], None, 0),
    (["hello"], "External", 0),
]


async def test_words_are_found_in_what_was_said(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        for words, side, hits in SAID:
            found = await tools.ok("search_transcripts", words=words, since=SINCE, said_by=side)
            assert (found["looked_at"], found["without_transcript"]) == (2, 1)
            assert [one["hits"] for one in found["entries"]] == ([hits] if hits else []), words
        found = await tools.ok("search_transcripts", words=["price"], since=SINCE)
    assert found["entries"][0]["quotes"][1] == {
        "time": "01:10",
        "speaker": "eve@acme.example",
        "text": "The PRICE  is high. Discounts?.",
    }


async def test_a_search_in_transcripts_reads_few_at_once_and_goes_on(gong: Service):
    gong.routes["POST /v2/calls/extensive"] = listed("calls", [call(str(n)) for n in range(20)])
    async with STAND_IN.connected(gong) as tools:
        found = await tools.ok("search_transcripts", words=["x1"], since=SINCE, read_calls=12)
        assert (found["looked_at"], found["total"]) == (12, 20)
        await tools.ok("search_transcripts", words=["x1"], since=SINCE, cursor=found["next_cursor"])
    asked = [one.body["filter"]["callIds"] for one in gong.asked if "transcript" in one.path]
    assert sorted(len(part) for part in asked) == [2, 3, 5, 5, 5]
    assert sorted((key for part in asked for key in part), key=int) == [str(n) for n in range(20)]


async def test_insights_hold_what_there_is(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        found = await tools.ok("get_call_insights", call=CALL)
        gong.routes["POST /v2/calls/extensive"] = listed(
            "calls", [{**call(), "content": None, "interaction": None, "collaboration": None}]
        )
        nothing = await tools.ok("get_call_insights", call=CALL)
    assert found["highlights"] == [
        {"title": "Next steps", "start": None, "items": ["Send an offer"]}
    ]
    assert found["outline"] == [{"title": "Intro", "start": "75:05", "items": ["Hello"]}]
    assert found["trackers"] == [
        {"id": "5", "name": "Competitors", "count": 2, "said_at": ["00:32"]}
    ]
    assert (found["outcome"], found["topics"]) == ("Meeting booked", {"Pricing": 86})
    assert found["action_items"] + found["comments"] == ["I'll send it", "Good pitch"]
    assert (nothing["brief"], nothing["outcome"], nothing["trackers"]) == ("", None, [])


async def test_how_people_talk(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        in_call = await tools.ok("get_speaker_stats", call=CALL)
        in_week = await tools.ok(
            "get_speaker_stats", from_date="2026-11-01", to_date="2026-11-08", user_ids=[ANN]
        )
        gong.routes["POST /v2/stats/interaction"] = replies.refused(
            404, {"errors": ["No stats found corresponding to the provided filters"]}
        )
        quiet = await tools.ok("get_speaker_stats", **STAND_IN.calls["get_speaker_stats"])
    ann, eve, bob = in_call["entries"]
    assert (ann["name"], ann["talk_share"], ann["stats"]) == ("Ann", 0.725, {"Talk Ratio": 0.725})
    assert (eve["name"], eve["talk_seconds"], eve["stats"]) == ("eve@acme.example", 55, {})
    assert (bob["name"], bob["user_id"], bob["stats"]) == ("Unknown speaker", BOB, {})
    assert in_week["entries"][0]["activity"] == {"callsAsHost": 20}
    assert in_week["entries"][0]["stats"] == {"Patience": 0.8}
    week = {"fromDate": "2026-11-01", "toDate": "2026-11-08", "userIds": [ANN]}
    assert filters(gong)[1:3] == [week, week]
    assert quiet["entries"][0]["stats"] == {}


async def test_what_calls_tell_of_a_deal(gong: Service):
    hubspot = call("3", context=[crm("Deal", 17, dealname="Big")])
    gong.routes["POST /v2/calls/extensive"] = listed(
        "calls", [call(), call(OTHER), hubspot, call("4", context=None)]
    )
    async with STAND_IN.connected(gong) as tools:
        by_name = await tools.ok("get_deal_intelligence", deal="acme", since=SINCE)
        by_id = await tools.ok("get_deal_intelligence", deal="17", since=SINCE)
    assert ids(by_name) == [CALL, OTHER]
    assert [deal["id"] for deal in by_name["deals"]] == [DEAL]
    assert by_name["deals"][0]["fields"]["Amount"] == "1200.5"
    assert by_name["mentions"] == {"Competitors": 4}
    assert by_name["entries"][0]["highlights"][0]["items"] == ["Send an offer"]
    assert "fields" not in by_name["entries"][0]["crm"][0]
    assert (ids(by_id), by_id["deals"][0]["name"]) == (["3"], "Big")


async def test_trackers_are_counted_in_calls(gong: Service):
    smart = {"id": "7", "name": "Objections", "count": 3, "type": "SMART"}
    second = call(OTHER, content={"trackers": [smart]})
    gong.routes["POST /v2/calls/extensive"] = listed("calls", [call(), second])
    async with STAND_IN.connected(gong) as tools:
        plain = await tools.ok("get_trackers", name="compet")
        counted = await tools.ok("get_trackers", since=SINCE)
    assert plain["entries"][0]["keywords"] == ["Initech", "Hooli"]
    assert (plain["entries"][0]["mentions"], plain["total"]) == (None, 1)
    numbers = [(one["name"], one["calls"], one["mentions"]) for one in counted["entries"]]
    assert numbers == [("Competitors", 1, 2), ("Objections", 1, 3)]
    assert (counted["looked_at"], counted["total"]) == (2, 2)


async def test_users_by_name_and_those_who_left(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        assert ids(await tools.ok("list_users")) == [ANN]
        assert ids(await tools.ok("list_users", active_only=False)) == [BOB, ANN]
        assert ids(await tools.ok("list_users", query="ann@")) == [ANN]
        assert ids(await tools.ok("list_users", query="bob")) == []


async def test_reviews_have_the_questions_and_ids_stay_whole(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        found = await tools.ok("list_reviews", **STAND_IN.calls["list_reviews"])
        folder = await tools.ok("get_library_folder", folder_id="3")
    (review,) = found["entries"]
    assert (review["scorecard_id"], review["call_id"]) == ("6843152929075440037", CALL)
    assert review["answers"] == [
        {"question_id": "9007199254740993", "question": "Was it good?", "score": 4, "text": None}
    ]
    assert (folder["entries"][0]["start"], folder["entries"][0]["end"]) == ("05:05", "10:00")
    assert gong.asked[-1].query == {"folderId": ["3"]}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("list_calls", {"since": "2026-11-01"}, "timezone"),
    ("list_calls", {"since": "last week"}, "valid datetime"),
    ("list_calls", {"until": SINCE}, "until: expected a time after since"),
    ("list_calls", {"host_ids": ["ann@us.example"]}, "should match pattern"),
    ("list_calls", {"host_ids": []}, "at least 1 item"),
    ("get_call", {"call": "Acme demo"}, "expected a call's id, or the link"),
    ("get_call", {"call": f"../{CALL}"}, "expected a call's id, or the link"),
    ("get_call_transcript", {"from_minute": 5, "to_minute": 5}, "to_minute: expected more"),
    ("search_transcripts", {"words": []}, "at least 1 item"),
    ("search_transcripts", {"words": ["  "]}, "should match pattern"),
    ("search_transcripts", {"words": ["w"] * 10_000}, "at most 20 items"),
    ("get_speaker_stats", {"to_date": None}, "expected either a call alone, or from_date"),
    ("get_speaker_stats", {"call": CALL}, "expected either a call alone, or from_date"),
    ("get_speaker_stats", {"to_date": "2026-11-01"}, "a later to_date"),
    ("get_speaker_stats", {"from_date": "2026-11-01T09:00:00Z"}, "zero time"),
    ("list_reviews", {"to_date": "2026-10-01"}, "to_date: expected a day after from_date"),
]


async def test_what_can_not_be_is_refused_before_it_is_sent(gong: Service):
    async with STAND_IN.connected(gong) as tools:
        for tool, changed, said in REFUSED:
            assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed}), changed
    assert gong.asked == []


async def test_gongs_errors_are_told(gong: Service):
    gong.queue.append(replies.refused(429, {"requestId": "r", "errors": ["Slow"]}, Retry_After="0"))
    async with STAND_IN.connected(gong) as tools:
        await tools.ok("list_calls", since=SINCE)
        assert len(gong.asked) == 2, "what only reads is asked again"
        gong.routes["POST /v2/calls/extensive"] = replies.refused(
            401, {"requestId": "r", "errors": ["Invalid authentication credentials"]}
        )
        said = await tools.error("list_calls", since=SINCE)
    assert "Gong refused (401): Invalid authentication credentials The credential is wrong" in said


async def test_without_its_secret_it_starts_and_says_so(gong: Service):
    async with STAND_IN.connected(gong, GONG_ACCESS_KEY_SECRET="") as tools:
        assert "GONG_ACCESS_KEY_SECRET is not set" in await tools.error("list_users")
    assert gong.asked == []


def test_a_word_is_found_at_its_beginning_whatever_it_holds():
    wanted = said.pattern(["$100", "c++", "next   step"])
    assert all(wanted.search(text) for text in ("for $100.", "in C++?", "the next\nsteps"))
    assert not wanted.search("text step")
