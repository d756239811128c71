"""slack against a stand-in for Slack's Web API that speaks real HTTP.

Shapes and errors: docs.slack.dev/reference/methods/ (conversations.list, users.conversations,
conversations.history, conversations.replies, search.messages, users.list, users.info,
users.lookupByEmail, chat.postMessage, reactions.add, files.getUploadURLExternal,
files.completeUploadExternal), docs.slack.dev/apis/web-api/rate-limits and /pagination,
docs.slack.dev/messaging/formatting-message-text.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sophia_mcp.upstream import breaker

from mcp_catalog.slack import directory
from mcp_catalog.slack.words import readable
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

GENERAL, OPS, DIRECT = "C012AB3CD", "C061EG9T2", "D0C0F7S8Y"
ANN, BOB, APP = "U012A3CDE", "U061F7AUR", "U0G9QF9C6"
TS, REPLY_TS = "1512085950.000216", "1512085999.000100"
BOT_TOKEN, USER_TOKEN = "xoxb-1234-never-shown", "xoxp-5678-never-shown"


def page(key: str, entries: list[Any], next_cursor: str = "") -> Reply:
    return replies.ok({"ok": True, key: entries, "response_metadata": {"next_cursor": next_cursor}})


def refusal(error: str, **more: str) -> Reply:
    return replies.ok({"ok": False, "error": error, **more})


def channel(key: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        "is_channel": True,
        "is_member": True,
        "is_private": False,
        "creator": ANN,
        "topic": {"value": f"About {name}", "creator": ANN, "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "num_members": 4,
        **more,
    }


def user(key: str, handle: str, real_name: str, **profile: str) -> dict[str, Any]:
    names = {"real_name": real_name, "display_name": None, "title": None, **profile}
    return {
        "id": key,
        "team_id": "T012AB3C4",
        "name": handle,
        "deleted": False,
        "is_bot": False,
        "tz": None,
        "profile": {"avatar_hash": "ge3b51ca72de", **names},
    }


CHANNELS = [channel(GENERAL, "general"), channel(OPS, "ops")]
PEOPLE = {
    ANN: user(ANN, "annie", "Ann Example", email="ann@example.com", title="Engineer"),
    BOB: user(BOB, "bob", "Robert Example", display_name="Bobby"),
}
PARENT = {
    "type": "message",
    "user": ANN,
    "ts": TS,
    "thread_ts": TS,
    "reply_count": 1,
    "text": f"<@{BOB}> see <#{OPS}> &amp; <https://example.com|the page>",
    "reactions": [{"name": "eyes", "count": 1, "users": [BOB]}],
    "files": [
        {"id": "F1", "name": "log.txt", "mimetype": "text/plain", "url_private": "https://secret"}
    ],
}
ANSWER = {"type": "message", "user": BOB, "text": "Yes.", "ts": REPLY_TS, "thread_ts": TS}
JOINED = {"type": "message", "subtype": "channel_join", "user": BOB, "text": "…", "ts": TS}
MATCH = {
    "type": "message",
    "channel": {"id": GENERAL, "name": "general"},
    "user": ANN,
    "ts": TS,
    "username": "annie",
    "text": "found <@U061F7AUR>",
    "permalink": "https://x.slack.com/p1",
}


def found(number: int) -> dict[str, Any]:
    paging = {"count": 20, "total": 22, "page": number, "pages": 2}
    return {"ok": True, "messages": {"total": 22, "paging": paging, "matches": [MATCH]}}


def one_user(request: Request) -> Reply:
    known = PEOPLE.get(request.query["user"][0])
    return replies.ok({"ok": True, "user": known}) if known else refusal("user_not_found")


def upload_address(request: Request) -> Reply:
    url = f"http://{request.headers['Host']}/upload/v1/ABC123?sig=1"
    return replies.ok({"ok": True, "upload_url": url, "file_id": "F123ABC456"})


SENT = {"ok": True, "channel": GENERAL, "ts": REPLY_TS, "message": {"text": "…"}}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "slack",
    "SLACK_API_URL",
    {
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_USER_TOKEN": USER_TOKEN,
        "SLACK_TEAM_ID": "T012AB3C4",
        "MCP_ALLOW_WRITES": "true",
    },
    {
        "GET /api/conversations.list": page("channels", CHANNELS, "dGVhbTpDMDYx"),
        "GET /api/users.conversations": page("channels", CHANNELS),
        "GET /api/conversations.history": page("messages", [JOINED, PARENT], "bmV4dF90czox"),
        "GET /api/conversations.replies": page("messages", [PARENT, ANSWER]),
        "GET /api/search.messages": lambda request: replies.ok(
            found(int(request.query.get("page", ["1"])[0]))
        ),
        "GET /api/users.info": one_user,
        "GET /api/users.lookupByEmail": replies.ok({"ok": True, "user": PEOPLE[ANN]}),
        "GET /api/users.list": page("members", list(PEOPLE.values())),
        "POST /api/chat.postMessage": replies.ok(SENT),
        "POST /api/reactions.add": replies.ok({"ok": True}),
        "GET /api/files.getUploadURLExternal": upload_address,
        "POST /upload/v1/ABC123": Reply(200, b"OK - 5"),
        "POST /api/files.completeUploadExternal": replies.ok(
            {"ok": True, "files": [{"id": "F123ABC456", "title": "a.txt"}]}
        ),
    },
    {
        "list_channels": {"limit": 2},
        "get_channel_history": {"channel": GENERAL},
        "get_thread_replies": {"channel": GENERAL, "thread_ts": TS},
        "get_message": {"link": f"https://x.slack.com/archives/{GENERAL}/p1512085950000216"},
        "search_messages": {"query": "found"},
        "get_user_info": {"user": ANN},
        "list_users": {},
        "send_message": {"channel": GENERAL, "text": "**Done**"},
        "add_reaction": {"channel": GENERAL, "ts": TS, "emoji": ":eyes:"},
        "upload_file": {"channel": GENERAL, "filename": "a.txt", "content": "hello"},
    },
    below="/api",
    hidden=("https://secret", "ge3b51ca72de"),
)


@pytest.fixture
def slack() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def methods(service: Service) -> list[str]:
    """What was asked, in order."""
    return [asked.path.removeprefix("/api/") for asked in service.asked]


async def test_messages_are_read_as_people_see_them(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        await tools.ok("list_channels")
        history = await tools.ok(
            "get_channel_history", channel="#general", since="2017-12-01T00:00:00+01:00"
        )
    (message,) = history["messages"]
    assert message == {
        "ts": TS,
        "time": "2017-11-30T23:52:30.000216Z",
        "user": "Ann Example",
        "user_id": ANN,
        "text": "@Bobby see #ops & [the page](https://example.com)",
        "thread_ts": TS,
        "replies": 1,
        "subtype": None,
        "reactions": [{"name": "eyes", "count": 1}],
        "files": [{"id": "F1", "name": "log.txt", "kind": "text/plain", "permalink": None}],
    }
    asked = next(one for one in slack.asked if one.path.endswith("history"))
    assert asked.query == {"channel": [GENERAL], "limit": ["20"], "oldest": ["1512082800.000000"]}
    assert asked.headers["Authorization"] == f"Bearer {BOT_TOKEN}"


@pytest.mark.parametrize(
    ("tool", "arguments", "method"),
    [
        ("list_channels", {}, "conversations.list"),
        ("list_channels", {"joined_only": True}, "users.conversations"),
        ("list_users", {}, "users.list"),
        ("get_channel_history", {"channel": GENERAL}, "conversations.history"),
        ("get_thread_replies", {"channel": GENERAL, "thread_ts": TS}, "conversations.replies"),
    ],
)
async def test_slacks_cursor_leads_on(
    slack: Service, tool: str, arguments: dict[str, Any], method: str
):
    kinds = {"list_channels": ("channels", CHANNELS), "list_users": ("members", [PEOPLE[ANN]])}
    key, entries = kinds.get(tool, ("messages", []))
    slack.queue.extend([page(key, entries, "next=="), page(key, entries)])
    async with STAND_IN.connected(slack) as tools:
        first = await tools.ok(tool, **arguments)
        last = await tools.ok(tool, **arguments, cursor=first["next_cursor"])
    assert (first["next_cursor"], last["next_cursor"]) == ("next==", None)
    assert methods(slack) == [method, method]
    assert [asked.query.get("cursor") for asked in slack.asked] == [None, ["next=="]]


async def test_a_search_has_numbered_pages_and_a_token_of_its_own(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        first = await tools.ok("search_messages", query="in:#general x", newest_first=True)
        last = await tools.ok("search_messages", query="x", cursor=first["next_cursor"])
        assert "cursor: expected" in await tools.error("search_messages", query="x", cursor="2")
    asked = [one for one in slack.asked if one.path == "/api/search.messages"]
    assert asked[0].query == {
        "query": ["in:#general x"],
        "sort": ["timestamp"],
        "count": ["20"],
        "team_id": ["T012AB3C4"],
    }
    assert [one.query.get("page") for one in asked] == [None, ["2"]]
    assert {one.headers["Authorization"] for one in asked} == {f"Bearer {USER_TOKEN}"}
    (match,) = first["messages"]
    assert (match["channel"], match["channel_id"], match["user"]) == ("general", GENERAL, "annie")
    assert (match["text"], match["permalink"]) == ("found @Bobby", "https://x.slack.com/p1")
    assert (first["total"], last["next_cursor"]) == (22, None)


async def test_without_the_user_token_only_search_fails_and_names_the_setting(slack: Service):
    server = STAND_IN.built(slack, SLACK_USER_TOKEN="")
    async with STAND_IN.connected(slack, SLACK_USER_TOKEN="") as tools:
        said = await tools.error("search_messages", query="x")
        await tools.ok("list_users")
    assert "Slack's search is not configured: SLACK_USER_TOKEN is not set" in said
    assert methods(slack) == ["users.list"]
    await server.check()


@pytest.mark.parametrize("missing", ["SLACK_BOT_TOKEN", "SLACK_TEAM_ID"])
async def test_without_what_it_needs_it_starts_and_says_so(slack: Service, missing: str):
    async with STAND_IN.connected(slack, **{missing: ""}) as tools:
        for tool, arguments in STAND_IN.calls.items():
            if tool != "search_messages":
                assert f"{missing} is not set" in await tools.error(tool, **arguments)
    assert slack.asked == []


def messages_of(*people: str) -> Reply:
    return page("messages", [{"user": one, "text": f"<@{ANN}>", "ts": TS} for one in people])


async def test_names_cost_one_call_and_are_remembered(slack: Service):
    slack.routes["GET /api/conversations.history"] = messages_of(ANN, BOB, ANN, BOB)
    async with STAND_IN.connected(slack) as tools:
        calls = (tools.ok("get_channel_history", channel=GENERAL) for _ in range(3))
        both = [*await asyncio.gather(next(calls), next(calls)), await next(calls)]
    for read in both:
        assert [one["user"] for one in read["messages"]] == ["Ann Example", "Bobby"] * 2
    assert methods(slack).count("users.list") == 1
    assert "users.info" not in methods(slack)


async def test_many_strangers_are_no_storm_of_calls(slack: Service):
    strangers = [f"U0STRANGE{number:02}" for number in range(50)]
    slack.routes["GET /api/conversations.history"] = messages_of(*strangers)
    async with STAND_IN.connected(slack) as tools:
        both = [tools.ok("get_channel_history", channel=GENERAL, limit=100) for _ in range(2)]
        read, _ = await asyncio.gather(*both)
    assert [one["user"] for one in read["messages"]] == strangers
    assert methods(slack).count("users.list") == 1
    assert methods(slack).count("users.info") <= 2 * directory.AT_ONCE
    assert len({str(one.query) for one in slack.asked}) == len(slack.asked) - 1, "each once"
    assert read["messages"][0]["text"] == "@Ann Example"


@pytest.mark.parametrize(
    "reply",
    [
        *(refusal("missing_scope"), replies.refused(429, Retry_After="30"), replies.refused(500)),
        *(replies.hanging(), replies.page("Sign in"), replies.ok([])),
    ],
    ids=["scope", "429", "500", "hanging", "page", "other"],
)
async def test_where_names_are_not_found_ids_stand(
    slack: Service, reply: Reply, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(directory, "SOON_S", 0.1)
    monkeypatch.setattr(directory, "AGAIN_S", 0.0)
    slack.routes |= {"GET /api/users.list": reply, "GET /api/users.info": reply}
    others = [{"user": f"U0STRANGE{n}", "text": "", "ts": TS} for n in range(breaker.FAILURES)]
    slack.routes["GET /api/conversations.history"] = page("messages", [PARENT, *others])
    async with STAND_IN.connected(slack) as tools:
        for _ in range(3):
            read = await tools.ok("get_channel_history", channel=GENERAL)
    assert read["messages"][0]["user"] == ANN
    assert read["messages"][0]["text"].startswith(f"@{BOB} see #{OPS} & ")


async def test_a_name_that_was_not_found_is_looked_for_again_later(
    slack: Service, monkeypatch: pytest.MonkeyPatch
):
    slack.routes["GET /api/users.info"] = refusal("user_not_found")
    slack.routes["GET /api/conversations.history"] = messages_of(ANN)
    async with STAND_IN.connected(slack) as tools:
        monkeypatch.setattr(directory, "AGAIN_S", 0.0)
        await tools.ok("get_channel_history", channel=GENERAL)
        slack.routes["GET /api/users.info"] = one_user
        read = await tools.ok("get_channel_history", channel=GENERAL)
    assert read["messages"][0]["user"] == "Ann Example"


async def test_a_channel_is_given_by_name_or_id_and_found_once(slack: Service):
    slack.routes["GET /api/users.conversations"] = lambda request: (
        page("channels", [channel(OPS, "ops")])
        if "cursor" in request.query
        else page("channels", [channel(GENERAL, "general")], "more")
    )
    async with STAND_IN.connected(slack) as tools:
        for given in ("#ops", "ops", "#OPS", "#general", OPS):
            await tools.ok("get_channel_history", channel=given)
    asked = [one for one in slack.asked if one.path.endswith("history")]
    assert [one.query["channel"] for one in asked] == [[OPS], [OPS], [OPS], [GENERAL], [OPS]]
    assert methods(slack).count("users.conversations") == 2


async def test_a_channel_that_is_not_there_is_said_with_those_that_are_like_it(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        said = await tools.error("get_channel_history", channel="#genral")
        await tools.error("send_message", channel="genral", text="x")
        far = await tools.error("get_channel_history", channel="#zzz")
    assert "the bot is in no channel called #genral, but in #general. Somebody" in said
    assert "#zzz. Somebody there has to invite it; or give the id that list_channels has." in far
    assert methods(slack) == ["users.conversations"] * 2, "each name once"


async def test_direct_conversations_are_called_as_the_person(slack: Service):
    direct = {"id": DIRECT, "is_im": True, "user": BOB, "is_org_shared": False}
    slack.routes["GET /api/conversations.list"] = page("channels", [direct])
    async with STAND_IN.connected(slack) as tools:
        (one,) = (await tools.ok("list_channels", kinds=["im", "mpim"]))["channels"]
        await tools.error("list_channels", kinds=["all"])
    assert (one["id"], one["name"], one["user_id"]) == (DIRECT, "@Bobby", BOB)
    assert slack.asked[0].query["types"] == ["im,mpim"]


async def test_a_query_looks_through_pages_until_something_is_found(slack: Service):
    empty = page("members", [PEOPLE[BOB]], "more")
    slack.queue.extend([empty, empty, page("members", [PEOPLE[ANN], PEOPLE[BOB]], "rest")])
    async with STAND_IN.connected(slack) as tools:
        answer = await tools.ok("list_users", query="ENGIN")
        slack.routes["GET /api/users.list"] = empty
        nobody = await tools.ok("list_users", query="carol", cursor="rest")
    assert [one["id"] for one in answer["users"]] == [ANN]
    assert answer["next_cursor"] == "rest"
    assert nobody == {"users": [], "next_cursor": "more"}
    assert len(slack.asked) == 3 + 5
    slack.asked.clear()
    async with STAND_IN.connected(slack) as tools:
        answer = await tools.ok("list_channels", query="#op")
    assert [one["name"] for one in answer["channels"]] == ["ops"]


async def test_a_person_is_found_by_id_or_address(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        by_id = await tools.ok("get_user_info", user=ANN)
        by_address = await tools.ok("get_user_info", user="ann@example.com")
        await tools.error("get_user_info", user="Ann")
    assert by_id == by_address
    assert (by_id["real_name"], by_id["title"], by_id["display_name"]) == (
        *("Ann Example", "Engineer", ""),
    )
    assert slack.asked[1].query == {"email": ["ann@example.com"]}


@pytest.mark.parametrize(
    ("link", "ts"),
    [
        (f"https://x.slack.com/archives/{GENERAL}/p1512085999000100", REPLY_TS),
        (f"https://x.slack.com/archives/{GENERAL}/p1?thread_ts={TS}", None),
        (
            f"https://x.slack.com/archives/{GENERAL}/p1512085999000100?thread_ts={TS}&cid={OPS}",
            TS,
        ),
        (f"<https://x.slack.com/archives/{GENERAL}/p1512085999000100?cid=C&thread_ts={TS}>", TS),
        ("https://x.slack.com/client/T1", None),
        ("http://[", None),
    ],
)
async def test_a_link_leads_to_its_message_or_thread(slack: Service, link: str, ts: str | None):
    async with STAND_IN.connected(slack) as tools:
        if ts is None:
            assert "link: expected one that Slack's" in await tools.error("get_message", link=link)
            assert slack.asked == []
            return
        thread = await tools.ok("get_message", link=link)
    assert [one["text"] for one in thread["messages"]][1] == "Yes."
    assert slack.asked[0].query == {"channel": [GENERAL], "ts": [ts], "limit": ["50"]}


async def test_long_texts_are_cut_only_where_they_are_too_long_together(slack: Service):
    long = {"user": APP, "bot_profile": {"name": "Bot"}, "ts": TS, "text": "é" * 20_000}
    slack.queue.extend([page("messages", [long]), page("messages", [long, {**long, "text": "s"}])])
    slack.queue.append(page("messages", [{**long, "text": "é" * 1_000}] * 100))
    async with STAND_IN.connected(slack) as tools:
        for count, shown in ((1, 20_000), (2, 20_000), (100, 240)):  # of 24,000
            read = await tools.ok("get_channel_history", channel=GENERAL, limit=count)
            assert read["messages"][0]["text"].count("é") == shown
    assert "[cut: 240 of 1000 characters]" in read["messages"][0]["text"]
    assert methods(slack) == ["conversations.history"] * 3, "a bot's name comes with its message"


async def test_what_apps_say_in_blocks_is_read(slack: Service):
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"*Down* <@{ANN}>"}}]
    shown = [{"color": "#f00", "blocks": [{"elements": [{"text": "host-1"}]}], "text": "More"}]
    message = {"bot_id": "B1", "username": "Alerts", "ts": TS, "text": "", "blocks": blocks}
    slack.queue.append(page("messages", [{**message, "attachments": shown}]))
    async with STAND_IN.connected(slack) as tools:
        (read,) = (await tools.ok("get_channel_history", channel=GENERAL))["messages"]
    assert read["text"] == "*Down* @Ann Example\nMore\nhost-1"
    assert (read["user"], read["user_id"]) == ("Alerts", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<@U1> <@U2|ann> <@U3>", "@Ann @ann @U3"),
        ("<#C1> <#C2|ops> <#C3|>", "#general #ops #C3"),
        ("<!here> <!channel> <!subteam^S1|@team> <!subteam^S2>", "@here @channel @team @S2"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://a.b/?x=1&amp;y=2>", "https://a.b/?x=1&y=2"),
        ("<mailto:a@b.c|a@b.c> <https://a.b|a.b>", "[a@b.c](mailto:a@b.c) [a.b](https://a.b)"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;", "1 < 2 && 3 > 2 &lt;"),
        ("<> <@> <\n>", " @ <\n>"),
    ],
)
def test_slacks_control_sequences_become_readable(text: str, said: str):
    assert readable(text, {"U1": "Ann", "C1": "general"}) == said


async def test_a_message_is_sent_as_markdown_and_fetches_no_previews(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        sent = await tools.ok("send_message", channel="#general", text="**a** <@U1>", thread_ts=TS)
        await tools.ok("send_message", channel=ANN, text="to you")
    assert sent == {"channel_id": GENERAL, "ts": REPLY_TS, "time": "2017-11-30T23:53:19.000100Z"}
    assert slack.asked[-2].body == {
        "channel": GENERAL,
        "markdown_text": "**a** <@U1>",
        "thread_ts": TS,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert slack.asked[-1].body["channel"] == ANN


async def test_an_upload_has_three_steps_and_the_second_no_token(slack: Service):
    async with STAND_IN.connected(slack) as tools:
        made = await tools.ok(
            "upload_file", channel="#ops", filename="é.md", content="hé!", comment="Look",
            thread_ts=TS,
        )  # fmt: skip
    assert made == {"file_id": "F123ABC456", "channel_id": OPS, "size": 4}
    _, ticket, file, complete = slack.asked
    assert ticket.query == {"filename": ["é.md"], "length": ["4"]}
    assert (file.path, file.query, file.body) == ("/upload/v1/ABC123", {"sig": ["1"]}, "hé!")
    assert "Authorization" not in file.headers
    assert complete.body == {
        "files": [{"id": "F123ABC456", "title": "é.md"}],
        "channel_id": OPS,
        "initial_comment": "Look",
        "thread_ts": TS,
    }


@pytest.mark.parametrize(
    "address",
    [
        *("http://files.slack.com/x", "https://files.slack.com.evil.example/x", "file:///etc"),
        *(
            "https://evil.example/slack.com/",
            "https://user@evil.example/",
            "https://evilslack.com/",
        ),
        *("https://127.0.0.1:{port}/x", "http://127.0.0.1:{port}0/x", "http://127.0.0.1/x", ""),
        "https://slack.com:443@evil.example/",
    ],
)
async def test_a_file_goes_to_slack_only(slack: Service, address: str):
    url = address.format(port=slack.url.rpartition(":")[2])
    slack.routes["GET /api/files.getUploadURLExternal"] = replies.ok(
        {"ok": True, "upload_url": url, "file_id": "F1"}
    )
    async with STAND_IN.connected(slack) as tools:
        said = await tools.error("upload_file", **STAND_IN.calls["upload_file"])
    assert "Slack names an upload address that is not its own: nothing was sent" in said
    assert methods(slack) == ["files.getUploadURLExternal"]


async def test_a_file_that_did_not_arrive_is_not_shared(slack: Service):
    slack.routes["POST /upload/v1/ABC123"] = replies.refused(500)
    async with STAND_IN.connected(slack) as tools:
        said = await tools.error("upload_file", **STAND_IN.calls["upload_file"])
    assert "(500)" in said
    assert methods(slack) == ["files.getUploadURLExternal", "/upload/v1/ABC123"]


@pytest.mark.parametrize("tool", ["send_message", "add_reaction", "upload_file"])
@pytest.mark.parametrize("reply", [replies.silent(), replies.refused(503), refusal("fatal_error")])
async def test_what_may_have_happened_is_not_repeated(slack: Service, tool: str, reply: Reply):
    last = {"send_message": "chat.postMessage", "add_reaction": "reactions.add"}
    path = f"/api/{last.get(tool, 'files.completeUploadExternal')}"
    slack.routes[f"POST {path}"] = reply
    async with STAND_IN.connected(slack) as tools:
        said = await tools.error(tool, **STAND_IN.calls[tool])
    assert "may have taken effect" in said
    assert [asked.path for asked in slack.asked].count(path) == 1


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("send_message", {"text": "<!channel> hi"}, "<!here> call everybody: name people"),
        ("send_message", {"text": "<!here|here> hi"}, "call everybody"),
        ("upload_file", {"comment": "<!everyone>"}, "call everybody"),
        ("send_message", {"text": ""}, "at least 1 character"),
        ("send_message", {"text": "x" * 12_001}, "at most 12000 characters"),
        ("send_message", {"thread_ts": "yesterday"}, "should match pattern"),
        ("add_reaction", {"emoji": "thumbs up"}, "should match pattern"),
        ("upload_file", {"content": "x" * 200_001}, "at most 200000 characters"),
        ("upload_file", {"filename": "../a"}, "should match pattern"),
        ("get_channel_history", {"since": "2026-11-26T09:00:00"}, "timezone"),
        ("get_channel_history", {"limit": 101}, "less than or equal to 100"),
        ("get_thread_replies", {"thread_ts": "1"}, "should match pattern"),
    ],
)
async def test_what_can_not_be_is_refused_before_it_is_sent(
    slack: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(slack) as tools:
        assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed})
    assert slack.asked == []


async def test_it_writes_only_where_that_is_allowed(slack: Service):
    async with STAND_IN.connected(slack, MCP_ALLOW_WRITES="false") as tools:
        names = set(await tools.listed())
    assert set(STAND_IN.calls) - names == {"send_message", "add_reaction", "upload_file"}
    async with STAND_IN.connected(slack, SLACK_POST_CHANNELS=f"#gone, #ops, {DIRECT}") as tools:
        for tool in ("send_message", "add_reaction", "upload_file"):
            said = await tools.error(tool, **STAND_IN.calls[tool])
            assert f"SLACK_POST_CHANNELS of this server allows #gone, #ops, {DIRECT} only" in said
        await tools.ok("get_channel_history", channel=GENERAL)
        await tools.ok("send_message", channel=OPS, text="x")
        await tools.ok("send_message", channel=DIRECT, text="x")
    assert [asked.method for asked in slack.asked].count("POST") == 2


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (refusal("not_in_channel"), "not_in_channel. Somebody in the channel has to invite"),
        (refusal("channel_not_found"), "channel_not_found. Take the id from list_channels"),
        (
            refusal("missing_scope", needed="groups:history", provided="chat:write"),
            "missing_scope. The token has no scope groups:history, only chat:write: ask the",
        ),
        (refusal("invalid_auth"), "invalid_auth. The token is wrong, revoked or of the wrong kind"),
        (refusal("account_inactive"), "account_inactive. The token is wrong, revoked or of"),
        (refusal("is_archived"), "is_archived. The channel is archived and takes nothing"),
        (refusal("msg_too_long"), "msg_too_long. Send it in parts, or with upload_file."),
        (refusal("ratelimited"), "ratelimited. Too many requests: try again in a minute"),
        (refusal("brand_new_error"), "Slack refused: brand_new_error"),
        (
            replies.refused(429, {"ok": False, "error": "ratelimited"}, Retry_After="30"),
            "Slack refused (429): ratelimited Too many requests: try again in 30 s",
        ),
    ],
)
async def test_slacks_error_words_say_what_to_do(slack: Service, reply: Reply, said: str):
    slack.routes["POST /api/chat.postMessage"] = reply
    async with STAND_IN.connected(slack) as tools:
        assert said in await tools.error("send_message", channel=GENERAL, text="x")


async def test_a_limit_of_the_rate_that_passes_is_waited_for(slack: Service):
    slack.queue.append(replies.refused(429, {"ok": False}, Retry_After="0"))
    async with STAND_IN.connected(slack) as tools:
        await tools.ok("list_channels")
    assert methods(slack) == ["conversations.list"] * 2


async def test_tokens_are_in_no_answer_error_or_log(
    slack: Service, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    leak = f"{BOT_TOKEN} {USER_TOKEN}"
    said = []
    async with STAND_IN.connected(slack) as tools:
        for tool, arguments in STAND_IN.calls.items():
            said.append(str(await tools.ok(tool, **arguments)))
        own = {"chat.postMessage": BOT_TOKEN, "search.messages": USER_TOKEN}
        for method, token in own.items():
            for verb in ("GET", "POST"):
                slack.routes[f"{verb} /api/{method}"] = refusal(
                    "missing_scope", needed=token, provided=f"{token}!"
                )
        said.append(await tools.error("send_message", channel=GENERAL, text="x"))
        said.append(await tools.error("search_messages", query="x"))
    for token in leak.split():
        assert token not in "".join(said) + caplog.text
    assert "The token has no scope ***, only ***!" in said[-1]
