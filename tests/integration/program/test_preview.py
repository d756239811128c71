"""The real engine runs the program against the API alone: what it plans, and what it refuses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from simulator import cloud
from toolchain import environment

ROOT = Path(__file__).parents[3]
PLACES = ["__main__.py", "components", "providers", "mcp_catalog", "images", "templates", ".venv"]

pytestmark = pytest.mark.slow


class Program:
    """The program in a folder of its own (the checkout by links), with its own state."""

    def __init__(self, folder: Path, simulated: cloud.Cloud) -> None:
        self.folder, self.simulated = folder, simulated
        for place in PLACES:
            (folder / place).symlink_to(ROOT / place)
        (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        (folder / "state").mkdir()
        given = {key: os.environ[key] for key in ("HOME", "DOCKER_HOST") if key in os.environ}
        self.environment = {
            **given,
            **environment(),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a test's",
            "PULUMI_ERROR_OUTPUT_STRING": "1",
            "LAMBDA_API_URL": simulated.url,
            "LAMBDA_API_KEY": simulated.api_key,
            "SOPHIA_REGISTRY_PASSWORD": "a password",
        }
        del self.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]

    def configure(self, stack: str, **changes: object) -> None:
        """The checkout's configuration of a stack, with some keys changed."""
        text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
        content = {"config": yaml.safe_load(text)["config"]}
        content["config"].update({f"sophia:{key}": value for key, value in changes.items()})
        (self.folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
        self.pulumi("stack", "init", stack)

    def pulumi(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--color=never", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == bool(status), f"pulumi {' '.join(arguments)}:\n{said}"
        return said


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
        gatewayPort=2377,
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
        "sophia:gatewayPort: got 2377, expected another port",
        "sophia:secretss: got an unknown key, expected one of",
    ):
        assert fault in said, f"missing: {fault}\n{said}"
    assert "Traceback" not in said
    assert "unhandled" not in said
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


NAMED = """
import pulumi
from components import settings
pulumi.export("named_after", settings.named_after())
pulumi.export("secret", pulumi.Output.secret("of others"))
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
    program.pulumi("preview", "--expect-no-changes")
    assert named() == "dev"
    program.pulumi("stack", "init", "dev")
    assert named() == "dev"


def test_a_refused_key_is_one_fault(program):
    program.configure("dev", registry={"server": "registry.example", "username": "u"})
    program.environment["LAMBDA_API_KEY"] = "wrong"
    said = program.pulumi("preview", "--stack", "dev", status=1)
    assert "1 fault in the configuration" in said
    assert "sophia:lambdaApiKey: got a key refused with" in said
