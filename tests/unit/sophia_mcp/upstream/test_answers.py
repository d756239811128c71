"""The kinds of answers, and the errors for unusable ones."""

import json

import pytest
from pydantic import BaseModel
from sophia_mcp.errors import Refused, Unusable
from sophia_mcp.upstream.answers import Answer, Answers
from sophia_mcp.upstream.wording import Wording

WORDING = Wording("Slack", "slack.com", lambda text: text.replace("hidden", "***"))


class User(BaseModel):
    name: str


def read(body: object, kind=User, **envelope):
    """The result parsed from a body; envelope: `data` and `ok` of Upstream."""
    answers = Answers(WORDING, envelope.get("data"), envelope.get("ok"))
    return answers.read(kind, Answer(200, {}, json.dumps(body).encode()))


def test_what_was_asked_for_is_the_whole_answer_or_below_a_key():
    ann = User(name="Ann")
    assert read({"name": "Ann"}) == ann
    assert read({"data": {"name": "Ann"}}, data="data") == ann
    assert read({"data": [{"name": "Ann"}]}, list[User], data="data") == [ann]
    assert read({"ok": True, "name": "Ann"}, ok="ok") == ann
    assert read({"success": True, "result": {"name": "Ann"}}, data="result", ok="success") == ann


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ok": False, "error": "channel_not_found"}, "Slack refused: channel_not_found"),
        ({"ok": False, "error": "no hidden here"}, r"Slack refused: no \*\*\* here"),
        ({"ok": False, "data": {"name": "Ann"}}, r"Slack refused\."),
        ({"name": "Ann"}, r"Slack refused\."),
    ],
)
def test_an_answer_that_is_an_error_is_one_whatever_its_status(body: object, said: str):
    with pytest.raises(Refused, match=said) as caught:
        read(body, data="data", ok="ok")
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("body", "got"),
    [
        ([{"name": "Ann"}], "at its start: Input should be an object"),
        ({"name": "Ann"}, "one without 'data'"),
        ({"data": {"nam": "Ann"}}, "at name: Field required"),
        ({"data": None}, "at its start: Input should be"),
    ],
)
def test_what_is_no_answer_of_the_api_says_where_it_differs(body: object, got: str):
    expected = f"Slack at slack.com: expected an answer of its API, got {got}"
    with pytest.raises(Unusable, match=expected):
        read(body, data="data")


def test_a_web_page_is_no_answer():
    page = Answer(200, {}, b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(Unusable, match="got an HTML page with the title 'Sign in'"):
        Answers(WORDING, "data", "ok").read(User, page)


def test_an_error_that_has_a_known_remedy_says_it_without_credentials():
    wording = Wording("Slack", "slack.com", WORDING.hide, lambda body: f"{len(body)} hidden bytes.")
    body = json.dumps({"ok": False, "error": "not_in_channel"}).encode()
    with pytest.raises(Refused, match=r"Slack refused: not_in_channel\. 40 \*\*\* bytes\."):
        Answers(wording, None, "ok").read(User, Answer(200, {}, body))
