"""Health lost without a change is reported; a change that doesn't take effect is a failure.

The Swarm is a stand-in that answers with one service and its tasks.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from providers.runtime.declare import Context
from providers.swarm.service import Service
from providers.swarm.services.model import ServiceInputs, ServiceOutputs, Update
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import render
from providers.swarm.services.rollout import RolloutFailed

URN = "urn:pulumi:dev::sophia::swarm:index:Service::web"
WEB = ServiceInputs(name="web", image="web@sha256:1", update=Update(monitor_s=0.1))
WELL = ServiceOutputs("s", "tasks.web", "", proven=True)
NOW = 1_800_000_000.0
LONG_AGO = "2026-01-01T00:00:00.5Z"
TASK = {
    "ID": "t",
    "Slot": 1,
    "DesiredState": "running",
    "Spec": {"ContainerSpec": render(WEB, URN)["TaskTemplate"]["ContainerSpec"]},
    "Status": {"State": "starting"},
    "UpdatedAt": LONG_AGO,
}


class Swarm:
    """One service. When it is posted, its tasks become `after`."""

    def __init__(self, *tasks: Any, after: Any = ()) -> None:
        self.holders: dict[str, str] = {}
        self.spec = render(WEB, URN)
        self.tasks, self.after = list(tasks), list(after)
        self.posts: list[Any] = []

    async def now(self, context: Any = None) -> float:
        return NOW

    async def request(self, method: str, path: str, *, body: Any = None, **options: Any) -> Any:
        if method == "POST":
            self.posts.append(body)
            self.spec, self.tasks = body, self.after
            return {}
        if path.startswith("/services"):
            return {"ID": "s", "Spec": self.spec, "Version": {"Index": len(self.posts)}}
        return self.tasks if path == "/tasks" else []


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def context(warnings: list[str]) -> Context:
    return Context(URN, 5.0, asyncio.Event(), lambda line: None, warnings.append)


def lifecycle(swarm: Any) -> Service:
    return Service(swarm, Patience(repair=0.5, settle=0.0, ended=0.1, poll=0.02))


async def test_an_unhealthy_service_that_nobody_changed_fails_no_run(
    context: Context, warnings: list[str]
) -> None:
    swarm = Swarm(TASK)
    for run in (1, 2):
        found = await lifecycle(swarm).read(context, "s", WEB, WELL)
        assert found is not None
        assert found.outputs == dataclasses.replace(WELL, condition="replicas 0 of 1")
        assert Service.drifted(WEB, found.outputs), "each run says so"
        after = await lifecycle(swarm).update(context, "s", WEB, found.outputs, WEB)
        assert after.condition.startswith("service web: not converged")
        assert after.proven
        assert len(warnings) == run
    assert "task 1 (id t) is starting" in warnings[0]
    assert swarm.posts == [], "Swarm tries by itself: nothing that still runs is restarted"


async def test_tasks_that_swarm_gave_up_are_started_again_once(
    context: Context, warnings: list[str]
) -> None:
    healthy = TASK | {"Status": {"State": "running"}}
    ended = TASK | {"Status": {"State": "complete"}, "DesiredState": "shutdown"}
    swarm = Swarm(ended, after=[healthy])
    after = await lifecycle(swarm).update(context, "s", WEB, WELL, WEB)
    assert after == WELL
    assert [post["TaskTemplate"]["ForceUpdate"] for post in swarm.posts] == [1]
    assert warnings == []


async def test_what_never_ran_is_a_failure_until_it_runs(context: Context) -> None:
    swarm = Swarm(TASK)
    new = dataclasses.replace(WELL, proven=False)
    short = dataclasses.replace(context, timeout=0.2)
    with pytest.raises(RolloutFailed, match="not converged"):
        await lifecycle(swarm).update(short, "s", WEB, new, WEB)
    swarm.tasks = [TASK | {"Status": {"State": "running"}}]
    found = await lifecycle(swarm).read(context, "s", WEB, new)
    assert found is not None
    assert found.outputs.proven


async def test_a_loop_of_crashes_that_runs_at_the_moment_proves_nothing(context: Context) -> None:
    just_started = TASK | {"Status": {"State": "running"}, "UpdatedAt": "2027-01-15T08:00:00Z"}
    never = dataclasses.replace(WELL, proven=False)
    found = await lifecycle(Swarm(just_started)).read(context, "s", WEB, never)
    assert found is not None
    assert not found.outputs.proven


@pytest.mark.parametrize("by", ["us", "somebody else"])
async def test_a_change_that_does_not_come_about_is_a_failure(context: Context, by: str) -> None:
    swarm = Swarm(TASK)
    new = dataclasses.replace(WEB, env={"A": "1"})
    if by == "somebody else":
        swarm.spec = render(new, URN)
        new = WEB
    short = dataclasses.replace(context, timeout=0.2)
    with pytest.raises(RolloutFailed, match="not converged"):
        await lifecycle(swarm).update(short, "s", WEB, WELL, new)
    assert len(swarm.posts) == 1
