"""The setting `standby`: nothing changes without it, and what it lacks is told at once."""

from __future__ import annotations

from components.plan import workloads
from tests.unit.components.samples import GOOD, changed, check
from tests.unit.components.test_settings_backup import LEAST

ON = {"enabled": True}
MANAGERS = {
    "name": "manager",
    "count": 3,
    "role": "manager",
    "tier": "primary",
    "instanceTypes": ["cpu_4x_general"],
    "regions": ["us-east-1"],
}


def names(settings) -> list[str]:
    return [one.name for one in workloads.planned(settings)]


def test_there_is_none_unless_it_is_configured():
    plain = names(check(GOOD)[0])
    for values in (changed(standby={}), changed(standby={"enabled": False})):
        settings, faults = check(values)
        assert (settings.standby, faults) == (False, [])
        assert names(settings) == plain
        assert "quorum" not in settings.networks


def test_two_members_a_quorum_and_a_job_for_each():
    wanted = {"nodeGroups": [MANAGERS], "standby": ON, "backup": LEAST}
    settings, faults = check(changed(**wanted))
    assert faults == []
    assert names(settings)[:7] == [
        *("etcd-1", "etcd-2", "etcd-3", "database", "database-2", "backup", "backup-2"),
    ]
    assert "quorum" in settings.networks
    jobs = {one.name: one for one in workloads.planned(settings)}
    assert jobs["backup-2"].volume == jobs["database-2"].volume
    assert jobs["backup-2"].needs == ("database-2",)


def test_all_that_it_lacks_is_told_at_once():
    _, faults = check(changed(nodeGroups=[MANAGERS | {"count": 1}], standby=ON))
    managers, homes = faults
    assert managers.startswith("sophia:standby.enabled: got true with 1, expected 3 managers")
    assert homes.startswith("sophia:standby.enabled: got true with 1, expected two nodes")
    assert "raise a count in sophia:nodeGroups" in managers


def test_a_stack_that_only_reads_anothers_backups_has_none():
    of = {"restoreOnly": True, "path": "/sophia-prod", "passphrase": "p" * 20}
    wanted = {"nodeGroups": [MANAGERS], "standby": ON}
    (fault,) = check(changed(**wanted, backup=LEAST | of))[1]
    assert fault.startswith("sophia:standby.enabled: got true, expected false with sophia:backup.")


def test_both_volumes_may_be_placed_but_not_on_one_node():
    wanted = {"nodeGroups": [MANAGERS], "standby": ON}
    apart = {"database": "manager-2", "database-2": "manager-1"}
    settings, faults = check(changed(**wanted, volumes=apart))
    assert (settings.volumes, faults) == (apart, [])
    together = dict.fromkeys(apart, "manager-2")
    (fault,) = check(changed(**wanted, volumes=together))[1]
    assert fault.startswith("sophia:volumes.database-2: got 'manager-2', expected another node")
    (fault,) = check(changed(nodeGroups=[MANAGERS], volumes=apart))[1]
    assert fault.startswith("sophia:volumes.database-2")
