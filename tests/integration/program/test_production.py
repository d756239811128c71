"""docs/how-to/production.md: its commands, run as they stand there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from simulator import cloud
from tests.support.certificates import issue
from tests.support.program import Program

ROOT = Path(__file__).parents[3]
NAME = "mcp.example.com"

pytestmark = pytest.mark.slow


@pytest.fixture
def program(tmp_path):
    for name in ("project", "simulator"):
        (tmp_path / name).mkdir()
    with cloud.running(tmp_path / "simulator", boot_seconds=0.1) as simulated:
        made = Program(tmp_path / "project", simulated)
        values = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
        values["config"]["sophia:lambdaApiUrl"] = simulated.url
        (made.folder / "Pulumi.prod.yaml").write_text(yaml.safe_dump(values))
        yield made


@pytest.fixture
def own(program):
    """A certificate as certbot leaves it."""
    made = issue(NAME, issue("Middle", issue("Root")), dns=(NAME,), told_issuer=True)
    (program.folder / "fullchain.pem").write_text(made.chain)
    (program.folder / "privkey.pem").write_text(made.key_pem)
    return made


def test_the_commands_lead_to_a_preview_with_a_price(program, own):
    text = (ROOT / "docs" / "how-to" / "production.md").read_text()
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for example, value in {
        "s3://your-bucket": program.environment["PULUMI_BACKEND_URL"],
        "$HOME/": f"{program.folder}/",
        "LAMBDA_API_KEY=…": f"LAMBDA_API_KEY={program.simulated.api_key}",
        "SOPHIA_REGISTRY_PASSWORD=…": "SOPHIA_REGISTRY_PASSWORD=secret-of-the-registry",
        f"/etc/letsencrypt/live/{NAME}/": f"{program.folder}/",
    }.items():
        assert example in commands
        commands = commands.replace(example, value)
    said = run(program, commands)
    assert "expected cost: $2.10 an hour, $1,533.00 a month (3 cpu_4x_general at $0.20" in said
    assert "gateway-service" in said
    assert "gateway-ca" not in said, "the own certificate is used"
    assert own.key_pem.splitlines()[1] not in said
    kept = (program.folder / "Pulumi.prod.yaml").read_text()
    assert "secret-of-the-registry" not in kept
    assert own.key_pem.splitlines()[1] not in kept
    assert program.simulated.control("GET", "/instances") in ([], {"data": []})


def test_a_certificate_can_be_kept_in_the_configuration_with_its_key_encrypted(program, own):
    text = (ROOT / "docs" / "how-to" / "production.md").read_text()
    commands = re.findall(r"`(pulumi config set [^`]* < [^`]*)`", text)
    assert len(commands) == 2
    name = f"pulumi config set --path 'gateway.hosts[0]' {NAME}"
    said = run(program, "\n".join(["pulumi stack init prod", name, *commands, "pulumi preview"]))
    assert "gateway-service" in said
    assert "gateway-ca" not in said, "the own certificate is used"
    kept = (program.folder / "Pulumi.prod.yaml").read_text()
    assert own.pem.splitlines()[1] in kept
    assert own.key_pem.splitlines()[1] not in said + kept


def run(program: Program, commands: str) -> str:
    """The output of the commands, once all of them have succeeded."""
    done = subprocess.run(
        ["bash", "-eux", "-o", "pipefail", "-c", commands],
        cwd=program.folder,
        env={**program.environment, "PULUMI_OPTION_NON_INTERACTIVE": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
