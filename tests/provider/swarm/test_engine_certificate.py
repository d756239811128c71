"""Certificates under the real Pulumi engine: a plain `up` renews one in time, and keeps its CA."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import toolchain
from tests.support.checkout import ROOT

pytestmark = pytest.mark.slow

PROJECT = f"""\
name: certificates
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins: {{providers: [{{name: swarm, path: {ROOT / "providers" / "swarm"}}}]}}
"""
PROGRAM = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.swarm import resources as swarm
ca = swarm.Certificate("ca", common_name="CA", is_ca=True, validity_days=3650)
leaf = swarm.Certificate("leaf", common_name="gateway", dns_names=["mcp.example"],
    ca_certificate=ca.certificate, ca_private_key=ca.private_key, validity_days=90)
pulumi.export("ca", ca.certificate)
pulumi.export("leaf", leaf.certificate)
pulumi.export("ends", leaf.not_after)
"""


class Stack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "state").mkdir()
        self.environment = {
            **os.environ,
            **toolchain.environment(),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        }
        self("stack", "init")

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, f"pulumi {arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def outputs(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self("stack", "output", "--json"))
        return found

    def ages(self, name: str, left: timedelta) -> None:
        """Makes a certificate one that ends soon, as time would."""
        exported = json.loads(self("stack", "export"))
        for resource in exported["deployment"]["resources"]:
            if resource["urn"].endswith(f"::{name}"):
                resource["outputs"]["notAfter"] = (datetime.now(UTC) + left).isoformat()
        (self.folder / "aged.json").write_text(json.dumps(exported))
        self("stack", "import", "--file", "aged.json")


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def test_a_plain_up_renews_in_the_last_third_and_clients_trust_the_same_ca(stack: Stack) -> None:
    stack("up", "--yes", "--skip-preview")
    first = stack.outputs()

    stack.ages("leaf", timedelta(days=31))
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")

    stack.ages("leaf", timedelta(days=29))
    preview = json.loads(stack("preview", "--json"))
    planned = {step["urn"].rpartition("::")[2]: step["op"] for step in preview["steps"]}
    assert "replace" in planned["leaf"]
    assert "ca" not in planned
    stack("up", "--yes", "--skip-preview")
    second = stack.outputs()
    assert second["ca"] == first["ca"]
    assert second["leaf"] != first["leaf"]
    ends = datetime.fromisoformat(second["ends"])
    assert ends - datetime.now(UTC) > timedelta(days=89)
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")
