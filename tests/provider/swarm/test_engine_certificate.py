"""Certificates under the real Pulumi engine: a plain `up` renews one in time, and keeps its CA."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

import toolchain
from tests.support.checkout import ROOT

pytestmark = pytest.mark.slow

PROJECT = f"""\
name: certificates
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins: {{providers: [{{name: swarm, path: {ROOT / "providers" / "swarm"}}}]}}
"""
PROGRAM = f"""\
import json, pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from components import gateway_certificate as plan
from components.settings import handed_out
own = json.loads(pathlib.Path("own.json").read_text())
hosts, last = own.pop("hosts"), handed_out().get("ca", "")
shown = plan.made("gateway", "gateway", hosts, [], plan.OwnCa(**own, handed_out=last), None)
pulumi.export("ca", shown.authority)
pulumi.export("leaf", shown.pem.apply(lambda pem: pem.partition("-----BEGIN PRIVATE")[0]))
pulumi.export("ends", shown.ends)
"""


class Stack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "state").mkdir()
        self.configure()
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

    def configure(self, hosts: Sequence[str] = ("mcp.example",), **own: object) -> None:
        """own: of OwnCa."""
        (self.folder / "own.json").write_text(json.dumps({"hosts": hosts, **own}))

    def outputs(self) -> dict[str, str]:
        told = self("stack", "output", "--json", "--show-secrets")
        found: dict[str, str] = json.loads(told)
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

    stack.ages("gateway-certificate", timedelta(days=122))
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")

    stack.ages("gateway-certificate", timedelta(days=121))
    preview = json.loads(stack("preview", "--json"))
    planned = {step["urn"].rpartition("::")[2]: step["op"] for step in preview["steps"]}
    assert "replace" in planned["gateway-certificate"]
    assert "gateway-ca" not in planned
    stack("up", "--yes", "--skip-preview")
    second = stack.outputs()
    assert second["ca"] == first["ca"]
    assert second["leaf"] != first["leaf"]
    ends = datetime.fromisoformat(second["ends"])
    assert ends - datetime.now(UTC) > timedelta(days=364)
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")


def trusts(authorities: str, leaf: str) -> bool:
    """Whether a client with these CAs trusts that certificate."""
    (certificate,) = x509.load_pem_x509_certificates(leaf.encode())
    for authority in x509.load_pem_x509_certificates(authorities.encode()):
        with contextlib.suppress(ValueError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return True
    return False


def test_a_new_ca_takes_over_once_clients_have_both(stack: Stack) -> None:
    stack("up", "--yes", "--skip-preview")
    first = stack.outputs()
    assert first["ca"].count("BEGIN") == 1

    # Both are handed out, and the former one still signs: whoever has the first one trusts it.
    stack.configure(generation="2", keep_former=True)
    stack("up", "--yes", "--skip-preview")
    between = stack.outputs()
    assert between["leaf"] == first["leaf"]
    assert between["ca"].count("BEGIN") == 2
    assert between["ca"].endswith(first["ca"])
    # Again, and for other names: it doesn't forget who signs.
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.configure(("a.example",), generation="2", keep_former=True)
    stack("up", "--yes", "--skip-preview")
    other = stack.outputs()
    assert other["leaf"] != first["leaf"]
    assert trusts(first["ca"], other["leaf"])

    stack.configure(("a.example",), generation="2")
    stack("up", "--yes", "--skip-preview")
    last = stack.outputs()
    assert trusts(between["ca"], last["leaf"]), "who took both needs nothing"
    assert trusts(last["ca"], last["leaf"])
    assert not trusts(first["ca"], last["leaf"])
    assert last["ca"] == between["ca"].removesuffix(first["ca"])
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")

    # The first one was given up, perhaps as it had leaked: the next rotation begins without it.
    stack.configure(("a.example",), generation="2", keep_former=True)
    stack("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.configure(("a.example",), generation="3", keep_former=True)
    stack("up", "--yes", "--skip-preview")
    third = stack.outputs()
    assert third["leaf"] == last["leaf"]
    assert third["ca"].endswith(last["ca"])
    assert not trusts(third["ca"], first["leaf"])
