"""hubspot_unified against a stand-in for HubSpot's API that speaks real HTTP.

Shapes: HubSpot's published OpenAPI documents (HubSpot-public-api-spec-collection: CRM Objects v3,
Associations v4 and their schema, Properties, Schemas, Pipelines, Owners, Account Info).
developers.hubspot.com/docs/api-reference: error-handling (missing fields, 207, traces),
search/guide (limits, operators), legacy/reporting (analytics), crm-notes-v3/guide;
docs/developer-tooling/platform/usage-guidelines (limits, policyName).
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

TOKEN = "pat-na1-never-shown"
SEEN = {"createdAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-02T10:00:00Z"}
CONTACT = {
    "id": "512",
    "properties": {"email": "ann@example.com", "firstname": "Ann", "phone": None},
    **SEEN,
    "archived": False,
    "url": "https://app.hubspot.com/contacts/62515/record/0-1/512",
}
NEXT = {"next": {"after": "513", "link": "https://api.hubapi.com/…"}}
TIMES = {"startedAt": "2026-11-01T10:00:00Z", "completedAt": "2026-11-01T10:00:01Z"}
PRIMARY = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}
PLAIN = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}
OBJECTS, LINKS = "/crm/v3/objects", "/crm/v4/associations"
CONTACTS = {"object_type": "contacts"}
BETWEEN = {"from_object_type": "contacts", "to_object_type": "companies"}


def batch(results: list[Any], *errors: dict[str, Any]) -> Reply:
    """As HubSpot answers one; with errors, the status is 207."""
    some = {"numErrors": len(errors), "errors": list(errors)} if errors else {}
    body = {"status": "COMPLETE", "results": results, **TIMES, **some}
    return replies.ok(body, 207 if errors else 200)


def error(category: str, message: str, **context: Any) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message, "context": context}


def refused(status: int, category: str, message: str, **more: Any) -> Reply:
    body = {"status": "error", "category": category, "message": message, "correlationId": "c-1"}
    return replies.refused(status, {**body, **more})


def saved(request: Request) -> Reply:
    """All are done: new ones get ids from 100 on."""
    given = enumerate(request.body["inputs"])
    return batch([{"id": str(100 + place), **SEEN, **one} for place, one in given])


def associated(request: Request) -> Reply:
    """The plain kind is answered in both directions."""
    ends = [(one["from"], one["to"]) for one in request.body["inputs"]]
    spec = {"associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}}
    both = [end for a, b in ends for end in ((a, b), (b, a))]
    return batch([{"from": a, "to": b, **spec} for a, b in both])


def labelled(request: Request) -> Reply:
    ends = [(int(one["from"]["id"]), int(one["to"]["id"])) for one in request.body["inputs"]]
    return batch([{"fromObjectId": a, "toObjectId": b, "labels": ["Billing"]} for a, b in ends])


def prop(name: str, **more: Any) -> dict[str, Any]:
    kind = {"type": "string", "fieldType": "text", "groupName": "info", "options": []}
    rights = {"archivable": True, "readOnlyDefinition": True, "readOnlyValue": False}
    texts = {"label": name.title(), "description": f"About {name}"}
    return {"name": name, **texts, **kind, "modificationMetadata": rights, "hidden": False, **more}


STAGE = {"value": "closedwon", "label": "Won", "displayOrder": 1, "hidden": False}
PROPERTIES = [
    prop("email", hasUniqueValue=True),
    prop("hs_secret", hidden=True),
    prop("dealstage", type="enumeration", options=[STAGE]),
]
PIPELINE = {
    "id": "default",
    "label": "Sales",
    "displayOrder": 0,
    "stages": [
        {"id": "won", "label": "Won", "metadata": {"isClosed": "true", "probability": "1.0"}},
        {"id": "new", "label": "New", "metadata": {}},
    ],
}
SCHEMA = {
    "id": "6",
    "objectTypeId": "2-3465404",
    "fullyQualifiedName": "p62515_car",
    "name": "car",
    "labels": {"singular": "Car", "plural": "Cars"},
    "primaryDisplayProperty": "model",
    "requiredProperties": ["model"],
    "searchableProperties": ["model"],
    "properties": [],
    "associations": [],
}
OWNER = {"id": "64492917", "email": "eve@example.com", "firstName": "Eve", "userId": 7}
NUMBERS = {"visits": 30, "contacts": 2, "bounceRate": 0.5, "leads": 0}
REPORT = {
    "offset": 1,
    "total": 2,
    "totals": NUMBERS,
    "breakdowns": [{"breakdown": "organic", **NUMBERS, "meta": "x"}],
}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "hubspot_unified",
    "HUBSPOT_API_URL",
    {"HUBSPOT_ACCESS_TOKEN": TOKEN, "MCP_ALLOW_WRITES": "true"},
    {
        f"GET {OBJECTS}/contacts": replies.ok({"results": [CONTACT], "paging": NEXT}),
        f"POST {OBJECTS}/contacts/search": replies.ok({"total": 1, "results": [CONTACT]}),
        f"GET {OBJECTS}/contacts/512": replies.ok(CONTACT),
        f"POST {OBJECTS}/contacts/batch/read": batch([CONTACT]),
        f"POST {OBJECTS}/contacts/batch/create": saved,
        f"POST {OBJECTS}/contacts/batch/update": saved,
        f"POST {LINKS}/contacts/companies/batch/read": batch(
            [
                {
                    "from": {"id": "512"},
                    "to": [{"toObjectId": 9, "associationTypes": [PRIMARY, PLAIN]}],
                }
            ]
        ),
        f"GET {LINKS}/contacts/companies/labels": replies.ok({"results": [PRIMARY, PLAIN]}),
        f"POST {LINKS}/contacts/companies/batch/associate/default": associated,
        f"POST {LINKS}/contacts/companies/batch/create": labelled,
        "GET /crm-object-schemas/v3/schemas": replies.ok({"results": [SCHEMA]}),
        "GET /crm/v3/properties/contacts": replies.ok({"results": PROPERTIES}),
        "GET /crm/v3/pipelines/deals": replies.ok({"results": [PIPELINE]}),
        "GET /crm/v3/owners": replies.ok({"results": [OWNER]}),
        "GET /account-info/v3/details": replies.ok(
            {"portalId": 62515, "timeZone": "Europe/Berlin", "companyCurrency": "EUR"}
        ),
        "POST /oauth/v2/private-apps/get/access-token-info": lambda request: replies.ok(
            {"userId": 7, "hubId": 62515, "scopes": ["oauth"], "tokenKey": request.body["tokenKey"]}
        ),
        f"GET {LINKS}/notes/contacts/labels": replies.ok({"results": [{**PLAIN, "typeId": 202}]}),
        f"POST {OBJECTS}/notes": replies.ok({"id": "77", "properties": {}, **SEEN}, 201),
        f"PATCH {OBJECTS}/tasks/88": replies.ok({"id": "88", "properties": {}, **SEEN}),
        "GET /analytics/v2/reports/sources/total": replies.ok(REPORT),
    },
    {
        "search_objects": {**CONTACTS, "query": "ann"},
        "list_associations": {**CONTACTS, "object_ids": ["512"], "to_object_type": "companies"},
        "batch_create_objects": {**CONTACTS, "records": [{"properties": {"email": "b@x.de"}}]},
        "batch_update_objects": {
            **CONTACTS,
            "records": [{"id": "512", "properties": {"phone": "1"}}],
        },
        "create_engagement": {"kind": "note", "about": [{**CONTACTS, "id": "512"}], "body": "Hi"},
        "update_engagement": {"kind": "task", "id": "88", "title": "Call"},
        "batch_create_associations": {**BETWEEN, "pairs": [{"from_id": "512", "to_id": "9"}]},
        "list_objects": CONTACTS,
        "get_object": {**CONTACTS, "id": "512"},
        "batch_read_objects": {**CONTACTS, "ids": ["512"]},
        "list_association_types": BETWEEN,
        "get_schemas": {},
        "list_properties": CONTACTS,
        "list_pipelines": {},
        "list_owners": {},
        "get_account": {},
        "get_analytics": {"by": "sources", "start": "2026-11-01", "end": "2026-11-26"},
    },
    hidden=("correlationId",),
)


@pytest.fixture
def hubspot() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def call(name: str, **changed: Any) -> dict[str, Any]:
    """The arguments of a good call, some of them changed."""
    return {**STAND_IN.calls[name], **changed}


async def test_a_list_has_few_properties_unless_some_are_named(hubspot: Service):
    async with STAND_IN.connected(hubspot) as tools:
        page = await tools.ok("list_objects", **CONTACTS)
        cursor = page["next_cursor"]
        await tools.ok("list_objects", **CONTACTS, properties=["email"], cursor=cursor)
    properties = {"email": "ann@example.com", "firstname": "Ann", "phone": None}
    assert page == {"records": [{"id": "512", "properties": properties}], "next_cursor": "513"}
    assert [asked.query for asked in hubspot.asked] == [
        {"limit": ["20"]},
        {"limit": ["20"], "after": ["513"], "properties": ["email"]},
    ]
    assert hubspot.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_conditions_are_asked_as_hubspot_takes_them(hubspot: Service):
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("BETWEEN", {"value": [10, 20.5]}, {"value": "10", "highValue": "20.5"}),
        ("IN", {"value": ["won", "lost"]}, {"values": ["won", "lost"]}),
        ("NOT_IN", {"value": ["new"]}, {"values": ["new"]}),
        ("GTE", {"value": "2026-11-01"}, {"value": "1793491200000"}),
        ("LT", {"value": "2026-11-01T01:00:00+01:00"}, {"value": "1793491200000"}),
        ("NOT_HAS_PROPERTY", {}, {}),
        ("EQ", {"value": True}, {"value": "true"}),
    ]
    group = [{"property": "p", "operator": word, **given} for word, given, _ in cases]
    async with STAND_IN.connected(hubspot) as tools:
        found = await tools.ok(
            "search_objects", **CONTACTS, filter_groups=[group[:5], group[5:]], cursor="9800",
            descending=True, limit=200, properties=["email"], sort_by="amount",
        )  # fmt: skip
    assert found["total"] == 1
    (asked,) = hubspot.asked
    sent = [{"propertyName": "p", "operator": word, **sent} for word, _, sent in cases]
    assert asked.body == {
        "filterGroups": [{"filters": sent[:5]}, {"filters": sent[5:]}],
        "sorts": [{"propertyName": "amount", "direction": "DESCENDING"}],
        "properties": ["email"],
        "limit": 200,
        "after": "9800",
    }


async def test_one_is_found_by_id_or_address_with_those_around_it(hubspot: Service):
    ids = [{"id": "9", "type": "contact_to_company"}, {"id": "9", "type": "primary"}]
    found = {**CONTACT, "associations": {"companies": {"results": ids}, "deals": {"results": []}}}
    found["properties"] = {"notes": "x" * 2_000}
    hubspot.routes[f"GET {OBJECTS}/contacts/ann%40example.com"] = replies.ok(found)
    async with STAND_IN.connected(hubspot) as tools:
        whole = await tools.ok(
            "get_object", **CONTACTS, id="ann@example.com",
            associations=["companies", "deals"],
        )  # fmt: skip
        await tools.ok("get_object", **CONTACTS, id=512)
        hubspot.routes[f"POST {OBJECTS}/contacts/batch/read"] = batch([found])
        read = await tools.ok("batch_read_objects", **CONTACTS, ids=["512"])
    assert read["records"][0]["properties"]["notes"].endswith("[cut: 1000 of 2000 characters]")
    assert whole["associated"] == {"companies": ["9"], "deals": []}
    assert whole["properties"] == {"notes": "x" * 2_000}
    assert hubspot.asked[0].query == {"idProperty": ["email"], "associations": ["companies,deals"]}
    assert hubspot.asked[1].query == {}


GONE = error(
    "OBJECT_NOT_FOUND", "Could not get some CONTACT objects, they may be deleted.", ids=["7", "8"]
)
BAD_EMAIL = {
    **error("VALIDATION_ERROR", "Property values were not valid", objectWriteTraceId=["1"]),
    "errors": [
        {"message": "x is no address", "code": "INVALID", "context": {"propertyName": ["email"]}}
    ],
}


async def test_a_batch_says_which_items_failed(hubspot: Service):
    one = {"id": "100", "objectWriteTraceId": "0", "properties": {}}
    both = [{"properties": {"email": "a@x.de"}}, {"properties": {"email": "x"}}]
    hubspot.routes[f"POST {OBJECTS}/contacts/batch/read"] = batch([CONTACT], GONE)
    hubspot.routes[f"POST {OBJECTS}/contacts/batch/create"] = batch([one], BAD_EMAIL)
    hubspot.routes[f"POST {OBJECTS}/contacts/batch/update"] = batch([{**one, "id": "5"}], BAD_EMAIL)
    changes = [{"id": "5", **both[0]}, {"id": "6", **both[1]}]
    async with STAND_IN.connected(hubspot) as tools:
        read = await tools.ok("batch_read_objects", **CONTACTS, ids=[512, 7, 8, 7])
        made = await tools.ok("batch_create_objects", **CONTACTS, records=both)
        changed = await tools.ok("batch_update_objects", **CONTACTS, records=changes)
    why = "Property values were not valid; email: x is no address."
    assert read["failed"] == [{"items": ["7", "8"], "why": GONE["message"]}]
    assert made == {
        "not_done": 1,
        "failed": [{"items": ["1"], "why": why}],
        "done": [{"item": "0", "id": "100"}],
    }
    assert (changed["failed"], changed["done"]) == (
        [{"items": ["6"], "why": why}],
        [{"item": "5", "id": "5"}],
    )
    assert [one["id"] for one in hubspot.asked[0].body["inputs"]] == ["512", "7", "8"]
    for asked in hubspot.asked[1:]:
        assert [one["objectWriteTraceId"] for one in asked.body["inputs"]] == ["0", "1"]


async def test_a_batch_of_which_nothing_was_done_is_an_error(hubspot: Service):
    for verb in ("read", "create", "update"):
        hubspot.routes[f"POST {OBJECTS}/contacts/batch/{verb}"] = batch([], GONE)
    hubspot.routes[f"POST {LINKS}/contacts/companies/batch/read"] = batch([], GONE)
    hubspot.routes[f"POST {LINKS}/contacts/companies/batch/associate/default"] = batch([], GONE)
    names = [name for name in STAND_IN.calls if name.startswith("batch_")]
    async with STAND_IN.connected(hubspot) as tools:
        for name in (*names, "list_associations"):
            said = await tools.error(name, **STAND_IN.calls[name])
            assert "HubSpot did nothing of it. 7, 8: Could not get some CONTACT objects" in said


async def test_values_are_sent_as_texts_and_what_is_left_out_is_not_done(hubspot: Service):
    given = {"n": 5, "f": 2.5, "yes": True, "none": None, "many": ["a", "b"], "t": "x"}
    hubspot.routes[f"POST {OBJECTS}/contacts/batch/create"] = batch([{"id": "100"}])
    async with STAND_IN.connected(hubspot) as tools:
        made = await tools.ok(
            "batch_create_objects", **CONTACTS, records=[{"properties": given}] * 2
        )
    sent = {"n": "5", "f": "2.5", "yes": "true", "none": "", "many": "a;b", "t": "x"}
    assert hubspot.asked[0].body["inputs"][1]["properties"] == sent
    assert made == {"not_done": 1, "failed": [], "done": [{"item": "100", "id": "100"}]}


async def test_associations_come_with_labels_and_of_those_without_any_too(hubspot: Service):
    none = error("OBJECT_NOT_FOUND", "No company is associated with contact 7.", fromObjectId=["7"])
    none["subCategory"] = "crm.associations.NO_ASSOCIATIONS_FOUND"
    to = [{"toObjectId": 9, "associationTypes": [PRIMARY, PLAIN]}]
    some = {"from": {"id": "512"}, "to": to, "paging": {"next": {"after": "MTA="}}}
    route = f"POST {LINKS}/contacts/companies/batch/read"
    hubspot.routes[route] = batch([some], none, GONE)
    given = STAND_IN.calls["list_associations"]
    async with STAND_IN.connected(hubspot) as tools:
        found = await tools.ok("list_associations", **{**given, "object_ids": ["512", 7, "8"]})
        await tools.ok("list_associations", **given, cursor="MTA=")
        said = await tools.error(
            "list_associations", **{**given, "object_ids": ["1", "2"]}, cursor="MTA="
        )
    assert found["associations"] == [
        {"id": "512", "related": [{"id": "9", "labels": ["Primary"]}], "next_cursor": "MTA="},
        {"id": "7", "related": [], "next_cursor": None},
    ]
    assert found["failed"] == [{"items": ["7", "8"], "why": GONE["message"]}]
    assert "cursor: expected with one id" in said
    assert hubspot.asked[1].body == {"inputs": [{"id": "512", "after": "MTA="}]}


async def test_pairs_are_associated_plainly_or_with_a_label(hubspot: Service):
    pairs = [{"from_id": 512, "to_id": 9}, {"from_id": "513", "to_id": "9"}]
    given = call("batch_create_associations", pairs=pairs)
    async with STAND_IN.connected(hubspot) as tools:
        plain = await tools.ok("batch_create_associations", **given)
        label = await tools.ok(
            "batch_create_associations", **given, type_id=37, category="USER_DEFINED"
        )
        hubspot.routes[f"POST {LINKS}/contacts/companies/batch/create"] = batch(
            [{"fromObjectId": 512, "toObjectId": 9, "labels": []}], GONE
        )
        part = await tools.ok("batch_create_associations", **given, type_id=37)
    done = [{"item": "512", "id": "9"}, {"item": "513", "id": "9"}]
    assert plain == label == {"not_done": 0, "failed": [], "done": done}
    assert (part["not_done"], part["done"], len(part["failed"])) == (1, done[:1], 1)
    kind = {"associationCategory": "USER_DEFINED", "associationTypeId": 37}
    assert "types" not in hubspot.asked[0].body["inputs"][0]
    assert hubspot.asked[1].body["inputs"][1] == {
        "from": {"id": "513"},
        "to": {"id": "9"},
        "types": [kind],
    }


async def test_an_engagement_is_linked_as_it_is_made(hubspot: Service):
    async with STAND_IN.connected(hubspot) as tools:
        made = await tools.ok(
            "create_engagement", kind="note", about=[{"object_type": "contacts", "id": 512}],
            body="One\nTwo", time="2026-11-26T10:00:00+01:00", owner_id=7,
        )  # fmt: skip
        hubspot.routes[f"GET {LINKS}/notes/cars/labels"] = replies.ok({"results": [PRIMARY]})
        cars = [{"object_type": "cars", "id": "1"}]
        said = await tools.error("create_engagement", kind="note", about=cars, body="x")
    assert made == {"id": "77"}
    assert "about: notes can't be in the timeline of cars" in said
    (posted,) = [asked for asked in hubspot.asked if asked.method == "POST"]
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
    assert posted.body == {
        "properties": {
            "hs_note_body": "One<br>Two",
            "hs_timestamp": "2026-11-26T09:00:00Z",
            "hubspot_owner_id": "7",
        },
        "associations": [{"to": {"id": "512"}, "types": [kind]}],
    }


MOMENT = "2026-11-26T09:00:00Z"


@pytest.mark.parametrize(
    ("kind", "given", "sent"),
    [
        (
            "task",
            {"title": "Call", "body": "<p>a\nb</p>"},
            {"hs_task_subject": "Call", "hs_task_body": "<p>a\nb</p>"},
        ),
        (
            "email",
            {"body": "a\nb", "owner_id": 7},
            {"hs_email_text": "a\nb", "hubspot_owner_id": "7"},
        ),
        ("meeting", {"time": MOMENT}, {"hs_timestamp": MOMENT, "hs_meeting_start_time": MOMENT}),
        ("call", {"properties": {"hs_call_duration": 60}}, {"hs_call_duration": "60"}),
    ],
)
async def test_a_change_of_an_engagement_names_what_is_given(
    hubspot: Service, kind: str, given: dict[str, Any], sent: dict[str, str]
):
    hubspot.routes[f"PATCH {OBJECTS}/{kind}s/88"] = replies.ok({"id": "88"})
    async with STAND_IN.connected(hubspot) as tools:
        await tools.ok("update_engagement", kind=kind, id="88", **given)
    assert hubspot.asked[0].body == {"properties": sent}


async def test_properties_are_searched_and_come_in_pages(hubspot: Service):
    async with STAND_IN.connected(hubspot) as tools:
        first = await tools.ok("list_properties", **CONTACTS, limit=1)
        last = await tools.ok(
            "list_properties", **CONTACTS, cursor=first["next_cursor"], details=True
        )
        none = await tools.ok("list_properties", **CONTACTS, query="SECRET")
        assert "cursor: expected" in await tools.error(
            "list_properties", **CONTACTS, cursor="WyJ4Il0="
        )
    (email,) = first["properties"]
    assert (email["name"], email["unique"], email["description"]) == ("email", True, "")
    (stage,) = last["properties"]
    assert (stage["name"], stage["read_only"]) == ("dealstage", False)
    assert stage["options"] == [{"value": "closedwon", "label": "Won"}]
    assert (first["total"], last["next_cursor"], none["total"]) == (2, None, 0)


async def test_a_report_has_rows_and_pages(hubspot: Service):
    days = {"2026-11-02": [{"breakdown": "organic", "visits": 2}], "2026-11-01": [{"visits": 1}]}
    hubspot.routes["GET /analytics/v2/reports/sources/summarize/daily"] = replies.ok(days)
    given = call("get_analytics", d1="organic")
    async with STAND_IN.connected(hubspot) as tools:
        total = await tools.ok("get_analytics", **given)
        end = await tools.ok("get_analytics", **given, cursor=total["next_cursor"])
        daily = await tools.ok("get_analytics", **given, period="summarize/daily", limit=1)
        more = await tools.ok(
            "get_analytics", **given, period="summarize/daily", cursor=daily["next_cursor"]
        )
    numbers = {"visits": 30, "contacts": 2, "bounceRate": 0.5}
    assert total["rows"] == [{"period": None, "breakdown": "organic", "numbers": numbers}]
    assert (total["total"], total["totals"], end["next_cursor"]) == (2, numbers, None)
    assert daily["rows"] == [{"period": "2026-11-01", "breakdown": None, "numbers": {"visits": 1}}]
    assert [row["period"] for row in more["rows"]] == ["2026-11-02"]
    assert hubspot.asked[1].query == {
        "start": ["20261101"],
        "end": ["20261126"],
        "d1": ["organic"],
        "limit": ["30"],
        "offset": ["1"],
    }


def where(group: list[dict[str, Any]], times: int = 1) -> dict[str, Any]:
    usual = {"property": "a", "operator": "EQ", "value": "b"}
    return {"filter_groups": [[usual | changed for changed in group]] * times}


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("search_objects", {"cursor": "9990"}, "gives the first 10,000 results of a search: sort"),
        ("search_objects", {"cursor": "x"}, "cursor: expected the next_cursor"),
        ("search_objects", where([{}], times=6), "at most 5 items"),
        ("search_objects", where([{}] * 7), "at most 6 items"),
        ("search_objects", where([{}] * 5, times=4), "at most 18 conditions"),
        ("search_objects", where([{"highValue": 1}]), "highValue"),
        (
            "search_objects",
            where([{"operator": "BETWEEN"}]),
            "BETWEEN of a expects 2 in value, got 1",
        ),
        ("search_objects", where([{"operator": "IN", "value": []}]), "expects 1 to 100 in value"),
        (
            "search_objects",
            where([{"operator": "GT", "value": "2026-13-01"}]),
            "expected a date like 2026-11-26, got '2026-13-01'",
        ),
        ("list_objects", {"object_type": "../owners"}, "should match pattern"),
        ("list_objects", {"properties": "email,phone"}, "'str' instances are not allowed"),
        ("get_object", {"id": ".."}, "expected an id or a name"),
        ("batch_read_objects", {"ids": []}, "at least 1 item"),
        ("batch_create_objects", {"records": [{"properties": {}}] * 101}, "at most 100 items"),
        ("batch_create_objects", {"records": [{"properties": {"a b": 1}}]}, "match pattern"),
        ("batch_update_objects", {"records": [{"properties": {}}]}, "records.0.id"),
        ("list_associations", {"object_ids": ["ann@example.com"]}, "should match pattern"),
        ("create_engagement", {"title": "x"}, "title: expected none for a note"),
        ("create_engagement", {"time": "2026-11-26T09:00:00"}, "timezone"),
        ("create_engagement", {"about": []}, "at least 1 item"),
        ("update_engagement", {"title": None}, "expected something to change"),
        ("get_analytics", {"start": "2026-12-01"}, "start: expected a day up to end"),
    ],
)
async def test_what_can_not_be_is_refused_before_it_is_sent(
    hubspot: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(hubspot) as tools:
        assert said in await tools.error(tool, **call(tool, **changed))
    assert hubspot.asked == []


SCOPES = {"requiredGranularScopes": ["crm.objects.deals.read", "crm.objects.deals.write"]}
INSIDE = [{"isValid": False, "message": 'x "is" no address', "error": "BAD", "name": "email"}]
INVALID = f"Values were not valid: {json.dumps(INSIDE)}"
WAIT, DAY = "TEN_SECONDLY_ROLLING", "DAILY"


@pytest.mark.parametrize(
    ("status", "category", "message", "more", "said", "times"),
    [
        (403, "MISSING_SCOPES", "No.", {"errors": [{"message": "One of:", "context": SCOPES}]},
         "give its private app crm.objects.deals.read or crm.objects.deals.write.", 1),
        (400, "VALIDATION_ERROR", INVALID, {},
         'Values were not valid; email: x "is" no address. list_properties says what', 1),
        (400, "VALIDATION_ERROR", "Odd [{ text", {}, "Odd [{ text. list_properties", 1),
        (429, "RATE_LIMITS", "Limit", {"policyName": DAY}, "try again tomorrow", 1),
        (429, "RATE_LIMITS", "Limit", {"policyName": WAIT}, "try again in 10 s", 4),
        (401, "INVALID_AUTHENTICATION", "No.", {}, "The credential is wrong or has expired", 1),
        (404, "OBJECT_NOT_FOUND", "No.", {}, "Check the id or the name", 1),
        (413, "RESULT_POINT_LIMIT_EXCEEDED", "Many.", {}, "Ask for a shorter time", 1),
        (423, "LOCKED", "Busy", {"errors": None, "context": "x"}, "refused (423): Busy", 1),
    ],
)  # fmt: skip
async def test_an_error_says_what_to_do_and_what_lasts_is_asked_once(
    hubspot: Service, monkeypatch: pytest.MonkeyPatch, status: int, category: str, message: str,
    more: dict[str, Any], said: str, times: int,
):  # fmt: skip
    monkeypatch.setattr("sophia_mcp.upstream.retry._FIRST_S", 0.01)
    hubspot.routes[f"GET {OBJECTS}/contacts"] = refused(status, category, message, **more)
    async with STAND_IN.connected(hubspot) as tools:
        assert said in await tools.error("list_objects", **CONTACTS)
    assert len(hubspot.asked) == times


async def test_it_writes_only_where_that_is_allowed(hubspot: Service):
    async with STAND_IN.connected(hubspot, MCP_ALLOW_WRITES="false") as tools:
        names = set(await tools.listed())
    assert set(STAND_IN.calls) - names == {
        "batch_create_objects",
        "batch_update_objects",
        "batch_create_associations",
        "create_engagement",
        "update_engagement",
    }


async def test_the_token_is_in_no_answer_error_or_log(
    hubspot: Service, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    async with STAND_IN.connected(hubspot) as tools:
        said = [str(await tools.ok("get_account"))]
        hubspot.routes["POST /oauth/v2/private-apps/get/access-token-info"] = refused(
            400, "VALIDATION_ERROR", f"{TOKEN} is no token"
        )
        said.append(await tools.error("get_account"))
    assert TOKEN not in "".join(said) + caplog.text
    assert "'user_id': 7, 'scopes': ['oauth']" in said[0]


async def test_without_its_token_it_starts_and_says_so(hubspot: Service):
    async with STAND_IN.connected(hubspot, HUBSPOT_ACCESS_TOKEN="") as tools:
        for tool, arguments in STAND_IN.calls.items():
            said = await tools.error(tool, **arguments)
            assert "HUBSPOT_ACCESS_TOKEN is not set" in said
    assert hubspot.asked == []
