"""The real engine runs the program against only the API: what it plans, and what it refuses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncssh import generate_private_key

from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import Launch
from simulator import cloud
from tests.support import wrong_settings
from tests.support.catalog import place_for_jira
from tests.support.program import ROOT, Program

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
    (warning,) = (line for line in said.splitlines() if "warning" in line.lower())
    assert "alerts reach nobody: set sophia:monitoring.slack or sophia:monitoring.email" in warning
    assert "prometheus-service" in said
    assert "log-shipper-service" in said
    assert "expected cost: $2.10 an hour, $1,533.00 a month (3 cpu_4x_general at $0.20" in said
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


REGISTRY = {"server": "registry.example", "username": "u"}


def own_catalog(program: Program) -> Path:
    """A copy of the catalog, to change."""
    catalog = program.folder / "mcp_catalog"
    catalog.unlink()
    shutil.copytree(ROOT / "mcp_catalog", catalog)
    return catalog


def test_a_bad_configuration_is_one_message_with_every_error_and_makes_nothing(program):
    jira = place_for_jira(own_catalog(program))
    (jira / "server.yaml").write_text(wrong_settings.JIRA)
    program.configure("dev", **wrong_settings.VALUES)
    said = program.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", status=1)
    for error in wrong_settings.ERRORS:
        assert error in said, f"missing: {error}\n{said}"
    assert f"{len(wrong_settings.ERRORS)} errors in the configuration; nothing was changed" in said
    assert wrong_settings.HIDDEN not in said
    assert "Traceback" not in said
    assert "unhandled" not in said
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})
    kept = re.findall(r"urn:pulumi:\S+", program.pulumi("stack", "--show-urns"))
    assert all("::pulumi:" in urn for urn in kept), "what is the engine's own"


def test_servers_are_taken_as_config_set_writes_them(program):
    program.configure("dev", registry=REGISTRY)
    server = "servers.lambda_labs_cli"
    for key, value in {
        "replicas": "3",
        "resources.memoryMb": "300",
        "resources.cpus": "0.75",
        "allowWrites": "true",
        "allowDestructive[0]": "terminate_instance",
        "tools.deny[0]": "restart_instance",
        "env.LAMBDA_API_URL": "https://other.example/v1",
    }.items():
        program.pulumi("config", "set", "--path", f"{server}.{key}", value)
    program.pulumi("config", "set", "--path", "--secret", f"{server}.secrets.LAMBDA_API_KEY", "123")
    said = program.pulumi("preview", "--diff").replace('"', "")
    assert "lambda_labs_cli-service" in said
    assert "ai_memory-service" not in said, "a mapping names all that run"
    for planned in (
        *("replicas : 3", "memoryMb : 300", "cpus : 0.75", "MCP_ALLOW_WRITES : true"),
        *("MCP_ALLOW_DESTRUCTIVE: terminate_instance", "MCP_TOOLS_DENY : restart_instance"),
        "LAMBDA_API_URL : https://other.example/v1",
    ):
        name, _, value = planned.partition(":")
        assert re.search(rf"\b{name.strip()}\s*: {re.escape(value.strip())}\n", said), planned
    assert "data : [secret]" in re.sub(r" +:", " :", said)


def test_servers_may_be_a_list(program):
    program.configure("dev", registry=REGISTRY)
    program.pulumi("config", "set", "--path", "servers[0]", "ai_memory")
    said = program.pulumi("preview", "--diff")
    assert "ai_memory-service" in said
    assert "lambda_labs_cli-service" not in said


def test_a_credential_comes_from_the_environment_and_dev_starts_without_any(program):
    described = own_catalog(program) / "lambda_labs_cli" / "server.yaml"
    more = "  secrets:\n    - {env: EXTRA_TOKEN, description: More}\n"
    described.write_text(described.read_text().replace("  secrets:\n", more))
    program.configure("dev", registry=REGISTRY, servers=["lambda_labs_cli"])
    file = program.folder / "Pulumi.dev.yaml"
    kept = file.read_text()
    said = program.pulumi("preview")
    assert "lambda_labs_cli-service" in said
    assert "extra-token" not in said
    program.environment["EXTRA_TOKEN"] = "of-the-shell"
    said = program.pulumi("preview", "--diff")
    assert "lambda_labs_cli-extra-token" in said
    assert "of-the-shell" not in said
    assert file.read_text() == kept
    del program.environment["EXTRA_TOKEN"]
    program.pulumi("config", "set", "startUnconfigured", "false")
    said = program.pulumi("preview", status=1)
    assert "1 error in the configuration" in said
    assert (
        "sophia:secrets.EXTRA_TOKEN: got nothing, expected a text; lambda_labs_cli needs it" in said
    )


MISSPELT = """
import dataclasses, runpy
from components.plan import workloads
from providers.swarm.services.model import Placement, Port, Resources
whole = workloads.planned
workloads.planned = lambda settings: [
    dataclasses.replace(
        one,
        needs=("c",),
        placement=Placement(["node.label.tier == primary"]),
        ports=(Port(9000, 9000),),
        replicas=2,
        resources=Resources(pids=0),
    )
    for one in whole(settings)
]
runpy.run_path("whole.py", run_name="__main__")
"""


def test_rules_and_policies_are_told_by_the_first_preview_which_makes_nothing(program):
    (program.folder / "__main__.py").rename(program.folder / "whole.py")
    (program.folder / "__main__.py").write_text(MISSPELT)
    limit = {"maxUsdPerHour": 7}
    program.configure("prod", lambdaApiUrl=program.simulated.url, policies=limit)
    said = program.pulumi("preview", "--stack", "prod", status=1)
    assert "workload database: placement.constraints[0]: 'node.label.tier == primary': un" in said
    assert (
        "workload lambda_labs_cli: needs: got 'c', expected one of database, database-admission"
        in said
    )
    assert "workload database: resources: expected limits of cpus and pids above 0" in said
    assert "policy published-ports: workload database: ports: got 9000, expected none" in said
    assert "policy protected-volumes: workload database: replicas: got 2, expected 1" in said
    assert "policy price-limit: sophia:nodeGroups: got $7.23 an hour at most (3 gpu_1x_a10" in said
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
    program.configure("dev", registry=REGISTRY)
    program.environment["LAMBDA_API_KEY"] = "wrong"
    said = program.pulumi("preview", "--stack", "dev", status=1)
    assert "1 error in the configuration" in said
    assert "sophia:lambdaApiKey: got a key refused with" in said


LAUNCHED = """
import sys
from pathlib import Path
import pulumi
from components import settings
from components.catalog import loader
from components.settings_model import SettingsError
from providers.lambdalabs import resources as lambdalabs
try:
    known = settings.load(loader.load(Path("mcp_catalog")))
except SettingsError as faults:
    sys.exit(str(faults))
account = lambdalabs.Provider(
    "account", api_url=known.lambda_api_url, api_key=known.lambda_api_key.reveal()
)
through = pulumi.ResourceOptions(provider=account)
lambdalabs.InstanceName("name", name="sophia-dev-manager-1-c2", opts=through)
"""


def test_a_lost_state_is_told_from_a_first_run_that_was_interrupted(program):
    """The program up to the name for a machine's launch: no output yet."""
    (program.folder / "__main__.py").unlink()
    (program.folder / "__main__.py").write_text(LAUNCHED)
    program.configure("dev", registry=REGISTRY)
    program.pulumi("up", "--yes", "--skip-preview")
    client = LambdaClient(program.simulated.url, program.simulated.api_key)
    client.add_ssh_key("login", generate_private_key("ssh-ed25519").export_public_key().decode())
    tags = {"project": "sophia", "stack": "dev"}
    name = "sophia-dev-manager-1-c2"
    id = client.launch(Launch(name, "cpu_4x_general", "us-east-1", "login", "", "", tags))
    program.pulumi("preview")

    program.pulumi("stack", "rm", "--force", "--yes", "--preserve-config")
    program.pulumi("stack", "init", "dev")
    said = program.pulumi("up", "--yes", "--skip-preview", status=1)
    assert "this stack's state is lost or in another backend; nothing was changed." in said
    assert "in the configuration" not in said
    assert "the state of stack dev: it has no machines, but the account has 1 machine" in said
    assert f"for $0.20 an hour: {name} ({id}, cpu_4x_general in us-east-1)" in said
    client.terminate(id)
    program.pulumi("preview")
