"""Each policy with a plan that keeps it, and with plans that break it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from components.plan import policies, workloads
from components.plan.volumes import VolumePlan
from components.plan.workload import MountedVolume, Workload
from providers.swarm.services.model import Health, Mount, Port, Resources
from tests.unit.components.samples import GOOD, changed, check

HEALTH = Health(["CMD", "true"], interval_s=5, retries=2)
WEB = Workload("web", 10001, Resources(), 30, port=8000, health=HEALTH)
VOLUME = MountedVolume(VolumePlan("files", "/opt/sophia/data/files", 10001), "/files", "VOLUME")
KEEPER = dataclasses.replace(WEB, name="keeper", volume=VOLUME, order="stop-first")
SETTINGS, _ = check(GOOD)
DIGEST = f"sha256:{64 * '0'}"


def told(*planned: Workload) -> list[str]:
    return [str(fault) for fault in policies.faults(SETTINGS, planned)]


def test_the_platforms_own_plan_keeps_all_of_them():
    assert told(*workloads.planned(SETTINGS)) == []


def test_only_the_gateway_has_a_port_and_only_its_own():
    gateway = dataclasses.replace(WEB, name="gateway", ports=(Port(8443, 8443),))
    assert told(gateway, WEB) == []
    both = (Port(8443, 8443), Port(8404, 8404))
    broken = [dataclasses.replace(one, ports=both) for one in (gateway, WEB)]
    assert told(*broken) == [
        "policy published-ports: workload gateway: ports: got 8404, expected only 8443, where"
        " clients come in",
        "policy published-ports: workload web: ports: got 8443, expected none: only the gateway"
        " has one",
        "policy published-ports: workload web: ports: got 8404, expected none: only the gateway"
        " has one",
    ]


def test_a_gateway_on_another_port_keeps_to_that_one():
    settings, _ = check(changed(gateway={"port": 443}))
    gateway = dataclasses.replace(WEB, name="gateway", ports=(Port(8443, 8443),))
    (fault,) = policies.faults(settings, [gateway])
    assert (fault.got, fault.expected) == ("8443", "only 443, where clients come in")


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        ({"replicas": 2}, "replicas: got 2, expected 1"),
        ({"replicas": 0}, "replicas: got 0, expected 1"),
        ({"order": "start-first"}, "order: got 'start-first', expected 'stop-first'"),
        ({"kind": "global"}, "kind: got 'global', expected 'service'"),
    ],
)
def test_two_tasks_never_have_a_volume_at_once(change, breach):
    assert told(KEEPER, dataclasses.replace(WEB, replicas=2)) == []
    assert told(dataclasses.replace(KEEPER, **change)) == [
        f"policy protected-volumes: workload keeper: {breach}; two tasks must never have volume"
        " files at once"
    ]


def test_two_services_never_have_the_same_volume():
    other = dataclasses.replace(KEEPER, name="other")
    assert told(KEEPER, other) == [
        f"policy protected-volumes: workload {one}: volume shared with: got ['{its}'], expected [];"
        " two tasks must never have volume files at once"
        for one, its in (("keeper", "other"), ("other", "keeper"))
    ]


def test_a_job_with_a_volume_is_one_task_already():
    assert told(KEEPER, dataclasses.replace(KEEPER, kind="job", order="start-first")) == []


@pytest.mark.parametrize("kind", ["bind", "volume"])
def test_what_is_written_outside_a_volume_is_not_guarded(kind):
    kept = Mount(kind, "/data", "somewhere")
    harmless = (Mount("tmpfs", "/tmp", size_mb=16), dataclasses.replace(kept, read_only=True))
    assert told(dataclasses.replace(WEB, mounts=harmless)) == []
    assert told(dataclasses.replace(WEB, mounts=(*harmless, kept))) == [
        f"policy protected-volumes: workload web: mounts: got {kind} 'somewhere' to write to,"
        " expected a `volume`, which has a home"
    ]


GROUPS = [{**group, "instanceTypes": types} for group, types in zip(
    GOOD["nodeGroups"],
    [["cpu_4x_general"], ["gpu_1x_a10", "gpu_8x_h100_sxm5", "cpu_4x_general"]],
    strict=True,
)]  # fmt: skip
"""Three machines at $0.20, and one at $0.75, or $23.92 if only the dearest type is free."""


@pytest.mark.parametrize("limit", [24.52, "24.52", 25, 0])
def test_a_price_up_to_the_limit_is_good_and_0_is_none(limit):
    assert check(changed(nodeGroups=GROUPS, policies={"maxUsdPerHour": limit}))[1] == []


def test_each_machine_counts_as_the_dearest_type_of_its_list():
    _, faults = check(changed(nodeGroups=GROUPS, policies={"maxUsdPerHour": 24.51}))
    assert faults == [
        "policy price-limit: sophia:nodeGroups: got $24.52 an hour at most (3 cpu_4x_general at"
        " $0.20, 1 gpu_8x_h100_sxm5 at $23.92), expected $24.51 or less; remove the dearest types"
        " from instanceTypes, rent fewer machines, or raise sophia:policies.maxUsdPerHour"
    ]


def test_a_group_without_machines_costs_nothing():
    groups = [GROUPS[0], {**GROUPS[1], "count": 0}]
    assert check(changed(nodeGroups=groups, policies={"maxUsdPerHour": 0.6}))[1] == []
    _, (fault,) = check(changed(nodeGroups=groups, policies={"maxUsdPerHour": 0.59}))
    assert "got $0.60 an hour at most (3 cpu_4x_general at $0.20), expected" in fault


def test_a_limit_below_a_cent_is_still_one():
    _, (fault,) = check(changed(policies={"maxUsdPerHour": 0.001}))
    assert "expected $0.00 or less" in fault


def test_breaches_of_several_policies_come_at_once(monkeypatch):
    whole = workloads.planned
    monkeypatch.setattr(workloads, "planned", lambda settings: [
        dataclasses.replace(one, ports=(Port(5432, 5432),), replicas=2)
        for one in whole(settings) if one.name == "database"
    ])  # fmt: skip
    _, faults = check(changed(policies={"maxUsdPerHour": 1}))
    assert [fault.split(": ")[0] for fault in faults] == [
        "policy published-ports", "policy protected-volumes", "policy price-limit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "image",
    ["web:latest", "web", "", f"web@{DIGEST[:-1]}", f"web@{DIGEST}0", f"@{DIGEST}", DIGEST],
)
def test_an_image_without_a_digest_is_refused(image):
    for good in (f"web@{DIGEST}", f"registry.example:5000/a/web:2@{DIGEST}"):
        assert policies.by_digest("web", good) == good
    with pytest.raises(ValueError, match=r"policy images-by-digest: workload web: image: got '"):
        policies.by_digest("web", image)


def test_the_page_has_a_line_for_each():
    page = Path(__file__).parents[3] / "docs" / "how-to" / "policies.md"
    named = re.findall(r"^\| `([a-z-]+)` \|", page.read_text(), re.M)
    assert sorted(named) == sorted([*policies.POLICIES, "images-by-digest", "resource-limits"])


def test_only_what_runs_on_every_node_keeps_something_that_may_be_lost_with_one():
    kept = dataclasses.replace(WEB, mounts=(Mount("volume", "/data", "numbers"),))
    everywhere = dataclasses.replace(kept, kind="global", order="stop-first")
    assert told(everywhere) == []
    for broken in (
        kept,
        dataclasses.replace(everywhere, order="start-first"),
        dataclasses.replace(everywhere, mounts=(Mount("bind", "/data", "/srv"),)),
    ):
        (breach,) = told(broken)
        assert breach.startswith("policy protected-volumes: workload web: mounts: got ")
