"""Where logs are kept, for how long, and who can reach them; that the programs take these arguments
is tests/integration/logs.
"""

from __future__ import annotations

import json

import pytest
from sophia_logs import metrics

from components.plan import backend, logs, monitoring, networks, policies, workloads
from components.settings_overlay import addresses
from tests.unit.components.samples import changed, check

SETTINGS, FAULTS = check(changed(logs={"enabled": True}))
PLANNED = {workload.name: workload for workload in workloads.planned(SETTINGS)}
STORES = [PLANNED[name] for name in (logs.STORE, logs.AUDIT)]


def test_a_platform_with_logs_has_no_fault_and_keeps_all_policies():
    assert FAULTS == []
    assert workloads.faults(PLANNED.values(), "sophia-dev") == []
    assert policies.faults(SETTINGS, list(PLANNED.values())) == []


def test_one_without_has_none_of_it():
    plain, _ = check(changed())
    planned = {workload.name: workload for workload in workloads.planned(plain)}
    assert not set(planned) & set(logs.NAMES)
    assert backend.LOGS not in planned["backend"].env
    assert networks.LOGS not in (*planned["backend"].networks, *plain.networks)


def test_only_the_backend_and_what_fills_them_reach_the_stores():
    there = {name for name, workload in PLANNED.items() if networks.LOGS in workload.networks}
    assert there == {*logs.NAMES, "backend"}
    assert networks.LOGS in networks.INTERNAL, "nothing on it has a way out by it"
    for workload in (*STORES, PLANNED[logs.SHIPPER]):
        assert workload.networks == (networks.LOGS,)
        assert workload.ports == ()


def test_where_the_platform_is_watched_they_are_missed_when_they_are_away():
    watched, _ = check(changed(logs={"enabled": True}, monitoring={"enabled": True}))
    planned = {workload.name: workload for workload in workloads.planned(watched)}
    there = {name for name, workload in planned.items() if networks.LOGS in workload.networks}
    assert there == {*logs.NAMES, "backend", monitoring.PROMETHEUS}
    jobs = {one.name: one for one in monitoring.jobs(planned.values(), [])}
    assert (jobs["logs"].port, set(jobs["logs"].services)) == (logs.PORT, {logs.STORE, logs.AUDIT})
    shipper = jobs["log-shipper"]
    assert (shipper.port, shipper.services) == (metrics.PORT, (logs.SHIPPER,))


def test_each_manager_has_both_stores_and_each_node_a_shipper():
    for store in STORES:
        assert (store.kind, store.placement.constraints) == ("global", ["node.role == manager"])
    assert len({store.mounts[0].source for store in STORES}) == 2
    assert PLANNED[logs.SHIPPER].kind == "global"
    assert PLANNED[logs.SHIPPER].placement.constraints == []


def test_what_a_node_gives_is_dockers_files_to_read():
    bind, scratch = PLANNED[logs.SHIPPER].mounts
    assert (bind.source, bind.read_only, bind.recursive) == (logs.DOCKERS_FILES, True, False)
    assert scratch.type == "tmpfs"


@pytest.mark.parametrize(
    ("store", "kept"), [(STORES[0], ("14d", "2GB")), (STORES[1], ("90d", "4GB"))]
)
def test_disk_and_age_are_bounded_and_nobody_may_delete(store, kept):
    told = dict(arg.partition("=")[::2] for arg in store.args)
    assert (told["-retentionPeriod"], told["-retention.maxDiskSpaceUsageBytes"]) == kept
    assert told["-storage.minFreeDiskSpaceBytes"] == "2GB"
    assert "-delete.enable" not in told
    keys = {name: value for name, value in told.items() if name.endswith("AuthKey")}
    assert len(keys) == 5
    assert set(keys.values()) == {"file:///proc/sys/kernel/random/uuid"}


def test_the_backend_and_the_shipper_know_where_they_are():
    assert json.loads(PLANNED["backend"].env[backend.LOGS]) == {
        "url": "http://tasks.sophia-dev-logs:9428",
        "prefix": "sophia-dev-",
    }
    assert PLANNED[logs.SHIPPER].args == (
        "tasks.sophia-dev-logs", "tasks.sophia-dev-audit-log", "sophia-dev-gateway",
    )  # fmt: skip


def test_their_network_has_room():
    groups, servers = SETTINGS.node_groups, SETTINGS.servers
    machines = sum(group.count for group in groups)
    managers = sum(group.count for group in groups if group.role == "manager")
    # Two ends and a router; one per machine, a shipper each; the stores; the backend, updated.
    there = 3 + 2 * machines + 2 * managers + 2 * backend.REPLICAS
    assert addresses(groups, [], logged=True) >= there
    assert addresses(groups, servers, logged=True) >= addresses(groups, servers)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"enable": True}, "sophia:logs.enable: got an unknown key, expected only enabled"),
        ({"enabled": "yes"}, "sophia:logs.enabled: got 'yes', expected true or false"),
        (True, "sophia:logs: got True, expected a mapping"),
    ],
)
def test_what_is_wrong_with_the_setting_is_told(given, fault):
    _, faults = check(changed(logs=given))
    assert [fault for told in faults if told.startswith(fault)], faults
