from __future__ import annotations

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.errors import error_from


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "global/invalid-parameters", errors.InvalidParameters),
        (
            400,
            "instance-operations/launch/insufficient-capacity",
            errors.InsufficientCapacity,
        ),
        (400, "global/quota-exceeded", errors.QuotaExceeded),
        (400, "global/duplicate", errors.Duplicate),
        (400, "global/object-does-not-exist", errors.NotFound),
        (400, "ssh-keys/key-in-use", errors.KeyInUse),
        (401, "global/invalid-api-key", errors.InvalidKey),
        (403, "global/account-inactive", errors.Forbidden),
        (403, "new/code", errors.Forbidden),
        (404, "global/object-does-not-exist", errors.NotFound),
        (409, "global/internal-error", errors.ServerFault),
        (400, "provider/internal-unavailable", errors.ServerFault),
        (429, "global/anything", errors.RateLimited),
        (500, "global/unknown", errors.ServerFault),
        (418, "new/code", errors.ApiError),
    ],
)
def test_the_code_decides_the_kind(status, code, kind):
    body = {"error": {"code": code, "message": "It failed.", "suggestion": "Do this."}}
    error = error_from(status, body)
    assert type(error) is kind
    advice = f"Do this. {errors.NEW_KEY}" if kind is errors.InvalidKey else "Do this."
    assert (error.code, error.message, error.suggestion, error.status) == (
        code,
        "It failed",
        advice,
        status,
    )
    assert str(error) == f"It failed ({code}, {status}). {advice}"


@pytest.mark.parametrize("body", [None, [], "text", {"error": "text"}, {"error": {"code": 3}}])
def test_without_an_envelope_the_status_decides(body):
    assert type(error_from(401, body)) is errors.InvalidKey
    assert type(error_from(404, body)) is errors.ApiError, "not the API's own word: nothing is gone"
    assert type(error_from(403, body)) is errors.Blocked, "the key was not checked"
    assert type(error_from(502, body)) is errors.ServerFault
    assert "502" in str(error_from(502, body))


def test_what_may_have_happened_is_never_blindly_repeated():
    assert not issubclass(errors.RateLimited, errors.OUTCOME_UNKNOWN)
    assert not issubclass(errors.Unreachable, errors.OUTCOME_UNKNOWN)
    assert set(errors.OUTCOME_UNKNOWN) < set(errors.TRANSIENT)
