"""The state in an S3 bucket (moto): a runner with only the state and its passphrase can
refresh and destroy what another one made."""

import json
import os
from pathlib import Path

import pytest

import toolchain
from simulator import cloud
from tests.support import engine, s3
from tests.support.checkout import ROOT

pytestmark = pytest.mark.slow

PROJECT = f"""\
name: sophia
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins:
  providers:
    - {{name: lambdalabs, path: {ROOT / "providers" / "lambdalabs"}}}
"""
PROGRAM = f"""\
import os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.lambdalabs import resources as lambdalabs
account = lambdalabs.Provider(
    "account", api_url=os.environ["LAMBDA_API_URL"], api_key=os.environ["LAMBDA_API_KEY"]
)
through = pulumi.ResourceOptions(provider=account)
key = lambdalabs.SshKey("key", name="ops", public_key="ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", opts=through)
machine = lambdalabs.Instance("machine", name="sophia-s3-0", instance_types=["cpu_4x_general"],
    regions=["us-east-1"], ssh_key_name=key.name, user_data="#cloud-config", opts=through)
pulumi.export("machine", machine.id)
"""


def runner(folder: Path, backend: str, passphrase: Path, extra: dict[str, str]):
    """A fresh runner: the project, and `pulumi` with the backend and the passphrase."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "__main__.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        **toolchain.environment(toolchain.ensure()),
        "PULUMI_BACKEND_URL": backend,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        **s3.KEYS,
        "AWS_REGION": "us-east-1",
        **extra,
    }

    def pulumi(*arguments: str) -> str:
        return engine.pulumi(folder, environment, *arguments)

    return pulumi


def test_another_runner_can_end_what_one_began(tmp_path: Path, bucket: str, monkeypatch) -> None:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "home"))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse")
    (tmp_path / "cloud").mkdir()
    with cloud.running(tmp_path / "cloud", boot_seconds=0) as simulated:
        first = runner(tmp_path / "first", bucket, passphrase, simulated.env)
        first("stack", "init", "prod")
        first("up", "--yes", "--skip-preview", "--stack", "prod")
        machine = json.loads(first("stack", "output", "--json", "--stack", "prod"))["machine"]
        running = [i for i in simulated.control("GET", "/instances") if i["status"] == "active"]
        assert [i["id"] for i in running] == [machine]
        assert simulated.api_key not in first("stack", "export", "--stack", "prod")

        second = runner(tmp_path / "second", bucket, passphrase, {})
        second("refresh", "--yes", "--skip-preview", "--stack", "prod", "--expect-no-changes")
        second("destroy", "--yes", "--skip-preview", "--stack", "prod")
        left = [i for i in simulated.control("GET", "/instances") if i["status"] != "terminated"]
        assert left == []
