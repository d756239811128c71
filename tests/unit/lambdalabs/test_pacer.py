from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.lambdalabs.pacer import Pacer

RATE, LAUNCH = 2.0, 12.0
SLACK = 1e-6


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


moves = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.booleans()),
        st.tuples(st.just("pass"), st.floats(0, 30)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(moves, st.sampled_from([0.0, 0.8, 1.7, LAUNCH]))
def test_slots_keep_both_limits_whatever_is_asked_when(moves, launch_interval):
    clock = Clock()
    pacer = Pacer(RATE, launch_interval, clock)
    given_out: list[tuple[float, bool]] = []
    for move, value in moves:
        if move == "pass":
            clock.now += value
            continue
        at = pacer.reserve(launch=value)
        assert at >= clock.now
        given_out.append((at, value))
    times = sorted(at for at, _ in given_out)
    launches = sorted(at for at, launch in given_out if launch)
    assert all(b - a >= 1 / RATE - SLACK for a, b in itertools.pairwise(times))
    assert all(b - a >= launch_interval - SLACK for a, b in itertools.pairwise(launches))


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(1, 20))
def test_waiting_launches_hold_up_nobody_else(launches, requests):
    clock = Clock()
    pacer = Pacer(RATE, LAUNCH, clock)
    for _ in range(launches):
        pacer.reserve(launch=True)
    slots = [pacer.reserve() for _ in range(requests)]
    # Each launch takes one ordinary slot at most.
    assert slots[-1] - clock.now <= (launches + requests) / RATE + SLACK


def test_the_first_goes_at_once_and_nothing_is_saved_up():
    clock = Clock()
    pacer = Pacer(RATE, LAUNCH, clock)
    assert pacer.reserve() == clock.now
    clock.now += 1000
    assert pacer.reserve() == clock.now
    assert pacer.reserve() == clock.now + 1 / RATE


async def test_a_hold_applies_to_those_who_already_wait():
    clock = Clock()
    pacer = Pacer(1.0, LAUNCH, clock)
    started = clock.now
    pacer.reserve()
    held = False

    async def sleep(seconds: float) -> None:
        nonlocal held
        if not held:  # the answer of another request arrives while we wait
            held = True
            pacer.hold(40)
        await clock.sleep(seconds)

    await pacer.turn(sleep)
    assert clock.now >= started + 40


async def test_a_hold_costs_a_launch_no_second_interval():
    clock = Clock()
    pacer = Pacer(1.0, LAUNCH, clock)
    started = clock.now

    async def sleep(seconds: float) -> None:
        if clock.now == started:
            pacer.hold(3)
            clock.now += 0.5
        await clock.sleep(seconds)

    await pacer.turn(sleep, launch=True)
    assert clock.now == pytest.approx(started + 3, abs=1.1)


async def test_an_interrupted_wait_ends():
    class Interrupted(Exception):
        pass

    async def sleep(seconds: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await Pacer(1.0, LAUNCH, Clock()).turn(sleep)
