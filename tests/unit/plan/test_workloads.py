"""The platform's workloads: their order, and their faults before anything is created."""

from __future__ import annotations

import dataclasses
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan import workloads
from components.plan.workload import Workload
from providers.swarm.services.model import Health, Placement, Port, Resources


def workload(name: str, *needs: str, **changes: object) -> Workload:
    health = Health(["CMD", "true"], interval_s=5, retries=2)
    plain = Workload(name, 10001, Resources(), 30, port=8000, health=health, needs=needs)
    return dataclasses.replace(plain, **changes)


def said(*every: Workload) -> list[str]:
    return [str(fault) for fault in workloads.faults(every, "sophia-dev")]


def test_each_is_made_after_what_it_needs_whatever_their_order():
    database, slack = workload("database"), workload("slack")
    memory, gateway = workload("memory", "database"), workload("gateway", "memory", "slack")
    for every in ([gateway, memory, slack, database], [database, slack, memory, gateway]):
        names = [one.name for one in workloads.in_order(every)]
        assert names.index("database") < names.index("memory") < names.index("gateway")
        assert names.index("slack") < names.index("gateway")
        assert said(*every) == []


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_a_cycle_names_itself_once(order):
    every = [workload("b", "c"), workload("c", "a"), workload("a", "b"), workload("d", "a")]
    assert said(*(every[index] for index in order)) == [
        "workloads: got a needs b needs c needs a, expected an order in which each starts after"
        " what it needs"
    ]
    with pytest.raises(CycleError):
        workloads.in_order(every)


def test_one_that_needs_itself_is_a_cycle():
    (fault,) = said(workload("a", "a"))
    assert "a needs a," in fault


def test_what_is_needed_and_is_not_there_is_named():
    assert said(workload("a", "bb"), workload("b")) == [
        "workload a: needs: got 'bb', expected one of a, b"
    ]


def test_two_of_one_name_are_an_error():
    assert said(workload("gateway"), workload("a"), workload("gateway")) == [
        "workloads: got 'gateway' twice, expected unique names"
    ]


def test_rules_of_services_are_checked_with_ids_still_unknown_and_all_at_once():
    faults = said(
        workload("a", placement=Placement(["node.label.tier == primary"])),
        workload("b", ports=(Port(8443, 8443),)),
        workload("c", resources=Resources(memory_mb=64, reserve_memory_mb=128)),
    )
    assert [fault.split(" ", 3)[:3] for fault in faults] == [
        ["workload", "a:", "placement.constraints[0]:"],
        ["workload", "b:", "update.order:"],
        ["workload", "c:", "resources.reserveMemoryMb:"],
    ]
    assert "unknown key, expected node.id" in faults[0]


def ending(name: str, *needs: str, **changes: object) -> Workload:
    return dataclasses.replace(workload(name, *needs, kind="job", port=0, health=None), **changes)


def test_jobs_are_needed_as_services_are_and_a_good_one_has_no_fault():
    nightly = ending("backup", kind="cron", schedule="*-*-* 03:00")
    every = [workload("web", "migrate"), ending("migrate", "database"), workload("database")]
    assert said(*every, nightly) == []
    names = [one.name for one in workloads.in_order(every)]
    assert names == ["database", "migrate", "web"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"replicas": 2}, "replicas: got 2, expected none: a job is one task that ends"),
        ({"port": 80}, "port: got 80, expected none: a job is one task that ends"),
        ({"order": "stop-first"}, "order: got 'stop-first', expected none: a job is one task that"),
        ({"ports": (Port(8443, 80),)}, "ports: got [8443], expected none: a job is one task that"),
        ({"health": Health(["CMD", "true"])}, "health: got a check, expected none: a job's exit s"),
        ({"schedule": "daily"}, "schedule: got 'daily', expected none of a job; make its kind cro"),
        (
            {"kind": "cron"},
            "schedule: got '', expected systemd's calendar expression in UTC, as in",
        ),
        (
            {"kind": "cron", "schedule": "at noon"},
            "schedule: got 'at noon', expected systemd's calendar expression in UTC, as in 'daily'",
        ),
        ({"resources": Resources(memory_mb=2)}, "resources.memoryMb: got 2, expected at least 6"),
        ({"kind": "service"}, "health: got none, expected a check, by which a service is watched"),
    ],
)
def test_what_makes_no_sense_for_a_kind_is_refused(change, told):
    (fault,) = said(ending("once", **change))
    assert fault.startswith(f"workload once: {told}")


def test_a_service_has_no_schedule():
    (fault,) = said(workload("web", schedule="daily"))
    assert fault == "workload web: schedule: got 'daily', expected none of a service"


def test_all_that_is_wrong_with_a_job_is_told_at_once():
    faults = said(ending("once", replicas=2, port=80, schedule="daily"))
    assert [fault.split(":")[1] for fault in faults] == [" replicas", " port", " schedule"]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_there_is_an_order_or_one_fault(pairs):
    needs = {str(number): tuple(str(b) for a, b in pairs if a == number) for number in range(7)}
    every = [workload(name, *needed) for name, needed in needs.items()]
    faults = said(*every)
    assert len(faults) <= 1
    if not faults:
        made: set[str] = set()
        for one in workloads.in_order(every):
            assert set(one.needs) <= made
            made.add(one.name)
