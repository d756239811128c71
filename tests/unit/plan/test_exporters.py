"""What the exporters get, and what not."""

from __future__ import annotations

import csv

from components.plan import database, exporters, standby
from components.plan.node_setup import REPORT, files
from components.plan.nodes import NodeGroup, nodes


def group(*types: str) -> NodeGroup:
    return NodeGroup("worker", 1, "worker", "secondary", types, ("us-east-1",), "image", "1")


def test_of_a_node_only_its_report_is_mounted_and_only_to_be_read():
    (mount,) = exporters.node().mounts
    assert (mount.type, mount.source, mount.read_only) == ("bind", REPORT, True)
    unit = files(gpu=False, registry_server="r", registry_ca="", watched=True)[
        "/etc/systemd/system/sophia-report.service"
    ]
    assert f"{REPORT}/report.prom" in unit
    assert f"StateDirectory={REPORT.removeprefix('/var/lib/')}\n" in unit


def test_the_databases_exporter_logs_in_as_a_role_of_its_own():
    server = database.watched(database.workload("database"))
    assert database.MONITOR_SECRET in [file.target for file in server.secrets]
    workload = exporters.of_database("sophia-dev", server)
    assert [file.target for file in workload.secrets] == [database.MONITOR_SECRET]
    assert workload.env["DATA_SOURCE_USER"] == "monitor"
    where = "tasks.sophia-dev-database:5432/sophia?sslmode=disable"
    assert workload.env["DATA_SOURCE_URI"] == where


def test_each_member_has_an_exporter_of_its_own():
    server = database.watched(database.workload("database"))
    members = standby.members(server, "p", ["m-1", "m-2", "m-3"])
    first, second = (exporters.of_database("p", one) for one in members[-2:])
    assert (first.name, second.name) == (exporters.DATABASE, exporters.STANDBY)
    assert "tasks.p-database-2:" in second.env["DATA_SOURCE_URI"]
    assert second.needs == ("database-2",)
    assert {"data", "monitoring"} == set(second.networks)


def test_a_node_has_the_label_if_every_type_of_its_list_has_gpus():
    (mixed,) = nodes([group("cpu_4x_general", "gpu_1x_a10")])
    (sure,) = nodes([group("gpu_8x_h100_sxm5", "gpu_1x_a10")])
    assert (mixed.labels.get("gpu"), mixed.gpus, mixed.gpu) == (None, 0, True)
    assert (sure.labels["gpu"], sure.gpus) == ("true", 1)
    assert exporters.gpu().placement.constraints == ["node.labels.gpu == true"]


def test_gpus_are_asked_for_what_alerts_need():
    lines = [line for line in exporters.counters().splitlines() if not line.startswith("#")]
    fields = {field for field, kind, about in csv.reader(lines) if kind.strip() and about}
    assert len(fields) == len(lines)
    assert fields >= {
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_XID_ERRORS",
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    }
