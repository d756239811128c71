"""What `make audit` collects from a real node, and finds there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from components.plan import node_setup
from ops.audit import canary, certificates, cis_containers, cis_daemon, nodes, ports, sshd
from ops.audit.findings import ACCEPTED, Check, judged, read_accepted
from providers.swarm.cluster import Cluster
from providers.swarm.member import Member
from providers.swarm.node_setup import NodeSetup, SetupFile
from providers.swarm.pool import Pool
from providers.swarm.service import Service
from providers.swarm.services.model import Health
from simulator import node_image
from tests.provider.swarm.fleet import (
    Fleet,
    Machine,
    cluster_inputs,
    make_context,
    member_inputs,
    on,
    setup_of,
)
from tests.provider.swarm.services.samples import IMAGE, load_image, service

pytestmark = [pytest.mark.containers, pytest.mark.slow]

LEAKED = "Xk3-this-was-a-token-91"
EXPORT = {
    "deployment": {
        "resources": [
            {
                "urn": "urn:pulumi:dev::sophia::random:index:RandomPassword::token",
                "outputs": {
                    "result": {
                        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                        "plaintext": json.dumps(LEAKED),
                    }
                },
            }
        ]
    }
}


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    node_image.ensure(print)
    fleet = Fleet()
    yield fleet
    fleet.close()


async def one_node(fleet: Fleet) -> Machine:
    """Set up as the platform's are, a Swarm of its own, with a service."""
    (olga,) = await fleet.start("olga")
    pool = Pool(fleet.config(olga))
    try:
        files = node_setup.files(gpu=False, registry_server="registry", registry_ca="")
        await NodeSetup(pool).create(
            make_context(), setup_of(olga, fleet, *(SetupFile(*file) for file in files.items()))
        )
        cluster = await Cluster(pool).create(make_context(), cluster_inputs(olga))
        member = member_inputs(olga, cluster.outputs, labels={"node": "olga"})
        await Member(pool).create(make_context("olga"), member)
        load_image(node_image.ensure(print), [olga.container])
        watched = Health(test=["CMD", "/bin/sh", "-c", "true"], interval_s=1)
        web = service("web", health=watched, user="10001:10001")
        await Service(pool).create(make_context(), web)
    finally:
        await pool.close()
    return olga


def looked(outputs: dict[str, Any]) -> list[Check]:
    found, silent = nodes.collected(outputs)
    return [
        nodes.checked(found, silent),
        *cis_daemon.checks(found, {"olga": "manager"}, "ubuntu"),
        *cis_containers.checks(found, datetime.now(UTC)),
        sshd.settings(found),
        sshd.algorithms(outputs),
        ports.checked(outputs, found),
        canary.checked(EXPORT, "{}", {}, found),
        certificates.of_nodes(found, datetime.now(UTC)),
    ]


async def failing(outputs: dict[str, Any]) -> dict[str, str]:
    """What isn't accepted, by check."""
    checks = await asyncio.to_thread(looked, outputs)
    accepted = read_accepted(ACCEPTED.read_text(), "dev")
    rows = judged(checks, accepted)[: len(checks)]
    return {row.name: "\n".join(row.lines) for row in rows if row.state == "FAIL"}


async def test_a_node_of_ours_has_accepted_findings_and_what_is_added_by_hand_is_found(
    fleet: Fleet,
) -> None:
    olga = await one_node(fleet)
    node = {"role": "manager", "address": olga.address, "host_key": olga.host_key, "user": "ubuntu"}
    outputs = {
        "nodes": {"olga": node},
        "ssh_private_key": fleet.login.private_key,
        "gateway_url": f"https://{olga.address}:8443",
    }
    before = await failing(outputs)
    assert before == {
        "cis-4.6": "web: none",
        "cis-5.30": "web: it is on it",
        "image-digest": f"web: got {IMAGE}, expected one with its digest",
        "ports": "olga: port 2377 answers\nolga: port 7946 answers",
    }, "this one has no firewall, no gateway, no overlay, and no image of ours"

    on(
        *(olga, "docker", "run", "--detach", "--name", "stranger", "--pid=host"),
        *("--volume", "/var/run/docker.sock:/socket", "--env", f"TOKEN={LEAKED}"),
        *("--publish", "8080:8080", IMAGE, "/bin/sleep", "600"),
    )
    on(olga, "sh", "-c", "chmod 666 /run/docker.sock; usermod -aG docker nobody")
    on(olga, "sh", "-c", "echo X11Forwarding yes >/etc/ssh/sshd_config.d/00-own.conf")
    added = {name: told for name, told in (await failing(outputs)).items() if name not in before}
    assert added["cis-1.1.2"] == "olga: user nobody is in the group docker"
    assert added["cis-3.15"] == "olga: /run/docker.sock: got mode 666, expected 660 or less"
    assert added["cis-5.32"] == "stranger: /var/run/docker.sock is mounted"
    assert added["sshd-settings"] == "olga: x11forwarding: got yes, expected no"
    assert added["secrets"] == "olga: docker inspect of containers: holds token.result"
    assert {"cis-4.1", "cis-5.4", "cis-5.9", "cis-5.13", "cis-5.16"} <= set(added)
    (_, silent) = await asyncio.to_thread(
        nodes.collected, outputs | {"nodes": {"olga": node | {"host_key": fleet.login.public_key}}}
    )
    assert "olga" in silent, "another machine is not believed"
