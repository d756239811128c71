"""From looks at a service to the verdict, with given times."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.swarm.services.diagnosis import Failure, Kind
from providers.swarm.services.model import (
    Placement,
    Resources,
    Restart,
    ServiceInputs,
    Update,
)
from providers.swarm.services.patience import Patience
from providers.swarm.services.render import render
from providers.swarm.services.verdict import (
    Converged,
    Failed,
    Observation,
    RolledBack,
    Verdict,
    Waiting,
    Watch,
    condition,
    doubled,
)

URN = "urn:pulumi:dev::sophia::swarm:index:Service::web"
INPUTS = ServiceInputs(name="web", image="web@sha256:new", replicas=2, update=Update(monitor_s=5.0))
WANTED = render(INPUTS, URN)
OLD = render(ServiceInputs(name="web", image="web@sha256:old", replicas=2), URN)
EVERYWHERE = render(
    ServiceInputs(
        name="web", image="i", mode="global", placement=Placement(["node.labels.tier == a"])
    ),
    URN,
)
NOW = 1_800_000_000.0
"""Of the managers: 2027."""
CRASH = Failure(Kind.CRASH, "exited with code 3", "2026-01-01T00:00:01Z", ("boom",))
SICK = Failure(Kind.HEALTH, "health check fails", "2026-01-01T00:00:01Z")


def task(
    id: str,
    state: str = "running",
    spec: Any = WANTED,
    *,
    slot: int = 1,
    desired: str = "running",
    err: str = "",
    node: str = "n1",
    since: str = "2020-01-01T00:00:00.123456789Z",
) -> dict[str, Any]:
    return {
        "ID": id,
        "Slot": slot,
        "NodeID": node,
        "DesiredState": desired,
        "Spec": {"ContainerSpec": copy.deepcopy(spec["TaskTemplate"]["ContainerSpec"])},
        "Status": {"State": state, "Err": err, "Timestamp": since},
    }


def seen(
    *tasks: dict[str, Any],
    spec: Any = WANTED,
    state: str = "",
    nodes: Any = (),
    message: str = "said",
) -> Observation:
    status = {"UpdateStatus": {"State": state, "Message": message}} if state else {}
    return Observation({"ID": "s", "Spec": spec, **status}, tasks, nodes, NOW)


def node(id: str, state: str = "ready", tier: str = "a") -> dict[str, Any]:
    return {
        "ID": id,
        "Spec": {"Availability": "active", "Labels": {"tier": tier}},
        "Description": {"Hostname": id},
        "Status": {"State": state},
    }


def watch(first: Observation | None = None, **options: Any) -> Watch:
    settings = {"posted": True, "start": 0.0, "monitor": 5.0} | options
    return Watch(settings.pop("wanted", WANTED), first or seen(), **settings)


BOTH = (task("a", slot=1), task("b", slot=2))


def by_hand(made: dict[str, Any]) -> dict[str, Any]:
    """As `docker service update --image` leaves it: with our labels, but not of our spec."""
    changed = copy.deepcopy(made)
    changed["Spec"]["ContainerSpec"]["Image"] = "other"
    return changed


@pytest.mark.parametrize(
    ("what", "look", "kind"),
    [
        ("all run", seen(*BOTH), Converged),
        ("swarm agrees", seen(*BOTH, state="completed"), Converged),
        ("swarm still at it", seen(*BOTH, state="updating"), Waiting),
        ("one is missing", seen(BOTH[0]), Waiting),
        ("one is starting", seen(BOTH[0], task("b", "starting", slot=2)), Waiting),
        ("one is of the old spec", seen(BOTH[0], task("b", spec=OLD, slot=2)), Waiting),
        ("one was changed by hand", seen(BOTH[0], by_hand(BOTH[1])), Waiting),
        ("an old one is left", seen(*BOTH, task("c", spec=OLD)), Waiting),
        ("one too many", seen(*BOTH, task("c")), Waiting),
        (
            "an old one goes",
            seen(*BOTH, task("c", spec=OLD, desired="shutdown")),
            Converged,
        ),
        ("rolling back", seen(*BOTH, spec=OLD, state="rollback_started"), RolledBack),
        ("rolled back", seen(*BOTH, spec=OLD, state="rollback_completed"), RolledBack),
        ("rolled back, reads completed", seen(*BOTH, spec=OLD, state="completed"), RolledBack),
        ("roll-back paused", seen(*BOTH, spec=OLD, state="rollback_paused"), RolledBack),
        ("rolled back to the same spec", seen(*BOTH, state="rollback_completed"), RolledBack),
        ("paused", seen(*BOTH, state="paused"), Failed),
        ("changed by somebody", seen(*BOTH, spec=OLD, state="updating"), Failed),
    ],
)
def test_verdicts(what: str, look: Observation, kind: type) -> None:
    one = watch()
    one.judge(look, 1.0)
    assert isinstance(one.judge(look, 7.0), kind), what


def test_running_must_last_for_the_monitor_time_from_when_it_was_seen() -> None:
    one = watch()
    assert isinstance(one.judge(seen(*BOTH), 3.0), Waiting)
    assert isinstance(one.judge(seen(*BOTH), 7.9), Waiting)
    assert isinstance(one.judge(seen(*BOTH), 8.0), Converged)


def test_a_task_that_was_replaced_meanwhile_starts_anew() -> None:
    one = watch()
    one.judge(seen(*BOTH), 1.0)
    again = seen(BOTH[0], task("c", slot=2))
    assert isinstance(one.judge(again, 6.0), Waiting)
    assert isinstance(one.judge(again, 11.0), Converged)


def test_tasks_that_have_run_long_enough_before_need_no_waiting() -> None:
    first = seen(*BOTH)
    assert isinstance(watch(first, posted=False).judge(first, 0.1), Converged)
    assert isinstance(watch(first).judge(first, 0.5), Waiting), "the change has not shown yet"
    assert isinstance(watch(first).judge(first, 1.0), Converged)
    young = seen(*(dict(one) for one in BOTH))
    for one in young.tasks:
        one["Status"] = {**one["Status"], "Timestamp": "2999-01-01T00:00:00Z"}
    assert isinstance(watch(young, posted=False).judge(young, 0.1), Waiting)


def test_an_old_roll_back_does_not_matter_when_nothing_was_changed() -> None:
    first = seen(*BOTH, state="rollback_completed")
    assert isinstance(watch(first, posted=False).judge(first, 0.1), Converged)


def test_a_roll_back_under_way_is_waited_for_when_nothing_was_changed() -> None:
    first = seen(*BOTH, state="rollback_started")
    assert isinstance(watch(first, posted=False).judge(first, 0.1), Waiting)


def fail(one: Watch, look: Observation, failure: Failure) -> Verdict:
    for ended in one.unexplained(look):
        one.explain(ended, failure)
    return one.judge(look, 1.0)


def test_three_failures_in_one_slot_are_one_too_many() -> None:
    one, ended = watch(), [task(f"t{n}", "failed", desired="shutdown") for n in range(3)]
    assert isinstance(fail(one, seen(ended[0]), CRASH), Waiting)
    assert isinstance(fail(one, seen(*ended[:2]), CRASH), Waiting)
    verdict = fail(one, seen(ended[2]), CRASH)  # the older ones were cleaned up
    assert verdict == Failed("exited with code 3 (3 tasks in a row)", CRASH)


def test_failures_of_several_slots_are_not_added_up() -> None:
    ended = [task(f"t{n}", "failed", slot=n + 1, desired="shutdown") for n in range(5)]
    assert isinstance(fail(watch(), seen(*ended), CRASH), Waiting)


def test_two_failed_health_checks_are_enough() -> None:
    ended = [task(f"t{n}", "failed", desired="shutdown") for n in range(2)]
    assert isinstance(fail(watch(), seen(*ended), SICK), Failed)
    assert isinstance(fail(watch(), seen(*ended), CRASH), Waiting)


@pytest.mark.parametrize("state", ["failed", "rejected", "complete"])
def test_only_own_new_failures_have_to_be_explained(state: str) -> None:
    before = task("before", state, desired="shutdown")
    one = watch(seen(before))
    look = seen(before, task("old", state, OLD), task("new", state), task("scaled", "shutdown"))
    assert [ended["ID"] for ended in one.unexplained(look)] == ["new"]
    one.explain(look.tasks[2], CRASH)
    assert one.unexplained(look) == []


def test_after_a_failure_running_must_last_twice_as_long() -> None:
    one = watch()
    fail(one, seen(task("x", "failed", desired="shutdown")), CRASH)
    assert isinstance(one.judge(seen(*BOTH), 2.0), Waiting)
    assert isinstance(one.judge(seen(*BOTH), 11.9), Waiting)
    assert isinstance(one.judge(seen(*BOTH), 12.0), Converged)


def test_a_proven_lack_of_memory_explains_a_bare_kill() -> None:
    one = watch()
    proven = Failure(Kind.MEMORY, "out of memory", "2026-01-01T00:00:01Z")
    one.explain(task("a", "failed"), proven)
    one.explain(task("b", "failed"), Failure(Kind.KILLED, "killed", "2026-01-01T00:00:02Z"))
    assert one.last_failure == proven
    one.explain(task("c", "failed"), later := Failure(Kind.CRASH, "other", "2026-01-01T00:00:03Z"))
    assert one.last_failure == later


def test_without_a_suitable_node_patience_ends() -> None:
    spec = render(
        ServiceInputs(name="web", image="i", placement=Placement(["node.labels.tier == gold"])),
        URN,
    )
    err = "no suitable node (scheduling constraints not satisfied on 1 node)"
    look = seen(task("a", "pending", spec, err=err, node=""), spec=spec, nodes=[node("n1")])
    one = watch(wanted=spec, patience=Patience(pending=20.0))
    assert isinstance(one.judge(look, 1.0), Waiting)
    assert isinstance(one.judge(look, 20.9), Waiting)
    verdict = one.judge(look, 21.0)
    assert verdict == Failed(
        "no suitable node: no ready node fulfils node.labels.tier == gold (n1 has a); "
        "scheduling constraints not satisfied on 1 node"
    )


def test_a_pending_task_that_finds_a_node_is_forgiven() -> None:
    one = watch(patience=Patience(pending=20.0))
    waiting = seen(BOTH[0], task("b", "pending", slot=2, err="no suitable node"))
    one.judge(waiting, 1.0)
    one.judge(seen(BOTH[0], task("b", "preparing", slot=2)), 15.0)
    assert isinstance(one.judge(waiting, 25.0), Waiting)


FULL = "no suitable node (insufficient resources on 1 node)"
BUSY = "no suitable node (host-mode port already in use on 1 node)"
ELSEWHERE = f"{FULL[:-1]}; scheduling constraints not satisfied on 2 nodes)"


@pytest.mark.parametrize("err", [FULL, BUSY, ELSEWHERE])
def test_a_node_that_is_only_full_now_is_waited_for(err: str) -> None:
    one = watch(patience=Patience(pending=20.0))
    look = seen(BOTH[0], task("b", "pending", slot=2, err=err))
    for now in (1.0, 30.0, 800.0):
        assert isinstance(one.judge(look, now), Waiting)


def test_a_node_that_is_too_small_is_not_waited_for() -> None:
    spec = render(
        ServiceInputs(name="web", image="i", resources=Resources(64.0, reserve_cpus=32.0)), URN
    )
    small = node("n1")
    small["Description"]["Resources"] = {"NanoCPUs": 8 * 10**9, "MemoryBytes": 2**34}
    look = seen(task("a", "pending", spec, err=FULL, node=""), spec=spec, nodes=[small])
    one = watch(wanted=spec, patience=Patience(pending=20.0))
    assert isinstance(one.judge(look, 1.0), Waiting)
    verdict = one.judge(look, 21.0)
    assert isinstance(verdict, Failed)
    assert "reserves 32 CPUs and 0 MiB, the largest node has 8 CPUs and 16384 MiB" in verdict.cause


def test_a_task_that_swarm_does_not_start_again_is_a_failure() -> None:
    """`on-failure` and an exit code of 0: waiting for it would be waiting for the deadline."""
    once = ServiceInputs(name="web", image="i", restart=Restart(condition="on-failure"))
    spec = render(once, URN)
    done = Failure(Kind.CRASH, "exited with code 0, but a service must keep running")
    one = watch(wanted=spec)
    look = seen(task("a", "complete", spec, desired="shutdown"), spec=spec)
    assert isinstance(fail(one, look, done), Waiting)
    assert isinstance(one.judge(look, 5.9), Waiting)
    verdict = one.judge(look, 6.0)
    assert isinstance(verdict, Failed)
    assert "does not start it again (restart condition on-failure)" in verdict.cause


def test_a_task_that_swarm_starts_again_is_waited_for() -> None:
    one = watch()
    look = seen(
        BOTH[1], task("a", "failed", desired="shutdown"), task("c", "ready", desired="ready")
    )
    assert isinstance(fail(one, look, CRASH), Waiting)
    assert isinstance(one.judge(look, 60.0), Waiting)


def test_the_age_of_a_task_is_told_by_the_managers_clock() -> None:
    """A runner whose clock is minutes ahead took tasks that had just started as proven."""
    began = 1_800_000_000.0
    stamp = datetime.fromtimestamp(began, UTC).isoformat()[:19] + ".123456789Z"
    for now, kind in ((began + 2.0, Waiting), (began + 6.0, Converged)):
        look = replace(seen(*(one | {"UpdatedAt": stamp} for one in BOTH)), now=now)
        assert isinstance(watch(look, posted=False).judge(look, 0.1), kind)


def test_global_means_every_node_that_can_have_it() -> None:
    nodes = [node("n1"), node("n2", "down"), node("n3", tier="b"), node("n4")]
    one = watch(wanted=EVERYWHERE)
    tasks = [task("a", spec=EVERYWHERE, node="n1"), task("b", spec=EVERYWHERE, node="n2")]
    look = seen(*tasks, spec=EVERYWHERE, nodes=nodes)
    one.judge(look, 1.0)
    verdict = one.judge(look, 7.0)
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "replicas 1 of 2"
    full = seen(*tasks, task("c", spec=EVERYWHERE, node="n4"), spec=EVERYWHERE, nodes=nodes)
    one.judge(full, 8.0)
    assert one.judge(full, 13.0) == Converged("replicas 2 of 2")


def test_global_without_any_node_fails_instead_of_being_nothing() -> None:
    one = watch(wanted=EVERYWHERE, patience=Patience(pending=20.0))
    look = seen(spec=EVERYWHERE, nodes=[node("n1", tier="b")])
    assert isinstance(one.judge(look, 6.0), Waiting)
    verdict = one.judge(look, 26.0)
    assert isinstance(verdict, Failed)
    assert "no ready node fulfils node.labels.tier == a (n1 has b)" in verdict.cause


@pytest.mark.parametrize(
    ("look", "surplus"),
    [
        (seen(*BOTH), False),
        (seen(*BOTH, task("c", slot=3)), False),
        (seen(*BOTH, task("c", slot=2)), True),
        (seen(*BOTH, task("c", slot=2), state="completed"), True),
        (seen(*BOTH, task("c", slot=2), state="updating"), False),
        (seen(*BOTH, task("c", slot=2), state="rollback_started"), False),
        (seen(*BOTH, task("c", "starting", slot=2)), False),
        (seen(*BOTH, task("c", slot=2, desired="shutdown")), False),
    ],
)
def test_a_slot_with_two_tasks_is_a_surplus(look: Observation, surplus: bool) -> None:
    assert doubled(look) is surplus


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (seen(*BOTH), ""),
        (seen(*BOTH, state="rollback_completed"), ""),
        (seen(BOTH[0]), "replicas 1 of 2"),
        (seen(*BOTH, task("c")), "replicas 3 of 2"),
        (seen(*BOTH, task("c", spec=OLD)), "1 more tasks than the wanted 2"),
        (seen(BOTH[0], task("b", spec=OLD, slot=2)), "replicas 1 of 2"),
        (seen(*BOTH, state="paused"), "its update is paused: said"),
        (seen(*BOTH, state="rollback_paused"), "its update is rollback paused: said"),
        (seen(*BOTH, spec=OLD), "running spec differs in TaskTemplate.ContainerSpec.Image"),
    ],
)
def test_condition(look: Observation, told: str) -> None:
    assert condition(WANTED, look).startswith(told)
    assert bool(condition(WANTED, look)) is bool(told)


@pytest.mark.parametrize(
    ("former", "age", "believed"),
    [
        (task("old", "failed", slot=2, desired="shutdown"), 4.0, False),
        (task("old", "complete", slot=2, desired="shutdown"), 4.0, False),
        (task("old", "failed", slot=2, desired="shutdown"), 6.0, True),
        (task("old", "shutdown", slot=2, desired="shutdown"), 4.0, True),
        (task("old", "failed", slot=1, desired="shutdown"), 4.0, True),
        (task("old", "failed", OLD, slot=2, desired="shutdown"), 4.0, True),
    ],
)
def test_a_crash_loop_is_told_in_the_instant_in_which_it_runs(
    former: dict[str, Any], age: float, believed: bool
) -> None:
    began = datetime.fromtimestamp(NOW - age, UTC).isoformat()[:19] + ".5Z"
    look = seen(task("a", slot=1), former, task("b", slot=2, since=began))
    told = "" if believed else "task 2 (id b) has just been started after a failure"
    assert condition(WANTED, look) == told


states = st.sampled_from(
    ["new", "pending", "preparing", "starting", "running", "complete", "failed", "rejected"]
)
tasks = st.lists(
    st.builds(
        task,
        st.sampled_from("abcdef"),
        states,
        st.sampled_from([WANTED, OLD]),
        slot=st.integers(1, 3),
        desired=st.sampled_from(["running", "shutdown"]),
    ),
    max_size=5,
    unique_by=lambda one: one["ID"],
)
looks = st.builds(
    lambda some, spec, state: seen(*some, spec=spec, state=state),
    tasks,
    st.sampled_from([WANTED, WANTED, OLD]),
    st.sampled_from(["", "updating", "completed", "paused", "rollback_started"]),
)


@given(st.lists(looks, min_size=1, max_size=6), st.booleans())
def test_converged_is_never_said_of_anything_else(history: list[Observation], posted: bool) -> None:
    one = watch(history[0], posted=posted)
    for step, look in enumerate(history):
        for ended in one.unexplained(look):
            one.explain(ended, CRASH)
        verdict = one.judge(look, 4.0 * step)
        if isinstance(verdict, Converged):
            wanted = [t for t in look.tasks if t["DesiredState"] == "running"]
            assert look.service["Spec"] == WANTED
            assert look.update_state in ("", "completed")
            assert len(wanted) == 2
            for running in wanted:
                assert running["Status"]["State"] == "running"
                assert running["Spec"]["ContainerSpec"] == WANTED["TaskTemplate"]["ContainerSpec"]
        if not isinstance(verdict, Waiting):
            break
