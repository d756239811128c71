"""Which calls are tried again, for how long and how often, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.pacer import Pacer
from providers.runtime.declare import Cancelled, Context

URN = "urn:pulumi:dev::sophia::lambdalabs:index:Instance::example"


class Clock:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def calls(clock, monkeypatch):
    lines: list[str] = []
    context = Context(URN, 1000.0, asyncio.Event(), lines.append, lines.append)

    async def sleep(self: Context, seconds: float) -> None:
        clock.pauses.append(seconds)
        clock.now += seconds
        if self.cancelled.is_set():
            raise Cancelled("interrupted")

    monkeypatch.setattr(Context, "sleep", sleep)
    account = Account(LambdaClient("http://unused.invalid", "k"), Pacer(1.0, 12.0, clock))
    calls = account.calls(context)
    calls.lines, calls.context = lines, context
    return calls


class Work:
    """Fails as told, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def limited(seconds: float | None) -> errors.RateLimited:
    error = errors.RateLimited("slow down", status=429)
    error.retry_after = seconds
    return error


TRANSIENT = [
    limited(None),
    errors.ServerFault("broken", status=500),
    errors.Unreachable("refused"),
    errors.LostAnswer("cut off"),
]


async def test_what_may_pass_is_tried_again(calls):
    work = Work(*TRANSIENT)
    assert await calls(work) == "done"
    assert work.count == 5
    assert any("retrying" in line for line in calls.lines)


@pytest.mark.parametrize(
    "error", [errors.InvalidKey("no"), errors.QuotaExceeded("no"), errors.InvalidParameters("no")]
)
async def test_what_can_not_pass_is_not(calls, error):
    work = Work(error)
    with pytest.raises(type(error)):
        await calls(work)
    assert work.count == 1


@pytest.mark.parametrize("error", [errors.ServerFault("broken"), errors.LostAnswer("cut off")])
@pytest.mark.parametrize("way", ["once", "launch"])
async def test_what_may_have_happened_is_not_done_again(calls, error, way):
    work = Work(error)
    with pytest.raises(type(error)):
        await getattr(calls, way)(work)
    assert work.count == 1


@pytest.mark.parametrize("error", [errors.Unreachable("refused"), limited(1.0)])
async def test_what_certainly_did_not_happen_is(calls, error):
    work = Work(error)
    assert await calls.launch(work) == "done"
    assert work.count == 2


async def test_retry_after_is_obeyed_by_everyone(calls, clock):
    await calls(Work(limited(45.0)))
    assert clock.now >= 45.0


async def test_patience_has_an_end(calls, clock):
    work = Work(*[errors.Unreachable("refused")] * 1000)
    with pytest.raises(errors.Unreachable):
        await calls(work)
    assert 90 < clock.now <= 180
    assert work.count < 20


async def test_a_pause_beyond_the_deadline_is_not_begun(calls, clock):
    with pytest.raises(errors.RateLimited):
        await calls(Work(limited(5000.0)))
    assert clock.now < 10


async def test_an_interruption_ends_the_pauses(calls):
    calls.context.cancelled.set()
    with pytest.raises(Cancelled):
        await calls(Work(errors.Unreachable("refused")))


async def test_an_interruption_does_not_wait_for_an_answer(calls):
    asked, answered = threading.Event(), threading.Event()

    def look() -> None:
        asked.set()
        answered.wait(8)

    work = asyncio.create_task(calls(look))
    assert await asyncio.to_thread(asked.wait, 30)
    calls.context.cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(work, 4)
    answered.set()


async def test_an_interruption_does_not_lose_the_id_of_what_was_launched(calls):
    answered = threading.Event()

    def launch() -> str:
        calls.context.cancelled.set()
        answered.wait(0.1)
        return "i-1"

    assert await calls.launch(launch) == "i-1"


async def test_launches_keep_their_interval(calls, clock):
    await calls.launch(Work())
    await calls.launch(Work())
    assert clock.now >= 12.0
