"""Who shares one list of the machines, for how long, and who must not."""

from __future__ import annotations

import asyncio

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.models import Listed, Machine
from providers.lambdalabs.snapshot import Snapshot

AGE = 2.0


class Cloud:
    """Lists its machine when it is let; the clock is the test's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.failure: Exception | None = None
        self.snapshot = Snapshot(lambda: self.now)

    async def ask(self) -> Listed[Machine]:
        self.asked += 1
        edition = self.asked
        await self.answers.wait()
        if self.failure:
            raise self.failure
        return Listed([Machine(f"edition-{edition}", "active")])

    async def look(self, max_age: float = AGE) -> str:
        [machine] = await self.snapshot.machines(self.ask, max_age)
        return machine.id


@pytest.fixture
async def cloud():
    return Cloud()


async def test_all_who_ask_at_once_share_one_answer(cloud):
    cloud.answers.clear()
    looks = [asyncio.create_task(cloud.look(0.0)) for _ in range(50)]
    await asyncio.sleep(0)
    cloud.answers.set()
    assert set(await asyncio.gather(*looks)) == {"edition-1"}
    assert cloud.asked == 1


async def test_an_answer_serves_until_it_is_too_old(cloud):
    await cloud.look()
    cloud.now += AGE - 0.1
    assert await cloud.look() == "edition-1"
    cloud.now += 0.1
    assert await cloud.look() == "edition-2"
    cloud.now += 0.5
    assert await cloud.look(0.5) == "edition-3", "this one asked for a younger answer"


async def test_the_age_counts_from_the_answer(cloud):
    cloud.answers.clear()
    work = asyncio.create_task(cloud.look())
    await asyncio.sleep(0)
    cloud.now += 100
    cloud.answers.set()
    await work
    assert await cloud.look() == "edition-1"


async def test_a_change_is_never_served_from_before(cloud):
    await cloud.look()
    cloud.snapshot.forget()
    assert await cloud.look() == "edition-2"


async def test_a_list_that_was_asked_for_before_a_change_is_not_shared_after_it(cloud):
    cloud.answers.clear()
    before = asyncio.create_task(cloud.look())
    await asyncio.sleep(0)
    cloud.snapshot.forget()
    after = asyncio.create_task(cloud.look())
    await asyncio.sleep(0)
    cloud.answers.set()
    assert (await before, await after) == ("edition-1", "edition-2")
    assert await cloud.look() == "edition-2"


async def test_a_failure_is_shared_and_not_kept(cloud):
    cloud.answers.clear()
    cloud.failure = errors.InvalidKey("no")
    looks = [asyncio.create_task(cloud.look()) for _ in range(3)]
    await asyncio.sleep(0)
    cloud.answers.set()
    failed = await asyncio.gather(*looks, return_exceptions=True)
    assert [type(one) for one in failed] == [errors.InvalidKey] * 3
    cloud.failure = None
    assert await cloud.look() == "edition-2"


async def test_who_leaves_takes_the_answer_from_nobody(cloud):
    cloud.answers.clear()
    first, second = (asyncio.create_task(cloud.look()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    cloud.answers.set()
    assert await second == "edition-1"
