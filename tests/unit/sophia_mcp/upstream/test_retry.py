from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_mcp.errors import Unreachable
from sophia_mcp.upstream import retry

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("7", 7), (" 7 ", 7), ("", None), ("soon", None), ("-1", None), ("1e9", None),
        ("٣", None), ("Thu, 26 Nov 2026 12:00:30 GMT", 30), ("Thu, 26 Nov 2026 12:00:30 -0000", 30),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0), ("Thu, 99 Nov 2026 12:00:30 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None):
    assert retry.retry_after({"retry-after": text}, NOW) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_breaks_it(text: str):
    found = retry.retry_after({"retry-after": text}, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("remaining", "later", "seconds"),
    [("0", 90, 90), ("0", -5, 0), ("3", 90, None), ("0", 10**15, None), ("0", None, None)],
)
def test_a_limit_that_is_used_up_says_when_it_begins_anew(remaining, later, seconds):
    reset = "soon" if later is None else str(int(NOW.timestamp()) + later)
    headers = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    assert retry.retry_after(headers, NOW) == seconds
    assert retry.retry_after({**headers, "retry-after": "7"}, NOW) == 7


def test_each_limit_of_several_has_a_time_of_its_own_and_the_latest_counts():
    """As Linear counts: requests, their complexity and those to one endpoint, in milliseconds."""
    later = {"requests": 1_800, "complexity": 90, "endpoint-requests": 30}
    headers = {
        f"x-ratelimit-{one}-reset": str((int(NOW.timestamp()) + seconds) * 1000)
        for one, seconds in later.items()
    }
    used_up = {f"x-ratelimit-{one}-remaining": "0" for one in ("complexity", "endpoint-requests")}
    assert retry.retry_after({**headers, "x-ratelimit-requests-remaining": "7"}, NOW) is None
    assert retry.retry_after({**headers, **used_up}, NOW) == 90


@given(st.timedeltas(timedelta(), timedelta(days=300)))
def test_a_date_is_as_far_as_it_says(far: timedelta):
    date = format_datetime(NOW + far, usegmt=True)
    assert retry.retry_after({"retry-after": date}, NOW) == int(far.total_seconds())


@given(st.integers(1, 50))
def test_pauses_grow_to_a_bound_and_differ(tries: int):
    assert 0.2 < retry.pause(tries, None) <= 5
    assert retry.pause(tries, 7.5) == 7.5


@pytest.mark.parametrize(
    ("transient", "sent", "repeatable", "again"),
    [
        (True, True, True, True),
        (True, True, False, False),
        (True, False, False, True),
        (False, False, True, False),
    ],
)
def test_what_may_have_arrived_is_repeated_only_if_that_is_safe(
    transient: bool, sent: bool, repeatable: bool, again: bool
):
    error = Unreachable("x", "timeout", transient=transient, sent=sent)
    assert retry.is_worth_it(error, repeatable) is again
