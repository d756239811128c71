import pytest
from sophia_mcp.upstream.breaker import FAILURES, OPEN_S, WINDOW_S, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        assert breaker.refusal() is None
        breaker.failed()


def test_it_opens_after_so_many_failures(breaker: Breaker):
    fail(breaker, FAILURES - 1)
    assert not breaker.is_open
    fail(breaker, 1)
    assert breaker.is_open
    assert breaker.refusal() == OPEN_S


def test_a_success_in_between_forgets_them(breaker: Breaker):
    fail(breaker, FAILURES - 1)
    breaker.succeeded()
    fail(breaker, FAILURES - 1)
    assert not breaker.is_open


def test_failures_far_apart_do_not_open_it(breaker: Breaker, clock: Clock):
    for _ in range(3 * FAILURES):
        fail(breaker, 1)
        clock.now += WINDOW_S / (FAILURES - 1) + 1
    assert not breaker.is_open


def test_one_call_tries_after_a_while_and_closes_it(breaker: Breaker, clock: Clock):
    fail(breaker)
    clock.now += OPEN_S
    assert breaker.refusal() is None
    assert breaker.refusal() is not None, "a second call tries, too"
    breaker.succeeded()
    assert breaker.refusal() is None
    assert breaker.refusal() is None


def test_a_try_that_fails_leaves_it_open_for_as_long_again(breaker: Breaker, clock: Clock):
    fail(breaker)
    clock.now += OPEN_S
    assert breaker.refusal() is None
    breaker.failed()
    assert breaker.refusal() == OPEN_S


def test_a_try_that_was_given_up_leaves_the_turn_to_the_next(breaker: Breaker, clock: Clock):
    fail(breaker)
    clock.now += OPEN_S
    assert breaker.refusal() is None
    breaker.left()
    assert breaker.refusal() is None
