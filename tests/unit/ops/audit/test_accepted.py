"""What is accepted covers every platform that can be configured, not only those that run in tests.

The containers are those that Swarm makes of the plan; the audit of real ones is in tests/e2e.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.plan import exporters, logs, monitoring, workloads
from components.plan.workload import JOBS, Workload, job_inputs, service_inputs
from components.settings_model import Settings
from ops.audit import cis_containers
from ops.audit.findings import ACCEPTED, FAIL, judged, read_accepted
from ops.audit.nodes import Node
from providers.swarm.services.render import render, render_job
from tests.unit.components.samples import changed, check
from tests.unit.ops.audit.recordings import PARTS, container

Json = dict[str, Any]
NOW = datetime.fromisoformat(PARTS["images"][0]["Created"][:19]).replace(tzinfo=UTC)
URN = "urn:pulumi:prod::sophia::swarm:index:Service::x"
DIGEST = f"@sha256:{64 * 'a'}"
THEIRS = {exporters.GPU: "NVIDIA's, which is made anew every few months"}
LAYOUTS: dict[str, Json] = {
    "plain": {},
    "much": {
        "monitoring": {"enabled": True, "gpuExporter": f"nvcr.io/dcgm-exporter{DIGEST}"},
        "logs": {"enabled": True},
        "standby": {"enabled": True},
        "backup": {"bucket": "backups", "accessKey": "a", "secretKey": "b"},
        "tracing": {"endpoint": "https://otel.example"},
    },
    "an own backend": {"backend": {"image": f"r.io/b{DIGEST}", "health": ["/app/health"]}},
    "an own database": {"database": {"url": "postgresql://u:w@db.example/x?sslmode=verify-full"}},
}


def image(workload: Workload, settings: Settings) -> Json:
    """As `docker image inspect` shows it, of what its Dockerfile says."""
    watched = workload.name not in (*monitoring.NAMES, *logs.NAMES)
    if workload.name == workloads.BACKEND and settings.backend.image:
        watched = False
    age = timedelta(days=100 if workload.name in THEIRS else 1)
    config = {"Healthcheck": {"Test": ["CMD", "true"]}} if watched else {}
    made = f"{NOW - age:%Y-%m-%dT%H:%M:%S}.0Z"
    return {"Id": f"image-{workload.name}", "Created": made, "Config": config}


def running(workload: Workload, spec: Json) -> Json:
    """A container of the recording with what Swarm takes from the spec."""
    made = copy.deepcopy(container(PARTS))
    wanted = spec["TaskTemplate"]["ContainerSpec"]
    made["Image"] = f"image-{workload.name}"
    made["AppArmorProfile"] = "docker-default"
    made["NetworkSettings"] = {"Networks": {"services": {}}, "Ports": {}}
    made["Config"] |= {"User": wanted["User"], "Healthcheck": wanted["Healthcheck"]}
    made["Config"]["Labels"][cis_containers.SERVICE] = spec["Name"]
    limits = spec["TaskTemplate"]["Resources"]["Limits"]
    made["HostConfig"] |= {
        "CapDrop": wanted["CapabilityDrop"],
        "CapAdd": wanted["CapabilityAdd"],
        "ReadonlyRootfs": wanted["ReadOnly"],
        "Memory": limits["MemoryBytes"],
        "NanoCpus": limits["NanoCPUs"],
        "PidsLimit": limits["Pids"],
        "PortBindings": {
            f"{port['TargetPort']}/tcp": [{"HostIp": "", "HostPort": str(port["PublishedPort"])}]
            for port in spec["EndpointSpec"].get("Ports") or []
        },
    }
    made["Mounts"] = [
        {
            "Type": mount["Type"],
            "Source": mount.get("Source", ""),
            "Destination": mount["Target"],
            "Propagation": (mount.get("BindOptions") or {}).get("Propagation", "rprivate"),
        }
        for mount in wanted["Mounts"]
        if mount["Type"] != "tmpfs"
    ]
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nobody_is_told_to_accept_what_the_platform_itself_is(layout: str):
    settings, faults = check(changed(**LAYOUTS[layout]))
    assert faults == []
    specs = [
        (one, render_job(job_inputs(one, settings.prefix), URN))
        if one.kind in JOBS
        else (one, render(service_inputs(one, settings.prefix), URN))
        for one in workloads.planned(settings)
    ]
    said = {
        "containers": [running(one, spec) for one, spec in specs],
        "images": [image(one, settings) for one, _ in specs],
        "services": [{"Spec": spec} for _, spec in specs],
        "daemon": {"no-new-privileges": True},
    }
    node = Node("manager-1", "manager", {part: json.dumps(value) for part, value in said.items()})
    accepted = read_accepted(ACCEPTED.read_text(), "prod")
    of_containers = cis_containers.checks([node], NOW)
    rows = judged(
        of_containers, [one for one in accepted if one.check.startswith(("cis-4", "cis-5"))]
    )
    assert [row for row in rows if row.state == FAIL] == []
