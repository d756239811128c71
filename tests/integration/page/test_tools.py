"""Tools are found, tried from a form, and never run by accident."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import page_api
from tests.support.browser import needs_chromium
from tests.support.page_api import CANARY, answer
from tests.support.polling import eventually
from tests.support.upstream import Reply, Service, hanging, ok, refused
from tests.support.viewer import FAST, SIGNED_IN, Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

SEARCH, SEND, DELETE = (f"POST /api/tools/slack/{tool['name']}" for tool in page_api.TOOLS)


def called(service: Service) -> list[Any]:
    """The arguments of all calls."""
    return [it.body for it in service.asked if it.method == "POST"]


async def test_tools_are_searched_and_the_browser_leads_back(
    service: Service, view: Viewer
) -> None:
    await view.open("#/tools")
    await view.sees("search_everything", "delete_message", "destroys")
    await view.fill("Search the tools of all servers", "thread")
    await view.true("document.querySelectorAll('.tools li').length === 1")
    assert await view.js("location.hash") == "#/tools?query=thread"
    assert service.asked[-1].query == {"limit": ["50"], "query": ["thread"]}
    await view.click("send_message")
    await view.sees("Run", "writes")
    assert await view.js("document.title") == "send_message · slack · Sophia"
    await view.js("history.back()")
    await view.true("document.querySelectorAll('.tools li').length === 1")
    await view.fill("Search the tools of all servers", "nothing is like this")
    await view.sees("No tool matches.")


async def test_a_search_takes_the_place_of_the_one_before(service: Service, view: Viewer) -> None:
    found = service.routes["GET /api/tools"]
    service.routes["GET /api/tools"] = hanging()
    await view.open("#/tools")
    await view.true("document.getElementById('query')")
    await eventually(lambda: waiting(service), lambda count: count == 1, "the first request")
    service.routes["GET /api/tools"] = found
    await view.fill("Search the tools of all servers", "thread")
    await view.true("document.querySelectorAll('.tools li').length === 1")


async def waiting(service: Service) -> int:
    return service.at_once


async def test_more_tools_are_shown_on_demand(service: Service, view: Viewer) -> None:
    more = {"tools": [{"server": "slack", **page_api.SEND}], "cursor": "a cursor"}
    service.routes["GET /api/tools"] = ok(more)
    await view.open("#/tools")
    await view.sees("send_message")
    service.routes["GET /api/tools"] = ok({"tools": [{"server": "x", **page_api.DELETE}]})
    await view.click("Show more")
    await view.sees("send_message", "delete_message")
    assert service.asked[-1].query["cursor"] == ["a cursor"]
    assert "Show more" not in await view.text()


async def test_a_servers_page_lists_its_tools(view: Viewer) -> None:
    await view.open()
    await view.click("Slack")
    await view.sees("Ready", "2 replicas, 3 tools", "list_channels and list_users", "send_message")


async def test_only_what_is_given_is_sent(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/search_everything")
    await view.fill("query", "release")
    await view.click("Run")
    await view.sees("Done, after 84 ms.", "4e5f60718293a4b5", '"done": true')
    await view.fill("limit", "5")
    await view.fill("score", "0.25")
    await view.fill("exact", "false")
    await view.fill("order", "oldest")
    await view.fill("version", "2")
    await view.fill("file", "on")
    await view.fill("person", "on")
    await view.fill("words", "first\n\n second ")
    await view.fill("numbers", "3\n-4")
    await view.fill("since", "2026-11-01")
    await view.fill("filters", '[{"field": "from", "value": "@ada"}]')
    await view.click("Run")
    await eventually(lambda: sent(service), lambda count: count == 2, "the second call")
    assert called(service) == [
        {"query": "release"},
        {
            "query": "release",
            "limit": 5,
            "score": 0.25,
            "exact": False,
            "order": "oldest",
            "version": 2,
            "kinds": ["file", "person"],
            "words": ["first", "second"],
            "numbers": [3, -4],
            "written": {"since": "2026-11-01"},
            "filters": [{"field": "from", "value": "@ada"}],
        },
    ]


async def sent(service: Service) -> int:
    return len(called(service))


async def test_what_is_wrong_is_said_at_its_field(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/search_everything")
    await view.fill("query", "x")
    await view.fill("limit", "500")
    await view.fill("score", "0")
    await view.fill("words", "1\n2\n3\n4")
    await view.fill("numbers", "1\nthree")
    await view.fill("until", "2026-11-02")
    await view.fill("filters", "{}")
    await view.click("Run")
    await view.sees(
        "Give at least 2 characters.", "Give at most 100.", "Give more than 0.",
        "Give at most 3 of them.", "Give numbers: three is not one.", "Needed.",
        "Give an array; this is: object.",
    )  # fmt: skip
    assert await view.focused() == "query"
    assert called(service) == []
    described = """((it) => it.getAttribute('aria-invalid') + it.getAttribute('aria-describedby')
        .split(' ').map((id) => document.getElementById(id).textContent).join('|'))"""
    assert await view.js(f"{described}(document.activeElement)") == (
        "trueat most 200 characters|Give at least 2 characters."
    )
    await view.write("yz")
    assert await view.js("document.activeElement.getAttribute('aria-invalid')") == "false"


async def test_arguments_as_json_go_out_as_typed(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/search_everything")
    await view.fill("query", "release")
    await view.click("Edit as JSON")
    assert json.loads(await view.js("document.getElementById('raw').value")) == {"query": "release"}
    await view.fill("Arguments as JSON", "[1]")
    await view.click("Run")
    await view.sees("Give an object; this is: array.")
    await view.fill("Arguments as JSON", '{"query": "two", "limit": 9007199254740993, "new": ""}')
    await view.click("Run")
    await view.sees("Done")
    assert called(service) == [{"query": "two", "limit": 9007199254740993, "new": ""}]
    await view.fill("Arguments as JSON", '{"query": "three", "kinds": ["file"], "exact": false}')
    await view.click("Edit as JSON")
    await view.click("Run")
    await eventually(lambda: sent(service), lambda count: count == 2, "the second call")
    assert called(service)[1] == {"query": "three", "kinds": ["file"], "exact": False}


async def test_a_tool_that_writes_asks_first(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/send_message")
    await view.fill("channel", "#general")
    await view.fill("text", "Hello\nall")
    await view.click("Run")
    await view.sees("Write to Slack?", "Post a message to a channel", '"#general"', at="dialog")
    assert await view.focused() == "Cancel"
    await view.press("Escape")
    await view.true("!document.querySelector('dialog')")
    assert called(service) == []
    await view.click("Edit as JSON")
    typed = '{"channel": "#general", "text": "Hello\\nall", "thread_ts": 9007199254740993}'
    await view.fill("Arguments as JSON", typed)
    await view.click("Run")
    await view.sees(typed, at="dialog")
    await view.click("Run send_message")
    await view.sees("Done")
    sent = {"channel": "#general", "text": "Hello\nall", "thread_ts": 9007199254740993}
    assert called(service) == [sent]


async def test_a_tool_that_destroys_wants_its_name_typed(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/delete_message")
    await view.fill("ts", "1718000000.123456")
    await view.press("Enter")
    await view.sees("Destroy in Slack?", "It cannot be undone.", at="dialog")
    for typed in ("", "delete_messag"):
        await view.write(typed)
        await view.press("Enter")
        assert await view.js("document.querySelector('dialog .primary').disabled")
    await view.write("e")
    await view.press("Enter")
    await view.sees("Done")
    assert called(service) == [{"ts": "1718000000.123456"}]


async def test_answers_of_every_sort(service: Service, view: Viewer) -> None:
    await view.open("#/tools/slack/search_everything")
    await view.fill("query", "release")
    problem = {"title": "Away", "status": 503, "detail": "slack is away; try again."}
    too_many = {"error": {"code": -32000, "message": "Too many calls."}}
    answers: list[tuple[Reply, list[str]]] = [
        (answer(None, is_error=True, text="no such", ms=2500), ["an error, after 2.5 s", "such"]),
        (answer({"a": 1}, text="In words"), ["Text\n", "In words", '"a": 1']),
        (refused(503, problem), ["slack is away; try again."]),
        (refused(429, too_many, Retry_After="7"), ["Too many calls. Try again in 7 s."]),
        (refused(400, {"title": "Bad request"}), ["Bad request"]),
    ]  # fmt: skip
    for reply, words in answers:
        service.routes[SEARCH] = reply
        await view.click("Run")
        await view.sees(*words, at=".result")
    service.routes[SEARCH] = answer({"long": "x" * 50_000})
    await view.click("Run")
    await view.sees("Show all 50,016 characters")
    assert await view.js("document.querySelector('.result pre').textContent.length") == 20_000
    await view.click("Show all 50,016 characters")
    assert await view.js("document.querySelector('.result pre').textContent.length") == 50_016


async def test_a_running_call_can_be_cancelled(service: Service, view: Viewer) -> None:
    service.routes[SEARCH] = hanging()
    await view.open("#/tools/slack/search_everything")
    await view.fill("query", "release")
    await view.press("Enter")
    await view.sees("Running …")
    await view.press("Enter")  # not sent twice
    assert await view.js("document.activeElement.name") in ("", None)
    await view.click("Cancel")
    await view.sees("Cancelled after")

    async def left() -> int:
        return service.left

    await eventually(left, lambda count: count == 1, "the call is given up")
    assert len(called(service)) == 1


async def test_a_server_that_is_away_is_waited_for(service: Service, view: Viewer) -> None:
    good = service.routes["GET /api/servers/slack"]
    service.routes["GET /api/servers/slack"] = refused(503, {"detail": "slack is away."})
    await view.open("#/servers/slack", before=SIGNED_IN + FAST)
    await view.sees("slack is away. Trying again in 10 s.")
    service.routes["GET /api/servers/slack"] = good
    await view.sees("send_message")


async def test_markup_in_what_the_api_says_stays_text(service: Service, view: Viewer) -> None:
    """The fixture looks whether any of it ran."""
    bad = json.loads(json.dumps(page_api.fleet()).replace("GitHub", json.dumps(CANARY)[1:-1]))
    github = next(server for server in bad["servers"] if server["name"] == "github")
    for error in github["recent_errors"]:
        error.update(tool=CANARY, caller=CANARY, outcome=CANARY, request_id=CANARY)
    github.update(status=CANARY)
    bad.update(caller=CANARY, callers=[{"name": CANARY, "calls": 1, "errors": 1}])
    service.routes["GET /api/fleet"] = ok(bad)
    tool = {
        "name": CANARY, "title": CANARY, "description": CANARY, "kind": "write", "server": CANARY,
        "inputSchema": {"type": "object", "required": [CANARY], "properties": {CANARY: {
            "type": "string", "description": CANARY, "default": CANARY, "title": CANARY}}},
    }  # fmt: skip
    server = {"name": "slack", "title": CANARY, "detail": CANARY, "instructions": CANARY}
    found = {**server, "status": "ok", "replicas": 1, "tools": [tool]}
    service.routes["GET /api/servers/slack"] = ok(found)
    service.routes["GET /api/tools"] = ok({"tools": [tool], "cursor": None})
    service.routes["POST /api/tools/slack/<img src="] = ok({})
    await view.open()
    await view.sees(CANARY)
    for place in ("#/tools", "#/servers/slack"):
        await view.follow(place)
        await view.true("document.querySelector('.tools a')")
        await view.sees(CANARY)
    path = await view.js("document.querySelector('.tools a').hash")
    await view.follow(path)
    await view.sees("Run")
    await view.fill(CANARY, CANARY)
    await view.click("Run")
    await view.sees(CANARY, at="dialog")
    await view.click(f"Run {CANARY}")
    await view.sees("The answer has status 404", at=".result")
    assert await view.js("document.querySelectorAll('#view img, #view script').length") == 0
    service.routes["GET /api/fleet"] = refused(401, {"detail": CANARY})
    await view.follow("#/")
    await view.sees(CANARY, "Sign in")


async def test_all_of_it_goes_by_keyboard(service: Service, view: Viewer) -> None:
    await view.open(before="")
    await view.write(page_api.TOKEN)
    await view.press("Tab")
    assert await view.focused() == "Sign in"
    await view.press("Enter")
    await view.sees("16 servers")
    await view.tab_to("Slack")
    await view.press("Enter")
    await view.sees("2 replicas")
    assert await view.js("document.activeElement.tagName") == "H1"
    await view.tab_to("send_message")
    await view.press("Enter")
    await view.sees("Run")
    await view.tab_to("channel")
    await view.write("#general")
    await view.press("Tab")
    await view.write("Hello")
    await view.tab_to("Run")
    await view.press("Enter")
    await view.sees("Write to Slack?")
    await view.tab_to("Run send_message")
    await view.press("Enter")
    await view.sees("Done")
    assert called(service) == [{"channel": "#general", "text": "Hello"}]
    assert await view.focused() == "Run"
