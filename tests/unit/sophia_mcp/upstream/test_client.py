"""Upstream against a service that speaks real HTTP and misbehaves in every way."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.errors import (
    DependencyError,
    NotConfigured,
    Refused,
    Unreachable,
    Unusable,
    UpstreamError,
)
from sophia_mcp.metrics import Metrics
from sophia_mcp.settings import Credential, Needed
from sophia_mcp.upstream import Auth, Limits, Upstream, basic, bearer, header, signed
from sophia_mcp.upstream import retry as retry_module

from tests.support import upstream as replies
from tests.support.certificates import issue
from tests.support.mcp_process import free_port
from tests.support.polling import eventually
from tests.support.upstream import Reply, Service

KEY = "s3cr3t-key-0123"
QUICK = Limits(deadline_s=1, read_s=0.4, connect_s=0.5)


@pytest.fixture
def service() -> Iterator[Service]:
    with replies.serving() as made:
        yield made


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_module, "_FIRST_S", 0.01)


@asynccontextmanager
async def opened(
    url: str,
    limits: Limits = QUICK,
    auth: Auth | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Upstream]:
    upstream = Upstream(
        "Slack", url, auth=auth or bearer(Credential("SLACK_TOKEN", KEY)), limits=limits
    )
    async with upstream.opened(metrics or Metrics("slack")):
        yield upstream


async def test_an_answer_is_read_as_the_kind_that_is_wanted(service: Service):
    service.routes["GET /api/users"] = replies.ok({"names": ["a", "b"]})
    async with opened(f"{service.url}/api/") as slack:
        read = await slack.get(dict[str, list[str]], "users", params={"limit": 2, "cursor": None})
    assert read == {"names": ["a", "b"]}
    (asked,) = service.asked
    assert asked.query == {"limit": ["2"]}
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (bearer(Credential("K", "k")), {"Authorization": "Bearer k"}),
        (basic(Credential("U", "u"), Credential("P", "p")), {"Authorization": "Basic dTpw"}),
        (header("X-Figma-Token", Credential("K", "k")), {"X-Figma-Token": "k"}),
        (Auth(), {}),
    ],
)
async def test_it_signs_in_as_it_was_told(service: Service, auth: Auth, headers: dict[str, str]):
    service.routes["GET /x"] = replies.ok(1)
    async with opened(service.url, auth=auth) as slack:
        await slack.get(int, "x")
    got = service.asked[0].headers
    assert {name: got[name] for name in headers} == headers
    assert ("Authorization" in got) is ("Authorization" in headers)


async def test_a_service_that_no_authority_of_the_system_knows_gets_no_request(
    service: Service, tmp_path: Path
):
    alone = issue("localhost", dns=("localhost",))
    (file := tmp_path / "pem").write_text(alone.pem + alone.key_pem)
    service.encrypt(file)
    service.routes["GET /x"] = replies.ok(1)
    address = service.url.replace("http://127.0.0.1", "https://localhost")
    async with opened(address) as slack:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await slack.get(int, "x")
    assert service.asked == []


async def test_a_token_that_changes_is_asked_for_before_each_try(service: Service):
    tokens = iter(["one", "two"])

    async def sign() -> dict[str, str]:
        return {"Authorization": next(tokens)}

    service.queue.extend([replies.refused(503), replies.ok(1)])
    async with opened(service.url, auth=signed(sign)) as slack:
        await slack.get(int, "x")
    assert [asked.headers["Authorization"] for asked in service.asked] == ["one", "two"]


async def test_without_its_credential_every_call_and_health_name_the_setting(service: Service):
    auth = basic(Credential("GONG_KEY", "k"), Credential("GONG_SECRET", None))
    async with opened(service.url, auth=auth) as slack:
        with pytest.raises(NotConfigured, match="GONG_SECRET is not set"):
            await slack.get(int, "x")
        with pytest.raises(NotConfigured, match="GONG_SECRET"):
            await slack.check()
    assert service.asked == []


async def test_a_setting_that_it_needs_is_like_a_credential(service: Service):
    token, team = Credential("SLACK_TOKEN", None), Needed("SLACK_TEAM_ID", None)
    slack = Upstream("Slack", service.url, auth=bearer(token), needs=[team])
    async with slack.opened(Metrics("slack")):
        with pytest.raises(NotConfigured, match="SLACK_TOKEN and SLACK_TEAM_ID are not set"):
            await slack.get(int, "x")
        with pytest.raises(NotConfigured, match="SLACK_TEAM_ID"):
            await slack.check()
    assert service.asked == []


async def test_answers_come_in_an_envelope(service: Service):
    service.routes["GET /x"] = replies.ok({"ok": True, "data": 1})
    service.routes["POST /x"] = replies.ok({"ok": False, "error": "channel_not_found"})
    slack = Upstream("Slack", service.url, data="data", ok="ok")
    async with slack.opened(Metrics("slack")):
        assert await slack.get(int, "x") == 1
        with pytest.raises(Refused, match="Slack refused: channel_not_found"):
            await slack.send(int, "POST", "x", body={})


MISBEHAVIOUR: dict[str, tuple[Any, type[UpstreamError], str]] = {
    "401": (
        replies.refused(401, {"error": {"code": "bad-key", "message": "Wrong key."}}),
        Refused,
        r"Slack refused \(401\): bad-key: Wrong key\. The credential is wrong or has expired",
    ),
    "403": (replies.refused(403), Refused, r"refused \(403\)\. The credential does not allow"),
    "404": (replies.refused(404, {"message": "Not Found"}), Refused, r"Not Found Check the id"),
    "409": (replies.refused(409, {"detail": "taken"}), Refused, r"taken It conflicts"),
    "429": (replies.refused(429), Refused, r"\(429\)\. Too many requests: try again in a minute"),
    "429 for long": (
        replies.refused(429, Retry_After="60"), Refused, r"Too many requests: try again in 60 s",
    ),
    "500": (replies.refused(500, {"error": "boom"}), Refused, r"\(500\): boom The service itself"),
    "page of a proxy": (
        replies.page("Bad gateway", 502), Refused, r"\(502\): an HTML page with the title 'Bad gat",
    ),
    "page instead of the api": (
        replies.page("Sign in"), Unusable, r"expected an answer of its API, got an HTML page with",
    ),
    "redirect": (
        replies.Reply(302, headers={"Location": "http://127.0.0.1:9/?key=hidden"}),
        Unusable, r"answers 302, a redirect, which is not followed",
    ),
    "hanging": (replies.hanging(), Unreachable, r"no answer (in time|within 1 s)"),
    "trickling": (replies.trickling(), Unreachable, r"no answer within 1 s"),
    "malformed": (replies.malformed(), Unreachable, r"broken connection \(RemoteProtocolError\)"),
    "silent": (replies.silent(), Unreachable, r"broken connection \(RemoteProtocolError\)"),
    "reset": (replies.reset(), Unreachable, r"broken connection \(\w+Error\)"),
    "empty": (replies.Reply(), Unusable, r"got at its start: Invalid JSON"),
    "not json": (replies.Reply(body=b"hello"), Unusable, r"got at its start: Invalid JSON"),
    "other json": (replies.ok({"a": "b"}), Unusable, r"got at a: Input should be a valid integer"),
    "huge": (replies.huge(50_000_000), Unusable, r"longer than 2000 kB and was given up"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISBEHAVIOUR)
async def test_every_misbehaviour_is_a_sentence_within_the_deadline(
    service: Service, case: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    reply, kind, said = MISBEHAVIOUR[case]
    service.routes["GET /things"] = reply
    started = time.monotonic()
    async with opened(service.url) as slack:
        with pytest.raises(kind, match=said) as caught:
            await slack.get(dict[str, int], "things", params={"q": "my-query"})
    assert time.monotonic() - started < 3
    everything = str(caught.value) + str([vars(r) for r in caplog.records if "sophia" in r.name])
    for hidden in (KEY, "my-query", "hidden"):
        assert hidden not in everything
    if case == "huge":
        assert service.sent < 20_000_000


async def test_nobody_there_is_said_with_the_host():
    port = free_port()
    async with opened(f"http://127.0.0.1:{port}/api") as slack:
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port}: can't be reached: Conn"):
            await slack.get(int, "x")


@pytest.mark.parametrize("before", [0, 285, 290, 299])
async def test_a_credential_that_the_service_repeats_is_hidden(service: Service, before: int):
    service.routes["GET /x"] = replies.refused(401, {"message": f"{'x' * before} {KEY} is odd"})
    async with opened(service.url) as slack:
        with pytest.raises(Refused, match=r" \*|…") as caught:
            await slack.get(int, "x")
    assert KEY[:4] not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_asked_again(service: Service, status: int):
    service.queue.extend([replies.refused(status), replies.silent(), replies.ok(7)])
    metrics = Metrics("slack")
    async with opened(service.url, metrics=metrics) as slack:
        assert await slack.get(int, "x") == 7
    text = metrics.text().decode()
    assert 'mcp_upstream_retries_total{upstream="Slack"} 2.0' in text
    assert 'mcp_upstream_requests_total{method="GET",outcome="2xx",upstream="Slack"} 1.0' in text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_what_will_not_pass_is_asked_once(service: Service, status: int):
    service.routes["GET /x"] = replies.refused(status)
    async with opened(service.url) as slack:
        with pytest.raises(Refused):
            await slack.get(int, "x")
    assert len(service.asked) == 1


@pytest.mark.parametrize("reply", [replies.refused(503), replies.silent(), replies.reset()])
async def test_what_is_not_safe_to_repeat_is_sent_once(service: Service, reply: replies.Reply):
    service.queue.append(reply)
    service.routes["POST /x"] = replies.ok(1)
    async with opened(service.url) as slack:
        with pytest.raises(UpstreamError) as caught:
            await slack.send(int, "POST", "x", body={"a": 1})
    assert len(service.asked) == 1
    assert "It may have taken effect anyway: check before you repeat it." in str(caught.value)


@pytest.mark.parametrize("repeatable", [True, False])
async def test_an_answer_that_can_not_be_read_leaves_doubt_about_what_was_sent(
    service: Service, repeatable: bool
):
    service.routes["POST /"] = replies.ok(["made"])
    async with opened(service.url) as slack:
        with pytest.raises(Unusable, match="expected an answer of its API") as caught:
            await slack.send(dict[str, str], "POST", body={}, repeatable=repeatable)
    assert ("check before you repeat it" in str(caught.value)) is not repeatable
    assert len(service.asked) == 1


async def test_the_caller_says_what_else_is_safe_to_repeat(service: Service):
    service.queue.append(replies.refused(503))
    service.routes["PUT /x"] = replies.ok(1)
    async with opened(service.url) as slack:
        assert await slack.send(int, "PUT", "x", body={"a": 1}, repeatable=True) == 1
    assert [asked.body for asked in service.asked] == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize("as_date", [False, True])
async def test_it_waits_as_long_as_it_is_asked_to(service: Service, as_date: bool):
    # A date has whole seconds, so two of them are at least one.
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    service.queue.append(replies.refused(429, Retry_After=date if as_date else "1"))
    service.routes["GET /x"] = replies.ok(1)
    started = time.monotonic()
    async with opened(service.url, Limits(deadline_s=5)) as slack:
        await slack.get(int, "x")
    assert 0.9 < time.monotonic() - started < 3


async def test_it_does_not_wait_for_what_the_deadline_leaves_no_time_for(service: Service):
    service.routes["GET /x"] = replies.refused(429, Retry_After="60")
    started = time.monotonic()
    async with opened(service.url) as slack:
        with pytest.raises(Refused, match="in 60 s"):
            await slack.get(int, "x")
    assert time.monotonic() - started < 1


async def test_a_service_that_keeps_failing_is_left_alone_and_health_says_so(service: Service):
    service.routes["GET /x"] = replies.refused(500)
    metrics = Metrics("slack")
    async with opened(service.url, metrics=metrics) as slack:
        for _ in range(3):
            with pytest.raises(UpstreamError):
                await slack.get(int, "x")
        asked = len(service.asked)
        with pytest.raises(Unreachable, match=r"failed 5 times within 30 s \(server errors\)"):
            await slack.get(int, "x")
        with pytest.raises(DependencyError, match="Slack: server errors"):
            await slack.check()
    assert len(service.asked) == asked == 5
    assert 'mcp_upstream_left_alone{upstream="Slack"} 1.0' in metrics.text().decode()


async def test_a_caller_who_leaves_ends_the_call(service: Service):
    service.routes["GET /x"] = replies.hanging()
    async with opened(service.url, Limits()) as slack:
        call = asyncio.create_task(slack.get(int, "x"))
        await eventually(lambda: _count(service.asked), lambda n: n == 1, "the request's arrival")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: _value(service), lambda n: n == 1, "the client's leave", 5)


async def test_a_call_that_was_given_up_tells_nothing_of_the_service(service: Service):
    service.queue.extend([replies.refused(500)] * 4 + [replies.hanging()])
    service.routes["GET /x"] = replies.refused(500)
    async with opened(service.url, Limits()) as slack:
        with pytest.raises(Refused):
            await slack.get(int, "x")
        call = asyncio.create_task(slack.get(int, "x"))
        await eventually(lambda: _count(service.asked), lambda n: n == 5, "the request's arrival")
        call.cancel()
        with pytest.raises(UpstreamError):
            await slack.get(int, "x")
        with pytest.raises(DependencyError):
            await slack.check()


async def _count(things: list[Any]) -> int:
    return len(things)


async def _value(service: Service) -> int:
    return service.left


async def test_no_more_than_so_many_at_once(service: Service):
    service.routes["GET /x"] = replies.ok(1, delay=0.05)
    async with opened(service.url, Limits(at_once=2)) as slack:
        await asyncio.gather(*(slack.get(int, "x") for _ in range(10)))
    assert service.most_at_once == 2
    assert len(service.asked) == 10


async def test_no_more_than_so_many_a_second(service: Service):
    service.routes["GET /x"] = replies.ok(1)
    started = time.monotonic()
    async with opened(service.url, Limits(per_second=10)) as slack:
        await asyncio.gather(*(slack.get(int, "x") for _ in range(5)))
    assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("segment", ["", ".", ".."])
async def test_an_id_never_leads_to_another_place(service: Service, segment: str):
    async with opened(service.url) as slack:
        with pytest.raises(ToolError, match="expected an id or a name"):
            await slack.get(int, "users", segment, "tokens")
    assert service.asked == []


async def test_an_id_is_one_segment_whatever_it_holds(service: Service):
    service.routes["GET /users/a%2F..%2Fb%3Fc%23d:query"] = replies.ok(1)
    async with opened(service.url) as slack:
        assert await slack.get(int, "users", "a/../b?c#d:query") == 1


async def test_an_address_that_the_service_named_gets_bytes_and_no_credentials(service: Service):
    service.routes["POST /upload/v1/a"] = Reply(200, b"OK - 3")
    async with opened("http://127.0.0.1:1/api") as slack:
        address = f"{service.url}/upload/v1/a?sig=x%2Fy"
        answer = await slack.request("POST", at=address, body=b"\xc3\xa9!")
    (asked,) = service.asked
    assert (answer.content, asked.body, asked.query) == (b"OK - 3", "\xe9!", {"sig": ["x/y"]})
    assert "Authorization" not in asked.headers


async def test_graphql_gives_its_data(service: Service):
    service.routes["POST /graphql"] = replies.ok({"data": {"n": 1}})
    async with opened(service.url) as linear:
        assert await linear.graphql(dict[str, int], "query { n }", {"a": 1}, "graphql") == {"n": 1}
    assert service.asked[0].body == {"query": "query { n }", "variables": {"a": 1}}


async def test_a_variable_that_was_not_given_is_not_sent(service: Service):
    service.routes["POST /graphql"] = replies.ok({"data": {"n": 1}})
    async with opened(service.url) as linear:
        await linear.graphql(dict[str, int], "query { n }", {"a": False, "b": None}, "graphql")
    assert service.asked[0].body == {"query": "query { n }", "variables": {"a": False}}


@pytest.mark.parametrize(("query", "asked"), [("query { n }", 2), ("mutation { n }", 1)])
async def test_graphql_repeats_queries_only(service: Service, query: str, asked: int):
    service.queue.append(replies.refused(503))
    service.routes["POST /graphql"] = replies.ok({"data": {"n": 1}})
    async with opened(service.url) as linear:
        try:
            await linear.graphql(dict[str, int], query, {}, "graphql")
        except Refused:
            assert asked == 1
    assert len(service.asked) == asked


async def test_an_error_of_graphql_is_an_error_though_its_status_is_200(service: Service):
    errors = [{"message": "No such team", "extensions": {"code": "NOT_FOUND"}}]
    service.routes["POST /graphql"] = replies.ok({"data": None, "errors": errors})
    async with opened(service.url) as linear:
        with pytest.raises(Refused, match="Slack refused: NOT_FOUND: No such team"):
            await linear.graphql(dict[str, int], "query { n }", {}, "graphql")


LIMITS = {
    "secondary limit": (
        replies.refused(403, {"message": "slow down"}, Retry_After="40"), "try again in 40 s",
    ),
    "primary limit": (
        replies.refused(
            403, {"message": "exceeded"}, X_RateLimit_Remaining="0", X_RateLimit_Reset="1"
        ),
        "try again in 0 s",
    ),
    "limit without a time": (
        replies.refused(403, {"message": "a secondary rate limit"}), "try again in a minute",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
async def test_a_limit_told_with_403_is_none_of_permissions(service: Service, case: str):
    reply, expected = LIMITS[case]
    service.routes["GET /teams"] = reply
    async with opened(service.url) as slack:
        with pytest.raises(Refused, match="Too many requests: " + expected):
            await slack.get(dict, "teams")
    assert (len(service.asked) == 1) is (case != "primary limit")


async def test_a_limit_of_graphql_says_what_to_do(service: Service):
    answer = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    service.routes["POST /graphql"] = replies.refused(
        200, answer, X_RateLimit_Remaining="0", X_RateLimit_Reset="1"
    )
    async with opened(service.url) as slack:
        with pytest.raises(Refused, match="API rate limit exceeded Too many requests: try again"):
            await slack.graphql(dict, "query { a }", {}, "graphql")


@pytest.mark.parametrize("status", [200, 400])
async def test_a_limit_of_graphql_may_be_told_by_its_code_alone(service: Service, status: int):
    """Linear's, which has status 400."""
    errors = [{"message": "Slow down", "extensions": {"code": "RATELIMITED"}}]
    service.routes["POST /graphql"] = replies.refused(status, {"errors": errors})
    async with opened(service.url) as slack:
        with pytest.raises(Refused, match="Too many requests: try again in a minute"):
            await slack.graphql(dict, "query { a }", {}, "graphql")


async def test_the_end_of_a_long_text_is_kept(service: Service):
    lines = b"".join(b"line %d\n" % number for number in range(400_000))
    service.routes["GET /log"] = replies.Reply(body=lines)
    async with opened(service.url) as slack:
        answer = await slack.request("GET", "log", last=13)
        short = await slack.request("GET", "log", last=len(lines))
    assert (answer.content, answer.size) == (b"\nline 399999\n", len(lines))
    assert short.content == lines


async def test_a_long_text_may_be_elsewhere_where_no_header_of_ours_goes(service: Service):
    service.routes["GET /log"] = replies.Reply(302, headers={"Location": "/blob?sig=1"})
    service.routes["GET /blob"] = replies.Reply(body=b"the end")
    async with opened(service.url) as slack:
        assert (await slack.request("GET", "log", last=3)).content == b"end"
    first, second = service.asked
    assert first.headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in second.headers
    assert second.query == {"sig": ["1"]}


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:9/log", "/again", "ftp://x/log", "//127.0.0.1:9/log", ""],
)
async def test_a_redirect_to_anywhere_else_is_not_followed(service: Service, location: str):
    service.routes["GET /log"] = replies.Reply(302, headers={"Location": location})
    service.routes["GET /again"] = replies.Reply(302, headers={"Location": "/blob"})
    async with opened(service.url) as slack:
        with pytest.raises(Unusable, match="answers 302, a redirect, which is not followed"):
            await slack.request("GET", "log", last=3)
    assert len(service.asked) <= 2
    assert all("Authorization" in asked.headers for asked in service.asked[:1])


async def test_headers_of_the_api_go_with_every_request(service: Service):
    service.routes["GET /teams"] = replies.ok({})
    slack = Upstream("Slack", service.url, headers={"X-Version": "2"})
    async with slack.opened(Metrics("slack")):
        await slack.get(dict, "teams")
    assert service.asked[0].headers["X-Version"] == "2"


REMEDIES = {"DAILY": "Wait until tomorrow: *** is used up.", "ODD": ""}


@pytest.mark.parametrize(
    ("status", "word", "headers", "asked", "said"),
    [
        (429, "DAILY", {}, 1, "refused (429): DAILY Wait until tomorrow: *** is used up."),
        (429, "DAILY", {"Retry_After": "0"}, 1, "Wait until tomorrow"),
        (403, "DAILY", {}, 1, "refused (403): DAILY Wait until tomorrow"),
        (429, "ODD", {"Retry_After": "0"}, 4, "ODD Too many requests: try again in 0 s"),
        (404, "ODD", {}, 1, "ODD Check the id or the name"),
    ],
)
async def test_an_error_that_the_server_knows_is_explained_and_may_last(
    service: Service, status: int, word: str, headers: dict[str, str], asked: int, said: str
):
    def word_of(body: bytes) -> str:
        return str(json.loads(body)["error"])

    service.routes["GET /"] = replies.refused(status, {"error": word}, **headers)
    upstream = Upstream(
        "Slack",
        service.url,
        auth=bearer(Credential("SLACK_TOKEN", KEY)),
        explain=lambda body: REMEDIES[word_of(body)].replace("***", KEY),
        lasts=lambda body: word_of(body) == "DAILY",
    )
    async with upstream.opened(Metrics("slack")):
        with pytest.raises(Refused) as caught:
            await upstream.get(dict[str, str])
    assert said in str(caught.value)
    assert len(service.asked) == asked


@pytest.mark.parametrize("reply", [replies.page("Sign in", 403), replies.refused(403, ["no"])])
async def test_what_is_no_error_of_the_api_is_not_explained(service: Service, reply: Reply):
    service.routes["GET /"] = reply
    upstream = Upstream("Slack", service.url, explain=lambda _: "Never.", lasts=lambda _: True)
    async with upstream.opened(Metrics("slack")):
        with pytest.raises(Refused, match="does not allow this"):
            await upstream.get(dict[str, str])


async def test_what_an_explanation_says_of_a_write_leaves_the_doubt(service: Service):
    service.routes["POST /"] = replies.refused(503, {"error": "full"})
    upstream = Upstream("Slack", service.url, explain=lambda _: "Take another.")
    async with upstream.opened(Metrics("slack")):
        with pytest.raises(Refused, match=r"full Take another\. It may have taken effect any"):
            await upstream.send(dict, "POST", body={})
    assert len(service.asked) == 1
