"""A second server beside the database, and who chooses the primary: which services these are."""

from __future__ import annotations

import pytest

from components.plan import backup, database, policies, standby
from components.plan.backup import Repository
from components.plan.workload import service_inputs
from providers.swarm.services.rules import faults_of
from tests.unit.components.samples import GOOD, check

SERVER = database.workload("database")
MANAGERS = ["m-1", "m-2", "m-3", "m-4"]


def members(server=SERVER, existing=()):
    return {one.name: one for one in standby.members(server, "p", MANAGERS, existing)}


def test_the_plan_keeps_the_rules_and_everything_has_one_task():
    found = members()
    assert list(found) == ["etcd-1", "etcd-2", "etcd-3", "database", "database-2"]
    settings, _ = check(GOOD)
    assert list(policies.protected_volumes(settings, [*found.values()])) == []
    for workload in found.values():
        assert faults_of(service_inputs(workload, "p")) == []
        assert (workload.replicas, workload.order) == (1, "stop-first")


def test_each_follows_the_one_before_and_the_quorum_is_on_three_managers():
    found = members(existing=["database", "etcd-2"])
    assert [one.needs for one in found.values()] == [
        (),
        ("etcd-1",),
        ("etcd-2",),
        ("etcd-1", "etcd-2", "etcd-3"),
        ("database",),
    ]
    on = [found[name].placement.constraints for name in standby.QUORUM]
    assert on == [[f"node.labels.node == {name}"] for name in MANAGERS[:3]]
    networks = {name: one.networks for name, one in found.items()}
    assert networks["database"] == networks["database-2"] == ("data", "quorum")
    assert networks["etcd-1"] == ("quorum",)


def test_the_quorum_starts_at_once_where_it_is_new():
    found = members(existing=["database"])
    assert [found[name].needs for name in standby.QUORUM] == [(), (), ()]
    assert found["database"].needs == standby.QUORUM


def test_the_two_differ_in_their_name_and_their_volume_only():
    first, second = members()["database"], members()["database-2"]
    assert first.volume.plan.path != second.volume.plan.path
    assert first.volume.target == second.volume.target
    assert (first.args, first.secrets) == (second.args, second.secrets)
    assert {key for key in first.env if first.env[key] != second.env[key]} == {"MEMBER"}


def test_the_existing_service_keeps_its_volume_and_its_backups():
    server = backup.archiving(SERVER, Repository("b", "r", "", "/p", 4))
    first = members(server)["database"]
    assert first.volume == server.volume
    assert server.env.items() <= first.env.items()
    assert set(server.secrets) <= set(first.secrets)


def test_one_certificate_is_valid_for_all_of_them_and_nothing_secret_is_shown():
    names = standby.certificate("p", "database")["dns_names"]
    assert names == [f"tasks.p-{name}" for name in ("database", "database-2", *standby.QUORUM)]
    for workload in members().values():
        assert {file.target for file in workload.secrets} >= {standby.AUTHORITY, standby.PAIR}


@pytest.mark.parametrize(
    ("hosts", "end"),
    [
        (["a"], "@a:5432/sophia"),
        (["a", "b"], "@a:5432,b:5432/sophia?target_session_attrs=read-write"),
    ],
)
def test_clients_find_the_primary_of_two(hosts, end):
    assert database.url("pw", *hosts) == f"postgresql://{database.role('pw')}:pw{end}"
