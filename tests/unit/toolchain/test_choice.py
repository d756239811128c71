"""Which way to an engine is taken, and how it is reported."""

import pytest

from toolchain.choice import Way, choose
from toolchain.errors import NoEngine, Unavailable


def refusing(name: str, reason: str, remedy: str | None = "do something") -> Way[str]:
    def take() -> str:
        raise Unavailable(reason)

    return Way(name, remedy, take)


def never() -> str:
    raise AssertionError("a later way was tried")


def test_the_first_way_that_can_be_taken_is_taken_and_later_ones_are_not_touched():
    choice = choose([Way("on PATH", "install it", lambda: "mine"), Way("built", "get Go", never)])

    assert choice.got == "mine"
    assert choice.reason == "on PATH"


def test_the_reason_names_what_stood_in_the_way_of_better_ones():
    choice = choose(
        [
            refusing("on PATH", "no pulumi on PATH"),
            refusing("downloaded", "no network"),
            Way("built here", "install Go", lambda: "built"),
        ]
    )

    assert choice.reason == "built here (no pulumi on PATH; no network)"


def test_one_error_names_every_way_that_a_user_can_open():
    with pytest.raises(NoEngine) as failure:
        choose(
            [
                refusing("on PATH", "no pulumi on PATH", "install Pulumi"),
                refusing("earlier", "none in the cache", None),
                refusing("built here", "no go", "install Go"),
            ]
        )

    assert str(failure.value).splitlines()[1:] == [
        "  - install Pulumi (no pulumi on PATH)",
        "  - install Go (no go)",
    ]


def test_a_failure_that_is_no_refusal_is_not_passed_over():
    def broken() -> str:
        raise RuntimeError("the build broke")

    with pytest.raises(RuntimeError, match="the build broke"):
        choose([Way("built here", "install Go", broken), Way("other", None, lambda: "other")])
