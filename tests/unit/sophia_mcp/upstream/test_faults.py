import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_mcp.upstream import faults


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"code": "c", "message": "m", "suggestion": "s"}}, "c: m s"),
        ({"error": "invalid_auth", "ok": False}, "invalid_auth"),
        ({"error": "NotFound", "message": "m", "actions": []}, "NotFound: m"),
        ({"error": "NotFound", "message": {"odd": 1}}, "NotFound"),
        ({"message": "Not Found", "documentation_url": "https://x"}, "Not Found"),
        ({"object": "error", "status": 400, "code": "validation_error", "message": "m"},
         "validation_error: m"),
        ({"errors": [{"message": "a"}, {"message": "b", "extensions": {"code": "C"}}]}, "a; C: b"),
        ({"errors": ["one", "two", "three", "four"]}, "one; two; three"),
        ({"status": 403, "err": "Invalid token"}, "Invalid token"),
        ({"error": True, "status": 403, "message": "m"}, "m"),
        ({"success": False, "data": {"message": "No", "errorCode": "AB03"}}, "AB03: No"),
        ({"message": "The reason", "data": {"message": "no reason"}}, "The reason"),
        ({"detail": "d"}, "d"),
        ({"title": "t", "status": 400}, "t"),
        ({"error": {"code": 7}}, "7"),
        ({"error": {"message": {"odd": 1}}}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)  # fmt: skip
def test_the_shapes_that_apis_have(body: object, said: str):
    assert faults.told(json.dumps(body).encode()) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!doctype html><title>Sign\n in</title>", "an HTML page with the title 'Sign in'"),
        (b"\n <HTML><body>", "an HTML page"),
        (b"upstream timed out\r\n", "upstream timed out"),
        (b"", ""),
        (b"\xff\x00x", "� x"),
        (b"x" * 1000, "x" * 300 + "…"),
    ],
)
def test_what_is_no_json(body: bytes, said: str):
    assert faults.told(body) == said


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.sampled_from(
        ["error", "errors", "message", "code", "detail", "extensions"]), x)
).map(lambda body: json.dumps(body).encode()))  # fmt: skip
def test_any_body_is_one_short_line(body: bytes):
    said = faults.told(body)
    assert len(said) <= 400
    assert "\n" not in said
