"""The workflows' own steps in fresh clones, with machines: preview, deploy, verify, drift, destroy.

The tests run in this order, on one platform.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import cloud
from tests.support import docker
from tests.support.mcp_calls import connected
from tests.support.organisation import Organisation, dev_configuration, organisation

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

SERVERS = ("ai_memory", "lambda_labs_cli")
DEPLOYED = {"infrastructure": "success", "verify": "success", "rollback": "skipped"}
CANCELLED = {"infrastructure": "cancelled", "verify": "skipped", "rollback": "skipped"}
FAILED = {"infrastructure": "failure", "verify": "skipped", "rollback": "skipped"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("acme")


@pytest.fixture(scope="module")
def acme(home: Path) -> Iterator[Organisation]:
    with cloud.running(home / "home" / "simulator", api_only=False) as simulated:
        machine = dict(simulated.env)
        secrets = {
            "LAMBDA_API_KEY": machine.pop("LAMBDA_API_KEY"),
            "SOPHIA_REGISTRY_PASSWORD": machine.pop("SOPHIA_REGISTRY_PASSWORD"),
        }
        configuration = dev_configuration(
            lambdaApiUrl=machine.pop("LAMBDA_API_URL"), servers={name: {} for name in SERVERS}
        )
        with organisation(home, configuration, secrets, **machine) as made:
            yield made


def results(acme: Organisation, workflow: str, expected: dict[str, str], **inputs: str) -> None:
    jobs = acme.run(workflow, **inputs)
    log = "\n".join(f"== {id}: {job.result}\n{job.log[-4000:]}" for id, job in jobs.items())
    assert {id: job.result for id, job in jobs.items()} == expected, log


def outputs(acme: Organisation) -> dict[str, Any]:
    told = acme.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "prod")
    found: dict[str, Any] = json.loads(told)
    return found


async def tools(acme: Organisation, server: str) -> list[str]:
    async with connected(outputs(acme), server) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


def has_members(home: Path) -> bool:
    """Whether some node has joined another one's Swarm."""
    return any(
        len(docker.docker("exec", node, "docker", "node", "ls", "-q", ok=False).split()) > 1
        for node in docker.nodes(home / "home")
    )


def test_a_cancelled_deployment_is_continued_by_the_next_push(acme: Organisation, home: Path):
    results(acme, "preview", {"preview": "success"})
    moments: list[Callable[[], object]] = [
        acme.locks,
        lambda: docker.nodes(home / "home"),
        lambda: has_members(home),
        lambda: docker.services(home / "home"),
    ]
    for moment in moments:
        acme.runner.cancels = lambda moment=moment: bool(moment())
        results(acme, "deploy", CANCELLED)
    acme.runner.cancels = lambda: False
    results(acme, "deploy", DEPLOYED)
    assert acme.locks() == []
    assert len(docker.nodes(home / "home")) == 4, "what a cancelled run had launched is used"


async def test_nothing_has_drifted(acme: Organisation):
    results(acme, "drift", {"drift": "success"})
    assert [one for one in acme.github.issues.values() if one["state"] == "open"] == []
    for server in SERVERS:
        assert await tools(acme, server)


async def test_a_broken_image_fails_the_deployment_and_the_next_push_heals(acme: Organisation):
    file = acme.repository / "mcp_catalog" / "lambda_labs_cli" / "server.py"
    good = file.read_text()
    file.write_text(f"raise SystemExit('broken')\n{good}")
    acme.push("broken")
    results(acme, "deploy", FAILED)
    assert await tools(acme, "lambda_labs_cli"), "the old version serves"
    file.write_text(good)
    acme.push("healed")
    results(acme, "deploy", DEPLOYED)


async def test_a_version_that_clients_can_not_use_is_taken_back(acme: Organisation):
    """Healthy, and without a tool: only a client notices."""
    names = await tools(acme, "lambda_labs_cli")
    acme.push("useless", servers={"ai_memory": {}, "lambda_labs_cli": {"tools": {"deny": names}}})
    results(
        acme, "deploy", {"infrastructure": "success", "verify": "failure", "rollback": "success"}
    )
    assert await tools(acme, "lambda_labs_cli") == names
    results(acme, "drift", {"drift": "success"})
    (issue,) = [one for one in acme.github.issues.values() if one["state"] == "open"]
    assert "lambda_labs_cli-service" in issue["body"], "main is not what runs"
    acme.push("healed", servers={name: {} for name in SERVERS})
    results(acme, "deploy", DEPLOYED)
    results(acme, "drift", {"drift": "success"})
    assert issue["number"] in acme.github.issues
    assert acme.github.issues[issue["number"]]["state"] == "closed"


def test_a_cancelled_destruction_is_continued_and_leaves_nothing(acme: Organisation, home: Path):
    acme.runner.cancels = lambda: 0 < len(docker.nodes(home / "home")) < 4
    results(acme, "destroy", {"destroy": "cancelled"}, stack="prod")
    acme.runner.cancels = lambda: False
    results(acme, "destroy", {"destroy": "success"}, stack="prod")
    assert docker.nodes(home / "home") == []
