"""The real engine runs the program against the API alone: what it plans, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncssh import generate_private_key

from simulator import cloud
from tests.support.program import Program

pytestmark = pytest.mark.slow


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    for name in ("project", "simulator"):
        (tmp_path / name).mkdir()
    with cloud.running(tmp_path / "simulator", boot_seconds=0.1) as simulated:
        yield Program(tmp_path / "project", simulated)


def test_a_preview_of_production_plans_everything_and_makes_nothing(program):
    program.configure("prod", lambdaApiUrl=program.simulated.url)
    said = program.pulumi("preview", "--stack", "prod", "--diff")
    for planned in ("gpu-2-instance", "swarm-gpu-2", "gateway-service", "ai_memory-service"):
        assert planned in said, f"{planned} is not planned:\n{said}"
    assert "warning" not in said.lower(), said
    assert "expected cost: $2.10 an hour, $1,533.00 a month (3 cpu_4x_general at $0.20" in said
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


GROUP = {"role": "manager", "tier": "primary", "instanceTypes": ["gpu_1x_a11"], "count": 2}


def test_bad_configuration_is_one_message_with_every_fault_and_makes_nothing(program):
    program.configure(
        "dev",
        nodeGroups=[
            {**GROUP, "name": "a", "regions": ["us-east-9"]},
            {**GROUP, "name": "a", "regions": ["us-east-1"], "tier": "first", "cuont": 1},
        ],
        registry={"server": "registry.example", "username": "u"},
        servers=["ai_memry"],
        gateway={"port": 2377, "hosts": ["https://mcp.example.com"]},
        secretss={},
    )
    said = program.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", status=1)
    for fault in (
        "sophia:nodeGroups[0].instanceTypes[0]: got 'gpu_1x_a11', expected one of",
        "sophia:nodeGroups[0].regions[0]: got 'us-east-9', expected one of",
        "sophia:nodeGroups[1].name: got 'a', expected a name that no other group has",
        "sophia:nodeGroups[1].tier: got 'first', expected one of primary, secondary",
        "sophia:nodeGroups[1].cuont: got an unknown key, expected one of",
        "sophia:nodeGroups: got 4 managers, expected an odd number of managers",
        "sophia:servers[0]: got 'ai_memry', expected one of",
        "sophia:gateway.port: got 2377, expected another port",
        "sophia:gateway.hosts[0]: got 'https://mcp.example.com', expected a DNS name",
        "sophia:nodeGroups: got managers in any of us-east-9, us-east-1, expected one region",
        "sophia:secretss: got an unknown key, expected one of",
    ):
        assert fault in said, f"missing: {fault}\n{said}"
    assert "Traceback" not in said
    assert "unhandled" not in said
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


MISSPELT = """
import dataclasses, runpy
from components.plan import workloads
from providers.swarm.services.model import Placement
whole = workloads.planned
workloads.planned = lambda settings: [
    dataclasses.replace(one, needs=("c",), placement=Placement(["node.label.tier == primary"]))
    for one in whole(settings)
]
runpy.run_path("whole.py", run_name="__main__")
"""


def test_a_services_rules_are_told_by_the_first_preview_which_makes_nothing(program):
    (program.folder / "__main__.py").rename(program.folder / "whole.py")
    (program.folder / "__main__.py").write_text(MISSPELT)
    program.configure("prod", lambdaApiUrl=program.simulated.url)
    said = program.pulumi("preview", "--stack", "prod", status=1)
    assert "workload database: placement.constraints[0]: 'node.label.tier == primary': un" in said
    assert "workload lambda_labs_cli: needs: got 'c', expected one of database, ai_memory" in said
    assert "Traceback" not in said
    assert "lambdalabs" not in said, "no resource is planned"
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


NAMED = """
import pulumi
from components import settings
kept = settings.handed_out()
pulumi.export("named_after", kept.get("named_after", pulumi.get_stack()))
pulumi.export("secret", pulumi.Output.secret("of ours"))
pulumi.export("known", kept.get("secret") == "of ours")
"""


def test_a_renamed_stack_is_called_after_its_first_name(program):
    (program.folder / "__main__.py").unlink()
    (program.folder / "__main__.py").write_text(NAMED)

    def named() -> str:
        program.pulumi("up", "--yes", "--skip-preview")
        return program.pulumi("stack", "output", "named_after").strip()

    program.pulumi("stack", "init", "dev")
    assert named() == "dev"
    program.pulumi("stack", "rename", "prod")
    assert named() == "dev"
    assert program.pulumi("stack", "output", "known").strip() == "true"
    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("stack", "init", "dev")
    assert named() == "dev"


LEFT_ON = """
import os
import pulumi
from providers.lambdalabs import resources as lambdalabs
account = lambdalabs.Provider(
    "account",
    api_url=os.environ["LAMBDA_API_URL"],
    api_key=os.environ["LAMBDA_API_KEY"],
    requests_per_second=100.0,
)
made = lambdalabs.SshKey(
    os.environ["NAME"],
    name="login",
    public_key=f"ssh-ed25519 {os.environ['KEY']}",
    opts=pulumi.ResourceOptions(provider=account),
)
pulumi.export("networks", made.id.apply(lambda _: os.environ["NAME"]))
"""


def test_an_output_that_waits_stays_as_it_was_when_a_run_fails(program):
    """What each service is on is handed out when all are healthy: the next run builds on it."""
    (program.folder / "__main__.py").unlink()
    (program.folder / "__main__.py").write_text(LEFT_ON)
    program.pulumi("stack", "init", "dev")
    keys = [generate_private_key("ssh-ed25519").export_public_key().split()[1] for _ in range(2)]
    program.environment |= {"NAME": "first", "KEY": keys[0].decode()}
    program.pulumi("up", "--yes", "--skip-preview")
    program.environment |= {"NAME": "second", "KEY": keys[1].decode()}
    said = program.pulumi("up", "--yes", "--skip-preview", status=1)
    assert "the account has another key of that name" in said
    assert program.pulumi("stack", "output", "networks").strip() == "first"


def test_a_refused_key_is_one_fault(program):
    program.configure("dev", registry={"server": "registry.example", "username": "u"})
    program.environment["LAMBDA_API_KEY"] = "wrong"
    said = program.pulumi("preview", "--stack", "dev", status=1)
    assert "1 error in the configuration" in said
    assert "sophia:lambdaApiKey: got a key refused with" in said
