"""Every way a rollout can go, on a real Swarm: the verdict and its message.

The cases run side by side, creates first, then updates; each test looks at the outcome of one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Awaitable
from typing import Any

import pytest

from providers.runtime.declare import Incomplete
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from providers.swarm.services.model import (
    Health,
    Placement,
    Resources,
    ServiceInputs,
    Update,
)
from providers.swarm.services.patience import Patience
from providers.swarm.services.rollout import RolloutFailed
from tests.provider.swarm.services.samples import IMAGE, NO_OUTPUTS, SURE, service

pytestmark = [pytest.mark.containers, pytest.mark.slow]

TWO = {"replicas": 2, "update": Update(monitor_s=2.0)}


def health(command: str) -> Health:
    return Health(["CMD-SHELL", command], 0.3, 5.0, retries=2, start_period_s=0.0)


def script(text: str) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", text]}


GOOD: dict[str, dict[str, Any]] = {
    "converged": {},
    "healthy": {"health": health("true")},
    "global": {"mode": "global"},
    "none": {"replicas": 0},
}

BRIEF = {"update": Update(monitor_s=SURE)}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unhealthy": (
        {**script("echo serving; sleep 100"), "health": health("echo disk is full; exit 1")},
        r"health check fails: disk is full \(exit code 1\) on svc",
    ),
    "unhealthy-clean": (
        {"health": health("echo disk is full; exit 1")},
        r"health check fails: disk is full \(exit code 1\) on svc",
    ),
    "crash": (
        BRIEF | script("echo starting; echo no such table >&2; exit 3"),
        r"exited with code 3 on",
    ),
    "exit-zero": (
        BRIEF | script("echo done; exit 0"),
        r"exited with code 0, but a service must keep running on svc",
    ),
    "memory": (
        BRIEF | script("echo filling; exec tail /dev/zero"),
        r"out of memory: its limit is 32 MiB.* on svc",
    ),
    "image": (
        {"image": "127.0.0.1:9/missing:1"},
        r"image 127\.0\.0\.1:9/missing:1 could not be pulled: No such image: .* on svc.*"
        r"registry says: .*connection refused",
    ),
    "command": (
        {"command": ["/no/such/program"]},
        r'exec: \\?"/no/such/program\\?": .*no such file or directory',
    ),
    "constraint": (
        {"placement": Placement(["node.labels.tier == gold"])},
        r"no suitable node: no ready node fulfils node\.labels\.tier == gold "
        r"\(svc\S+-manager has 0, svc\S+-worker has 1\); scheduling constraints not satisfied",
    ),
    "reservation": (
        {"resources": Resources(8000.0, 32, 32, reserve_cpus=4000.0)},
        r"no suitable node: it reserves 4000 CPUs and 0 MiB, the largest node has \d+ CPUs and"
        r" \d+ MiB in all; insufficient resources on 2 nodes",
    ),
}

LOGS = {
    "crash": ["starting", "no such table"],
    "exit-zero": ["done"],
    "unhealthy": ["serving"],
    "unhealthy-clean": ["serving"],
    "memory": ["filling"],
}


@dataclasses.dataclass
class Outcome:
    """What a rollout raised (or not), its messages, and what runs afterwards."""

    error: BaseException | None
    progress: list[str]
    condition: str
    image: str
    tries: str


class Runs:
    """One kind of rollout on the test's Swarm."""

    def __init__(self, pool: Pool, tell: Any) -> None:
        self.lifecycle = Service(pool, Patience(pending=3.0))
        self.tell = tell

    async def create(self, name: str, fields: dict[str, Any]) -> Outcome:
        inputs = service(f"create-{name}", **(TWO | fields))
        told = self.tell(inputs.name)
        error, id = None, ""
        try:
            id = (await self.lifecycle.create(told.context, inputs)).id
        except Incomplete as failure:
            error, id = failure, failure.id
        return await self._after(id, inputs, told, error, inputs)

    async def update(self, name: str, fields: dict[str, Any]) -> Outcome:
        old = service(f"update-{name}", env={"GENERATION": "old"}, **TWO)
        told = self.tell(old.name)
        created = await self.lifecycle.create(told.context, old)
        told.progress.clear()
        new = dataclasses.replace(old, env={"GENERATION": "new"}, **fields)
        error = None
        try:
            await self.lifecycle.update(told.context, created.id, old, created.outputs, new)
        except RolloutFailed as failure:
            error = failure
        return await self._after(created.id, old if error else new, told, error, new)

    async def _after(
        self, id: str, runs: ServiceInputs, told: Any, error: Any, tried: ServiceInputs
    ) -> Outcome:
        """`condition` is about what should run now; `tries` about what was requested."""
        now = await self.lifecycle.read(told.context, id, runs, NO_OUTPUTS)
        again = await self.lifecycle.read(told.context, id, tried, NO_OUTPUTS)
        assert now is not None
        assert again is not None
        progress = list(told.progress)
        await self.lifecycle.delete(told.context, id, tried, NO_OUTPUTS)
        return Outcome(
            error, progress, now.outputs.condition, now.inputs.image, again.outputs.condition
        )


def _gathered(swarm: Any, tell: Any, kind: str) -> dict[str, Outcome]:
    async def run() -> dict[str, Outcome]:
        pool = Pool(swarm.config)
        try:
            rollouts = getattr(Runs(pool, tell), kind)
            cases: dict[str, dict[str, Any]] = {n: f for n, (f, _) in BAD.items()}
            if kind == "create":
                cases |= GOOD
            else:
                cases |= {"converged": {}, "healthy": GOOD["healthy"]}
            work: list[Awaitable[Outcome]] = [rollouts(name, cases[name]) for name in cases]
            return dict(zip(cases, await asyncio.gather(*work), strict=True))
        finally:
            await pool.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def creates(swarm: Any, tell: Any) -> dict[str, Outcome]:
    return _gathered(swarm, tell, "create")


@pytest.fixture(scope="module")
def updates(swarm: Any, tell: Any) -> dict[str, Outcome]:
    return _gathered(swarm, tell, "update")


@pytest.mark.parametrize("name", GOOD)
def test_create_returns_when_all_replicas_run(name: str, creates: dict[str, Outcome]) -> None:
    outcome = creates[name]
    assert outcome.error is None
    assert outcome.condition == ""
    wanted = 0 if name == "none" else 2
    assert outcome.progress[-1] == f"replicas {wanted} of {wanted}"
    assert len(set(outcome.progress)) == len(outcome.progress), "told again though unchanged"


@pytest.mark.parametrize("name", BAD)
def test_create_fails_with_the_cause_and_keeps_the_id(
    name: str, creates: dict[str, Outcome]
) -> None:
    error = creates[name].error
    assert isinstance(error, Incomplete)
    assert re.search(BAD[name][1], error.reasons[0]), error.reasons
    assert "\n" not in error.reasons[0]
    assert error.outputs.dns_name == f"tasks.create-{name}"
    assert creates[name].condition, "the next `up` must see that it does not run"
    for line in LOGS.get(name, []):
        assert f"  {line}" in error.reasons[1:], error.reasons


@pytest.mark.parametrize("name", ["converged", "healthy"])
def test_update_returns_when_only_the_new_spec_runs(name: str, updates: dict[str, Outcome]) -> None:
    assert updates[name].error is None
    assert updates[name].condition == ""


@pytest.mark.parametrize("name", BAD)
def test_failed_update_tells_the_cause_after_it_was_rolled_back(
    name: str, updates: dict[str, Outcome]
) -> None:
    outcome = updates[name]
    assert isinstance(outcome.error, RolloutFailed)
    cause = outcome.error.reasons[0]
    assert re.search(BAD[name][1], cause), outcome.error.reasons
    assert "rolled back to the previous spec (all replicas running)" in cause
    for line in LOGS.get(name, []):
        assert f"  {line}" in outcome.error.reasons[1:], outcome.error.reasons
    assert outcome.condition == "", "the old spec must run again"
    assert outcome.image == IMAGE
    assert "running spec differs" in outcome.tries, "the next `up` must try again"
